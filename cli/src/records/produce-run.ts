/**
 * Feeds the inputs of one `produce` to the producer, as fast as it takes them, and counts what became of the records.
 *
 * Back-pressure: a record that the producer does not take waits for room, and with it the reading. A record that is taken
 * at once costs no promise. The first failure, of a record or of the input, ends the reading; what is in flight is
 * awaited in any case, so that the counts are final.
 */
import type { Producer, TopicDef } from "@tidemark/client";
import { MAX_MESSAGE_BYTES_MAX } from "@tidemark/proto";
import { CliFailure, usageFailure } from "../failure.ts";
import { formatBytes } from "../output/units.ts";
import { Delivery } from "./delivery.ts";
import type { RecordToProduce } from "./envelope.ts";
import type { Input } from "./inputs.ts";
import { LineSplitter } from "./line-splitter.ts";
import { Pacer } from "./pacer.ts";
import type { RecordReader } from "./record-format.ts";

/** How long a stopped command waits for what is in flight. */
export const STOP_FLUSH_MS = 5_000;

export type ByteTopic = TopicDef<Uint8Array | null, Uint8Array | null>;

export interface ProduceRunOptions {
  readonly producer: Pick<Producer, "enqueue" | "ready" | "flush">;
  readonly topic: ByteTopic;
  readonly readRecord: RecordReader;
  /** Each input is one record; else each line is. */
  readonly isWholeInput: boolean;
  /** Null: as fast as the broker. */
  readonly recordsPerSecond: number | null;
  readonly signal: AbortSignal;
}

export class ProduceRun {
  readonly delivery = new Delivery();
  readonly startedAtMs = performance.now();
  readonly #options: ProduceRunOptions;
  readonly #pacer: Pacer | null;
  bytesRead = 0;

  constructor(options: ProduceRunOptions) {
    this.#options = options;
    this.#pacer = options.recordsPerSecond === null ? null : new Pacer(options.recordsPerSecond);
  }

  /** Sends what the inputs hold and waits until all of it is answered. Returns why reading stopped early, or null. */
  async sendAll(inputs: readonly Input[]): Promise<Error | null> {
    let stoppedBy: Error | null = null;
    try {
      for (const input of inputs) {
        this.delivery.beginInput(input.name);
        await this.#sendInput(input);
        if (this.#mustStop) break;
      }
    } catch (error: unknown) {
      stoppedBy = error instanceof Error ? error : new Error(String(error));
    }
    await this.#settle();
    return stoppedBy;
  }

  /** Sends the one record that is made of flags alone. */
  async sendTombstone(): Promise<null> {
    this.delivery.beginInput("--tombstone");
    await this.#sendPiece(Buffer.alloc(0));
    await this.#settle();
    return null;
  }

  get #mustStop(): boolean {
    return this.delivery.firstFailed !== null || this.#options.signal.aborted;
  }

  async #sendInput(input: Input): Promise<void> {
    const { signal, isWholeInput } = this.#options;
    const stream = input.open();
    // A read that waits for a silent pipe must not outlive the signal.
    const stop = (): void => void stream.destroy();
    signal.addEventListener("abort", stop, { once: true });
    try {
      if (isWholeInput) await this.#sendWhole(stream);
      else await this.#sendLines(stream);
    } catch (error: unknown) {
      if (!signal.aborted) throw error;
    } finally {
      signal.removeEventListener("abort", stop);
    }
  }

  async #sendLines(stream: AsyncIterable<Buffer>): Promise<void> {
    const splitter = new LineSplitter({ lineBytesMax: MAX_MESSAGE_BYTES_MAX });
    for await (const chunk of stream) {
      this.bytesRead += chunk.length;
      splitter.feed(chunk);
      for (let line = splitter.next(); line !== null; line = splitter.next()) {
        const waits = this.#sendPiece(line);
        if (waits !== null) await waits;
        if (this.#mustStop) return;
      }
    }
    // An input that was cut short by a signal ends in the middle of a line, which is no record then.
    const last = this.#mustStop ? null : splitter.finish();
    if (last !== null) await this.#sendPiece(last);
  }

  async #sendWhole(stream: AsyncIterable<Buffer>): Promise<void> {
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of stream) {
      chunks.push(chunk);
      size += chunk.length;
      this.bytesRead += chunk.length;
      if (size > MAX_MESSAGE_BYTES_MAX) {
        const place = this.delivery.describeSlot(this.delivery.handedOver);
        throw new CliFailure("RECORD_TOO_LARGE", `${place} is larger than ${formatBytes(MAX_MESSAGE_BYTES_MAX)}`, {
          hint: "no broker takes a record of that size",
        });
      }
    }
    if (!this.#mustStop) await this.#sendPiece(Buffer.concat(chunks, size));
  }

  /** Null when the next record may follow at once. */
  #sendPiece(piece: Buffer): Promise<void> | null {
    const record = this.#parse(piece);
    if (record === null) return null;
    if (this.#pacer !== null) return this.#sendPaced(record, this.#pacer);
    return this.#tryEnqueue(record) ? null : this.#enqueueWhenReady(record);
  }

  #parse(piece: Buffer): RecordToProduce | null {
    try {
      return this.#options.readRecord(piece);
    } catch (error: unknown) {
      if (!(error instanceof CliFailure)) throw error;
      const place = this.delivery.describeSlot(this.delivery.handedOver);
      throw usageFailure(`${place}: ${error.message}`, error.hint ?? undefined);
    }
  }

  async #sendPaced(record: RecordToProduce, pacer: Pacer): Promise<void> {
    await pacer.next(this.#options.signal);
    if (!this.#tryEnqueue(record)) await this.#enqueueWhenReady(record);
  }

  async #enqueueWhenReady(record: RecordToProduce): Promise<void> {
    const { producer, signal } = this.#options;
    do await producer.ready({ signal });
    while (!this.#tryEnqueue(record));
  }

  /** False: the producer is full and has not taken it. A record that it refuses for good counts as failed. */
  #tryEnqueue(record: RecordToProduce): boolean {
    const { producer, topic } = this.#options;
    const slot = this.delivery.handedOver;
    const bytes = (record.key?.length ?? 0) + (record.value?.length ?? 0);
    try {
      const isTaken = producer.enqueue(topic, record, (error, metadata) =>
        this.delivery.settle(slot, error, metadata?.duplicate === true, bytes),
      );
      if (isTaken) this.delivery.handOver();
      return isTaken;
    } catch (error: unknown) {
      this.delivery.handOver();
      this.delivery.settle(slot, error instanceof Error ? error : new Error(String(error)), false, bytes);
      return true;
    }
  }

  /**
   * Every record handed over is answered afterwards, well or badly; after a signal only those that were answered soon.
   * What went wrong was told to the records it happened to, so a failed flush says nothing new.
   */
  async #settle(): Promise<void> {
    const { producer, signal } = this.#options;
    if (!signal.aborted) await producer.flush({ signal }).catch(() => undefined);
    if (signal.aborted) await producer.flush({ timeout: STOP_FLUSH_MS }).catch(() => undefined);
  }
}
