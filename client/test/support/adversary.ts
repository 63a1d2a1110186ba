/**
 * A broker and a network that do their worst to a PartitionQueue: requests wait on streams that break, batches of broken
 * streams are still processed later or never, answers get lost, are told as errors although the batch was appended, and
 * come late; time runs out in between. The log is a PartitionModel. Everything happens in the order of the given steps, so
 * a run is a function of them.
 */
import { BATCH_HEADER_BYTES, type ErrorName, errorRow, readBatchHeader, RecordCursor } from "@tidemark/proto";
import type { Batch, Settled } from "../../src/core/batch.ts";
import { BatchMemory } from "../../src/core/batch-memory.ts";
import { PartitionQueue, type QueueOptions, type Shared } from "../../src/core/partition-queue.ts";
import { type AppendOutcome, PartitionModel } from "./partition-model.ts";

export interface RefuseStep {
  readonly kind: "refuse";
  readonly error: ErrorName;
  readonly append: boolean;
  /** The broker says that it appended nothing. */
  readonly isUnwritten?: boolean;
}

export type Step =
  | { readonly kind: "append"; readonly count: number }
  | { readonly kind: "take" }
  /** The broker processes the oldest request of the live stream and answers. */
  | { readonly kind: "serve" }
  /** It refuses it with an error, having appended or not. */
  | RefuseStep
  /** It processes it, and the answer waits, for another partition of the request: later ones overtake it. */
  | { readonly kind: "hold" }
  /** An answer that waited comes. */
  | { readonly kind: "release"; readonly pick: number }
  /** It appends it, and the stream breaks before the answer. */
  | { readonly kind: "break"; readonly served: number }
  /** A batch that was on a broken stream is processed after all. */
  | { readonly kind: "zombie"; readonly pick: number }
  | { readonly kind: "wait"; readonly ms: number };

interface Sent {
  readonly batch: Batch<number>;
  readonly bytes: Buffer;
  /** Where these bytes came from: a stream may copy them as late as it likes, the header apart, which is made anew. */
  readonly memory: Buffer;
}

export const DELIVERY_TIMEOUT_MS = 1_000;

export class Adversary {
  readonly log: PartitionModel;
  /** By record number: how it ended. */
  readonly outcomes = new Map<
    number,
    { kind: "acked"; offset: number } | { kind: "not-written" } | { kind: "unknown" }
  >();
  taken = 0;
  readonly #shared: Shared<number>;
  readonly #queue: PartitionQueue<number>;
  readonly #valueLength: number;
  #now = 0;
  #live: Sent[] = [];
  readonly #held: { readonly sent: Sent; readonly outcome: AppendOutcome }[] = [];
  /** Streams that broke, their requests still in some buffer: each is processed in its own order, from the front. */
  readonly #dead: Sent[][] = [];

  /** `remembered`: batches of a producer that the broker knows again. `valueLength`: characters of a record, at least. */
  constructor(options: Partial<QueueOptions> = {}, remembered = Number.POSITIVE_INFINITY, valueLength = 0) {
    this.#valueLength = valueLength;
    this.log = new PartitionModel(remembered);
    this.#shared = {
      options: {
        batchBytes: 200,
        lingerMs: 0,
        maxInFlight: 5,
        codec: 0,
        isIdempotent: true,
        deliveryTimeoutMs: DELIVERY_TIMEOUT_MS,
        retry: { initialMs: 1, maxMs: 10, jitter: 0 },
        random: () => 0.5,
        ...options,
      },
      memory: new BatchMemory(),
      load: { records: 0, bytes: 0 },
      settled: [],
      isFlushing: false,
      producerId: { id: 7, epoch: 0 },
    };
    this.#queue = new PartitionQueue("t", 0, this.#shared);
  }

  get load(): { records: number; bytes: number } {
    return this.#shared.load;
  }

  /** Requests on the live stream. */
  get inFlight(): number {
    return this.#live.length;
  }

  /** Who the batches in the log say they are from. */
  identities(): { producerId: number; epoch: number; sequence: number; count: number }[] {
    return this.log.batches.map((batch) => identityOf(batch));
  }

  giveProducerId(id: number): void {
    this.#shared.producerId = { id, epoch: 0 };
  }

  run(step: Step): void {
    switch (step.kind) {
      case "append":
        for (let index = 0; index < step.count; index += 1) {
          const value = String(this.taken).padStart(this.#valueLength, "0");
          this.#queue.append(this.#now, null, value, null, this.taken, this.#now);
          this.taken += 1;
        }
        break;
      case "take":
        this.#take();
        break;
      case "serve":
        this.#serve();
        break;
      case "refuse":
        this.#refuse(step);
        break;
      case "hold":
        this.#hold();
        break;
      case "release":
        this.#release(step.pick);
        break;
      case "break":
        this.#break(step.served);
        break;
      case "zombie":
        this.#zombie(step.pick);
        break;
      case "wait":
        this.#now += step.ms;
        this.#queue.expire(this.#now);
        break;
    }
    this.#collect();
  }

  /** The network heals: everything that can still arrive does. Throws when the queue does not come to rest. */
  settle(): void {
    for (let turn = 0; turn < 500; turn += 1) {
      if (this.#queue.isEmpty) return;
      if (!this.#take() && !this.#serve() && !this.#release(0)) this.#now += 1;
      this.#collect();
    }
    throw new Error(`the queue did not come to rest: ${JSON.stringify(this.load)}`);
  }

  /** Numbers of the records in the log, in its order. */
  records(): number[] {
    return this.log.batches.flatMap((batch) => {
      const numbers: number[] = [];
      const cursor = new RecordCursor(batch);
      while (cursor.next()) numbers.push(Number(cursor.valueText));
      return numbers;
    });
  }

  #take(): boolean {
    const batch = this.#queue.take(this.#now);
    if (batch !== null) this.#live.push({ batch, bytes: Buffer.from(batch.records), memory: batch.records });
    return batch !== null;
  }

  #serve(): boolean {
    const sent = this.#live.shift();
    if (sent === undefined) return false;
    this.#answer(sent, this.#append(sent));
    return true;
  }

  #hold(): void {
    const sent = this.#live.shift();
    if (sent !== undefined) this.#held.push({ sent, outcome: this.#append(sent) });
  }

  #release(pick: number): boolean {
    const [answer] = this.#held.splice(pick % Math.max(this.#held.length, 1), 1);
    if (answer === undefined) return false;
    this.#answer(answer.sent, answer.outcome);
    return true;
  }

  #answer({ batch }: Sent, outcome: AppendOutcome): void {
    if (outcome.ok) {
      const { baseOffset, isDuplicate } = outcome;
      this.#queue.onAnswer(batch, { kind: "acked", baseOffset, logAppendTime: -1, isDuplicate }, this.#now);
      return;
    }
    const row = errorRow(outcome.error);
    this.#queue.onAnswer(batch, { kind: "refused", row, message: "", isUnwritten: false }, this.#now);
  }

  #refuse({ error, append, isUnwritten = false }: RefuseStep): void {
    const sent = this.#live.shift();
    if (sent === undefined) return;
    if (append) {
      const outcome = this.#append(sent);
      // Only what was appended can be told as "maybe"; a refusal by sequence stays one.
      if (!outcome.ok) {
        this.#queue.onAnswer(
          sent.batch,
          { kind: "refused", row: errorRow(outcome.error), message: "", isUnwritten: false },
          this.#now,
        );
        return;
      }
    }
    this.#queue.onAnswer(sent.batch, { kind: "refused", row: errorRow(error), message: "", isUnwritten }, this.#now);
  }

  #break(served: number): void {
    const lost = this.#live.splice(0);
    for (const sent of lost.slice(0, served)) this.#append(sent);
    if (lost.length > served) this.#dead.push(lost.slice(served));
    for (const { sent } of this.#held.splice(0)) this.#queue.onLost(sent.batch, errorRow("NETWORK_EXCEPTION"));
    for (const { batch } of lost) this.#queue.onLost(batch, errorRow("NETWORK_EXCEPTION"));
  }

  #zombie(pick: number): void {
    const stream = this.#dead[pick % Math.max(this.#dead.length, 1)];
    const sent = stream?.shift();
    if (sent !== undefined) this.#append(sent);
    if (stream?.length === 0) this.#dead.splice(this.#dead.indexOf(stream), 1);
  }

  #append({ bytes, memory }: Sent): AppendOutcome {
    if (!memory.subarray(BATCH_HEADER_BYTES).equals(bytes.subarray(BATCH_HEADER_BYTES)))
      throw new Error("the memory of a batch on its way was given to another");
    return this.log.append(Buffer.from(bytes), identityOf(bytes));
  }

  #collect(): void {
    for (const settled of this.#shared.settled.splice(0)) this.#note(settled);
  }

  #note({ batch, outcome }: Settled<number>): void {
    for (const [index, record] of batch.completions.entries()) {
      if (this.outcomes.has(record)) throw new Error(`record ${record} was told twice`);
      if (outcome.kind === "acked")
        this.outcomes.set(record, { kind: "acked", offset: outcome.baseOffset + batch.slotOf(index) });
      else this.outcomes.set(record, outcome.mayBeWritten ? { kind: "unknown" } : { kind: "not-written" });
    }
  }
}

function identityOf(batch: Buffer): { producerId: number; epoch: number; sequence: number; count: number } {
  const { producerId, producerEpoch, baseSequence, recordsCount } = readBatchHeader(batch, 0);
  return { producerId, epoch: producerEpoch, sequence: baseSequence, count: recordsCount };
}
