/**
 * `produce T`: records from standard input or files, streamed. Nothing is held but one chunk of input and what the
 * producer has in flight; when its buffer is full the input waits.
 *
 * How it ends: 0 when every record is acknowledged. When something failed, reading stops, what is in flight is awaited,
 * and the message says up to where everything is safe: exit code 8, or the failure's own code if nothing was written.
 * A signal ends it the same way: what was handed over is awaited for a while and reported.
 */
import type { Client } from "@tidemark/client";
import { callOptions, withClient } from "../client-session.ts";
import { type CommandContext, isJson, note, warn } from "../command-context.ts";
import { ExitCode } from "../exit-codes.ts";
import { CliFailure, toFailure, usageFailure } from "../failure.ts";
import { useNativeParts } from "../native-parts.ts";
import { Progress, type ProgressState } from "../output/progress.ts";
import { formatBytes, formatCount, formatMs, plural } from "../output/units.ts";
import type { Delivery } from "../records/delivery.ts";
import { findInputs, totalBytesOf } from "../records/inputs.ts";
import { type ByteTopic, ProduceRun, STOP_FLUSH_MS } from "../records/produce-run.ts";
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
  readonly txnId?: string;
}

export async function produce(context: CommandContext, request: ProduceRequest): Promise<ExitCode> {
  const topicName = requireTopicName(request.topic);
  if (request.txnId !== undefined) {
    throw new CliFailure("UNSUPPORTED", "--txn-id: transactions do not exist in this version", {
      hint: "without it the records are written one by one, each once",
    });
  }
  const { readRecord, keyless } = createReader(request);
  const isOneTombstone =
    request.tombstone === true && request.key !== undefined && request.file === undefined && request.format === "lines";
  const inputs = isOneTombstone ? [] : findInputs(request.file ?? ["-"], context.stdin);
  const isTyped = inputs.some((input) => input.name === "-") && context.stdin.isTTY === true;
  if (isTyped) {
    const what = request.format === "bytes" ? "one record from the terminal" : "records from the terminal, one a line";
    note(context, `reading ${what}; Ctrl-D ends`);
  }
  await useNativeParts();
  return withClient(context, async (client, settings) => {
    const producer = client.producer({
      ...settings.producer,
      acks: request.acks,
      idempotent: request.acks === "all",
      compression: request.compress,
      ...(context.flags.timeoutMs === null ? {} : { deliveryTimeout: context.flags.timeoutMs }),
    });
    const run = new ProduceRun({
      producer,
      topic: await byteTopic(topicName),
      readRecord,
      isWholeInput: request.format === "bytes",
      recordsPerSecond: request.rate ?? null,
      signal: context.signal,
    });
    const totalBytes = totalBytesOf(inputs);
    const state = (): ProgressState => ({
      doneBytes: run.bytesRead,
      totalBytes,
      records: run.delivery.acknowledged,
    });
    const progress = new Progress(context, state, { isTyped });
    try {
      const stoppedBy = isOneTombstone ? await run.sendTombstone() : await run.sendAll(inputs);
      progress.stop();
      if (keyless.records > 0) warnOfKeyless(context, request, keyless.records);
      const isEmpty = stoppedBy === null && run.delivery.handedOver === 0 && !context.signal.aborted;
      if (isEmpty) await warnIfUnknown(context, client, topicName);
      return finish(context, request, run, stoppedBy);
    } finally {
      progress.stop();
      // After a signal the run has waited already.
      await producer.close({ timeout: context.signal.aborted ? 0 : STOP_FLUSH_MS });
    }
  });
}

/** They went where chance, not a key, sent them: better seen now than missed by whoever looks for the key. */
function warnOfKeyless(context: CommandContext, { keySeparator = "" }: ProduceRequest, records: number): void {
  const lines = records === 1 ? "its line" : "their lines";
  const have = records === 1 ? "has" : "have";
  warn(context, `${plural(records, "record")} ${have} no key: there is no ${JSON.stringify(keySeparator)} in ${lines}`);
}

/** Where nothing was written nobody asked for the topic, and a misspelt name would go unseen. */
async function warnIfUnknown(context: CommandContext, client: Client, topic: string): Promise<void> {
  try {
    await client.admin.topics.describe(topic, callOptions(context));
  } catch (error: unknown) {
    // Whatever else hinders the question hinders no record.
    if (toFailure(error).code === "UNKNOWN_TOPIC_OR_PARTITION")
      warn(context, `there is no topic "${topic}", and no record that would make it`);
  }
}

function finish(context: CommandContext, request: ProduceRequest, run: ProduceRun, stoppedBy: Error | null): ExitCode {
  const { delivery } = run;
  const failed = delivery.firstFailed;
  const error = failed === null ? stoppedBy : failed.error;
  if (error === null || delivery.acknowledged > 0 || context.signal.aborted) report(context, request, run);
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
  const safe = `all before ${place} are written, which failed with ${failure.code}: ${failure.message}`;
  return `${done}, ${formatCount(delivery.failed)} failed; ${safe}`;
}

function report(context: CommandContext, request: ProduceRequest, run: ProduceRun): void {
  const elapsedMs = performance.now() - run.startedAtMs;
  const { acknowledged, duplicates, handedOver } = run.delivery;
  const unanswered = handedOver - acknowledged - run.delivery.failed;
  if (isJson(context.flags)) {
    const event = {
      event: "produced",
      topic: request.topic,
      records: acknowledged,
      duplicates,
      unanswered,
      bytes: run.delivery.acknowledgedBytes,
      elapsedMs: Math.round(elapsedMs),
    };
    note(context, JSON.stringify(event));
    return;
  }
  const rate = formatCount(acknowledged / Math.max(elapsedMs / 1_000, 0.001));
  const retried = duplicates === 0 ? "" : `, ${plural(duplicates, "record")} found there by a retry`;
  const what = `produced ${plural(acknowledged, "record")} to ${request.topic}`;
  note(
    context,
    `${what}: ${formatBytes(run.delivery.acknowledgedBytes)} in ${formatMs(elapsedMs)}, ${rate} records/s${retried}`,
  );
  if (unanswered > 0) {
    const more = unanswered === 1 ? "1 more record" : `${formatCount(unanswered)} more records`;
    note(context, `${more} had no answer when it stopped: they may be in the log or not`);
  }
}

/** `keyless` counts along: records to which --key-separator gave no key. */
function createReader(request: ProduceRequest): { readRecord: RecordReader; keyless: { records: number } } {
  const clash = clashOf(request);
  if (clash !== null) throw usageFailure(clash);
  const readRecord = createRecordReader(request.format, {
    key: request.key === undefined ? null : Buffer.from(request.key),
    headers: (request.header ?? []).map(([name, value]) => [name, Buffer.from(value)] as const),
    partition: typeof request.partition === "number" ? request.partition : null,
    keySeparator: request.keySeparator === undefined ? null : Buffer.from(request.keySeparator),
    isTombstone: request.tombstone === true,
    keepsPartition: request.partition !== false,
  });
  const keyless = { records: 0 };
  if (request.keySeparator === undefined) return { readRecord, keyless };
  const counted: RecordReader = (line) => {
    const record = readRecord(line);
    if (record?.key === null) keyless.records += 1;
    return record;
  };
  return { readRecord: counted, keyless };
}

/** Flags that make no sense together. */
function clashOf(request: ProduceRequest): string | null {
  const { format, key, keySeparator } = request;
  const isTombstone = request.tombstone === true;
  if (keySeparator === "") return "--key-separator is empty";
  if (keySeparator !== undefined && format !== "lines") return "--key-separator goes with -f lines only";
  if (keySeparator !== undefined && key !== undefined) return "-k and --key-separator both set the key";
  if (keySeparator !== undefined && isTombstone) return "a tombstone has no value for --key-separator to cut off";
  if (isTombstone && format === "bytes") return "--tombstone does not go with -f bytes";
  return null;
}

async function byteTopic(name: string): Promise<ByteTopic> {
  const { codecs, topic } = await import("@tidemark/client");
  return topic(name, { key: codecs.bytes, value: codecs.bytes });
}
