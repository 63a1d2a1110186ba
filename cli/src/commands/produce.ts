/**
 * `produce T`: records from standard input or files, streamed. Nothing is held but one chunk of input and what the
 * producer has in flight; when its buffer is full the input waits.
 *
 * How it ends: 0 when every record is acknowledged. When something failed, reading stops, what is in flight is awaited,
 * and the message says up to where everything is safe: exit code 8, or the failure's own code if nothing was written.
 * A signal ends it the same way: what was handed over is awaited for a while and reported.
 */
import type { Producer, TopicDef } from "@tidemark/client";
import { MAX_MESSAGE_BYTES_MAX } from "@tidemark/proto";
import { withClient } from "../client-session.ts";
import { type CommandContext, isJson, note } from "../command-context.ts";
import { ExitCode } from "../exit-codes.ts";
import { CliFailure, toFailure, usageFailure } from "../failure.ts";
import { useNativeParts } from "../native-parts.ts";
import { Progress } from "../output/progress.ts";
import { formatBytes, formatCount, formatMs, plural } from "../output/units.ts";
import { Delivery } from "../records/delivery.ts";
import type { RecordToProduce } from "../records/envelope.ts";
import { findInputs, type Input, totalBytesOf } from "../records/inputs.ts";
import { LineSplitter } from "../records/line-splitter.ts";
import { Pacer } from "../records/pacer.ts";
import { createRecordReader, type InputFormat, type RecordReader } from "../records/record-format.ts";
import { requireTopicName } from "../topic-argument.ts";

export interface ProduceRequest {
  readonly topic: string;
  readonly format: InputFormat;
  readonly key?: string;
  readonly header?: readonly (readonly [string, string])[];
  /** false: --no-partition. */
  readonly partition?: number | boolean;
  readonly keySeparator?: string;
  readonly acks: "all" | "leader" | "none";
  readonly compress: "none" | "gzip" | "snappy" | "lz4" | "zstd";
  readonly tombstone?: boolean;
  /** Records per second. */
  readonly rate?: number;
  readonly file?: readonly string[];
}

/** How long a stopped command waits for what is in flight. */
const STOP_FLUSH_MS = 10_000;

export async function produce(context: CommandContext, request: ProduceRequest): Promise<ExitCode> {
  const topicName = requireTopicName(request.topic);
  const readRecord = createReader(request);
  const isOneTombstone =
    request.tombstone === true && request.key !== undefined && request.file === undefined && request.format === "lines";
  const inputs = isOneTombstone ? [] : findInputs(request.file ?? ["-"], context.stdin);
  if (inputs.some((input) => input.name === "-") && context.stdin.isTTY === true) {
    note(context, "reading records from the terminal, one a line; Ctrl-D ends");
  }
  await useNativeParts();
  return withClient(context, async (client) => {
    const producer = client.producer({
      acks: request.acks,
      idempotent: request.acks === "all",
      compression: request.compress,
      ...(context.flags.timeoutMs === null ? {} : { deliveryTimeout: context.flags.timeoutMs }),
    });
    const run = new ProduceRun(context, producer, await byteTopic(topicName), request);
    const progress = new Progress(context, () => run.state(totalBytesOf(inputs)));
    try {
      const stoppedBy = isOneTombstone ? await run.sendTombstone(readRecord) : await run.sendAll(inputs, readRecord);
      progress.stop();
      return finish(context, request, run, stoppedBy);
    } finally {
      progress.stop();
      await producer.close({ timeout: STOP_FLUSH_MS });
    }
  });
}

/** One `produce`: feeds the producer and counts. */
class ProduceRun {
  readonly delivery = new Delivery();
  readonly startedAtMs = performance.now();
  readonly #context: CommandContext;
  readonly #producer: Producer;
  readonly #topic: TopicDef<Uint8Array | null, Uint8Array | null>;
  readonly #request: ProduceRequest;
  readonly #pacer: Pacer | null;
  bytesRead = 0;

  constructor(
    context: CommandContext,
    producer: Producer,
    topic: TopicDef<Uint8Array | null, Uint8Array | null>,
    request: ProduceRequest,
  ) {
    this.#context = context;
    this.#producer = producer;
    this.#topic = topic;
    this.#request = request;
    this.#pacer = request.rate === undefined ? null : new Pacer(request.rate);
  }

  /** Sends what the inputs hold and waits until all of it is answered. Returns why reading stopped early, or null. */
  async sendAll(inputs: readonly Input[], readRecord: RecordReader): Promise<Error | null> {
    let stoppedBy: Error | null = null;
    try {
      for (const input of inputs) {
        this.delivery.beginInput(input.name);
        await this.#sendInput(input, readRecord);
        if (this.#mustStop) break;
      }
    } catch (error: unknown) {
      stoppedBy = error instanceof Error ? error : new Error(String(error));
    }
    await this.#settle();
    return stoppedBy;
  }

  async sendTombstone(readRecord: RecordReader): Promise<Error | null> {
    this.delivery.beginInput("--tombstone");
    await this.#sendPiece(Buffer.alloc(0), readRecord);
    await this.#settle();
    return null;
  }

  state(totalBytes: number | null): { doneBytes: number; totalBytes: number | null; records: number } {
    return { doneBytes: this.bytesRead, totalBytes, records: this.delivery.acknowledged };
  }

  get #mustStop(): boolean {
    return this.delivery.firstFailed !== null || this.#context.signal.aborted;
  }

  async #sendInput(input: Input, readRecord: RecordReader): Promise<void> {
    const stream = input.open();
    // A read that waits for a silent pipe must not outlive the signal.
    const stop = (): void => void stream.destroy();
    this.#context.signal.addEventListener("abort", stop, { once: true });
    try {
      if (this.#request.format === "bytes") await this.#sendWhole(stream, readRecord);
      else await this.#sendLines(stream, readRecord);
    } catch (error: unknown) {
      if (!this.#context.signal.aborted) throw error;
    } finally {
      this.#context.signal.removeEventListener("abort", stop);
    }
  }

  async #sendLines(stream: AsyncIterable<Buffer>, readRecord: RecordReader): Promise<void> {
    const splitter = new LineSplitter({ lineBytesMax: MAX_MESSAGE_BYTES_MAX });
    for await (const chunk of stream) {
      this.bytesRead += chunk.length;
      splitter.feed(chunk);
      for (let line = splitter.next(); line !== null; line = splitter.next()) {
        const waits = this.#sendPiece(line, readRecord);
        if (waits !== null) await waits;
        if (this.#mustStop) return;
      }
    }
    const last = splitter.finish();
    if (last !== null) await this.#sendPiece(last, readRecord);
  }

  async #sendWhole(stream: AsyncIterable<Buffer>, readRecord: RecordReader): Promise<void> {
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of stream) {
      chunks.push(chunk);
      size += chunk.length;
      this.bytesRead += chunk.length;
      if (size > MAX_MESSAGE_BYTES_MAX) {
        throw new CliFailure(
          "RECORD_TOO_LARGE",
          `the input is larger than ${formatBytes(MAX_MESSAGE_BYTES_MAX)}, and no broker takes such a record`,
        );
      }
    }
    await this.#sendPiece(Buffer.concat(chunks, size), readRecord);
  }

  /** Null when the next record may follow at once: the common case costs no promise. */
  #sendPiece(piece: Buffer, readRecord: RecordReader): Promise<void> | null {
    const record = this.#parse(piece, readRecord);
    return record === null ? null : this.#send(record);
  }

  #parse(piece: Buffer, readRecord: RecordReader): RecordToProduce | null {
    try {
      return readRecord(piece);
    } catch (error: unknown) {
      if (!(error instanceof CliFailure)) throw error;
      const place = this.delivery.describeSlot(this.delivery.handedOver);
      throw usageFailure(`${place}: ${error.message}`, error.hint ?? undefined);
    }
  }

  #send(record: RecordToProduce): Promise<void> | null {
    if (this.#pacer !== null)
      return this.#pacer.next(this.#context.signal).then(() => this.#enqueue(record) ?? undefined);
    return this.#enqueue(record);
  }

  #enqueue(record: RecordToProduce): Promise<void> | null {
    return this.#tryEnqueue(record) ? null : this.#enqueueWhenReady(record);
  }

  async #enqueueWhenReady(record: RecordToProduce): Promise<void> {
    do await this.#producer.ready({ signal: this.#context.signal });
    while (!this.#tryEnqueue(record));
  }

  /** False: the producer is full and has not taken it. */
  #tryEnqueue(record: RecordToProduce): boolean {
    const slot = this.delivery.handedOver;
    const isTaken = this.#producer.enqueue(this.#topic, record, (error, metadata) =>
      this.delivery.settle(slot, error, metadata?.duplicate === true),
    );
    if (isTaken) this.delivery.handOver();
    return isTaken;
  }

  /**
   * Every record handed over is answered afterwards, well or badly; after a signal only those that were answered soon.
   * What went wrong was told to the records it happened to, so a failed flush says nothing new.
   */
  async #settle(): Promise<void> {
    const { signal } = this.#context;
    if (!signal.aborted) await this.#producer.flush({ signal }).catch(() => undefined);
    if (signal.aborted) await this.#producer.flush({ timeout: STOP_FLUSH_MS }).catch(() => undefined);
  }
}

function finish(context: CommandContext, request: ProduceRequest, run: ProduceRun, stoppedBy: Error | null): ExitCode {
  const { delivery } = run;
  const failed = delivery.firstFailed;
  const error = failed === null ? stoppedBy : failed.error;
  if (error === null || delivery.acknowledged > 0) report(context, request, run);
  if (error === null || context.signal.aborted) return ExitCode.OK;
  const failure = toFailure(error);
  const place = failed === null ? null : delivery.describeSlot(failed.slot);
  if (delivery.acknowledged === 0) {
    throw new CliFailure(failure.code, place === null ? failure.message : `${place}: ${failure.message}`, {
      hint: failure.hint ?? undefined,
      exitCode: failure.exitCode,
      details: failure.details ?? undefined,
      cause: error,
    });
  }
  throw new CliFailure("PARTIAL", partialSentence(delivery, failure, place), {
    hint: failure.hint ?? undefined,
    details: {
      acknowledged: delivery.acknowledged,
      failed: delivery.failed,
      firstFailed: place,
      code: failure.code,
      ...failure.details,
    },
    cause: error,
  });
}

function partialSentence(delivery: Delivery, failure: CliFailure, place: string | null): string {
  const done = `${plural(delivery.acknowledged, "record")} acknowledged`;
  if (place === null) return `${done}, then ${failure.message}`;
  return `${done}, ${formatCount(delivery.failed)} failed; all before ${place} are written, which failed with ${failure.code}: ${failure.message}`;
}

function report(context: CommandContext, request: ProduceRequest, run: ProduceRun): void {
  const elapsedMs = performance.now() - run.startedAtMs;
  const { acknowledged, duplicates, handedOver } = run.delivery;
  if (isJson(context.flags)) {
    const event = {
      event: "produced",
      topic: request.topic,
      records: acknowledged,
      duplicates,
      unanswered: handedOver - acknowledged - run.delivery.failed,
      bytes: run.bytesRead,
      elapsedMs: Math.round(elapsedMs),
    };
    note(context, JSON.stringify(event));
    return;
  }
  const rate = formatCount(acknowledged / Math.max(elapsedMs / 1_000, 0.001));
  const retried = duplicates === 0 ? "" : `, ${plural(duplicates, "record")} found there by a retry`;
  note(
    context,
    `produced ${formatCount(acknowledged)} record${acknowledged === 1 ? "" : "s"} to ${request.topic}: ${formatBytes(run.bytesRead)} in ${formatMs(elapsedMs)}, ${rate} records/s${retried}`,
  );
}

function createReader(request: ProduceRequest): RecordReader {
  const isLines = request.format === "lines";
  if (request.keySeparator !== undefined && !isLines) throw usageFailure("--key-separator goes with -f lines only");
  if (request.keySeparator === "") throw usageFailure("--key-separator is empty");
  if (request.keySeparator !== undefined && request.key !== undefined)
    throw usageFailure("-k and --key-separator both set the key");
  if (request.keySeparator !== undefined && request.tombstone === true)
    throw usageFailure("a tombstone has no value: --key-separator makes no sense with --tombstone");
  if (request.tombstone === true && request.format === "bytes")
    throw usageFailure("--tombstone does not go with -f bytes");
  return createRecordReader(request.format, {
    key: request.key === undefined ? null : Buffer.from(request.key),
    headers: (request.header ?? []).map(([name, value]) => [name, Buffer.from(value)] as const),
    partition: typeof request.partition === "number" ? request.partition : null,
    keySeparator: request.keySeparator === undefined ? null : Buffer.from(request.keySeparator),
    isTombstone: request.tombstone === true,
    keepsPartition: request.partition !== false,
  });
}

async function byteTopic(name: string): Promise<TopicDef<Uint8Array | null, Uint8Array | null>> {
  const { codecs, topic } = await import("@tidemark/client");
  return topic(name, { key: codecs.bytes, value: codecs.bytes });
}
