/**
 * What a producer holds for one topic: a queue per partition, and the rule that finds the partition of a record. Records
 * that come before the partitions are known, or name one that is not known yet, are staged and keep their order.
 */
import { type ErrorRow, type LogEnd, partitionForKey, type RecordHeader } from "@tidemark/proto";
import { Batch, type Outcome } from "./batch.ts";
import { PartitionQueue, type Shared } from "./partition-queue.ts";

/** The partition of a record, of those named; anything else fails the record. */
export type Partitioner = (record: {
  topic: string;
  key: Uint8Array | null;
  value: Uint8Array | null;
  partitions: readonly number[];
}) => number;

export type PartitionerChoice = "default" | "round-robin" | Partitioner;

/** Key and value may be text only where no partitioner has to look at them. */
export type Encoded = Uint8Array | string | null;

/** A record without a partition. */
interface Staged<C> {
  readonly partition: number;
  readonly timestamp: number;
  readonly key: Encoded;
  readonly value: Encoded;
  readonly headers: readonly RecordHeader[] | null;
  readonly completion: C | null;
  readonly createdAt: number;
  readonly sizeBytes: number;
  readonly expectedEnd: LogEnd | null;
}

/** Chosen by the partitioner. */
export const ANY_PARTITION = -1;
const STAGED_OVERHEAD_BYTES = 100;

export class TopicQueue<C> {
  readonly name: string;
  readonly #shared: Shared<C>;
  readonly #choice: PartitionerChoice;
  /** Queues with something to do: the accumulator's list. */
  readonly #listed: PartitionQueue<C>[];
  #queues: PartitionQueue<C>[] = [];
  /** Of partitions that the topic had before it was made anew, while something of them is on its way. */
  #gone: PartitionQueue<C>[] = [];
  #partitions: readonly number[] = [];
  #staged: Staged<C>[] = [];
  /** Where keyless records go, until a batch there is sealed. */
  #sticky: number;

  constructor(name: string, deps: { shared: Shared<C>; choice: PartitionerChoice; listed: PartitionQueue<C>[] }) {
    this.name = name;
    this.#shared = deps.shared;
    this.#choice = deps.choice;
    this.#listed = deps.listed;
    this.#sticky = Math.floor(deps.shared.options.random() * 2 ** 16);
  }

  /** 0 = not known yet. */
  get partitionsCount(): number {
    return this.#queues.length;
  }

  get hasStaged(): boolean {
    return this.#staged.length > 0;
  }

  /** Monotonic ms at which the oldest staged record was taken; infinite when there is none. */
  get stagedSince(): number {
    return this.#staged[0]?.createdAt ?? Number.POSITIVE_INFINITY;
  }

  /**
   * Takes a record; see PartitionQueue.append. False: it is staged, the partitions must be asked for.
   * Throws RangeError for a timestamp that is not a safe integer, and what a custom partitioner throws.
   */
  append(
    partition: number,
    timestamp: number,
    key: Encoded,
    value: Encoded,
    headers: readonly RecordHeader[] | null,
    completion: C | null,
    now: number,
    expectedEnd: LogEnd | null = null,
  ): boolean {
    const chosen = this.#staged.length > 0 ? undefined : this.#choose(partition, key, value, headers);
    if (chosen === undefined) {
      if (!Number.isSafeInteger(timestamp)) throw new RangeError(`not a timestamp in ms: ${timestamp}`);
      this.#stage({
        partition,
        timestamp,
        key,
        value,
        headers,
        completion,
        createdAt: now,
        sizeBytes: stagedBytes(key, value, headers),
        expectedEnd,
      });
      return false;
    }
    chosen.append(timestamp, key, value, headers, completion, now, expectedEnd);
    if (!chosen.isListed) this.#list(chosen);
    return true;
  }

  /** The partitions as the cluster knows them now. Their number only grows in a topic's life; staged records find their places. */
  onPartitions(count: number, refusal: ErrorRow): void {
    this.grow(count);
    this.#refuseGone(refusal);
    for (const record of this.#staged.splice(0)) this.#unstage(record, refusal);
  }

  /** There are so many partitions. Staged records wait for the answer that was asked for them: this may be older. */
  grow(count: number): void {
    while (this.#queues.length < count) {
      const partition = this.#queues.length;
      const known = this.#gone.find((queue) => queue.partition === partition);
      if (known !== undefined) this.#gone.splice(this.#gone.indexOf(known), 1);
      this.#queues.push(known ?? new PartitionQueue(this.name, partition, this.#shared));
    }
    this.#partitions = this.#queues.map((queue) => queue.partition);
  }

  /** Another topic of this name has taken its place, with so many partitions: what waits for others fails. */
  remake(count: number, refusal: ErrorRow): void {
    this.#gone.push(...this.#queues.splice(count));
    this.grow(count);
    this.#refuseGone(refusal);
  }

  #refuseGone(refusal: ErrorRow): void {
    for (const queue of this.#gone) {
      const now = `the topic was made anew with ${this.#queues.length === 1 ? "one" : this.#queues.length}`;
      queue.refuseWaiting(refusal, `there is no partition ${queue.partition} of ${this.name} any more: ${now}`);
    }
    this.#gone = this.#gone.filter((queue) => !queue.isEmpty);
  }

  /** Fails what is not on its way: the topic does not exist, or may not be used. */
  refuse(row: ErrorRow, message: string): void {
    this.#settleStaged(this.#staged.splice(0), { kind: "refused", row, message, mayBeWritten: false });
    for (const queue of [...this.#queues, ...this.#gone]) queue.refuseWaiting(row, message);
  }

  expire(now: number): void {
    const oldest = now - this.#shared.options.deliveryTimeoutMs;
    const kept = this.#staged.findIndex((record) => record.createdAt > oldest);
    const expired = this.#staged.splice(0, kept < 0 ? this.#staged.length : kept);
    this.#settleStaged(expired, { kind: "expired", mayBeWritten: false, lastError: null });
  }

  drop(): void {
    this.#settleStaged(this.#staged.splice(0), { kind: "dropped", mayBeWritten: false, lastError: null });
  }

  /** The queue of the record; undefined when the partition is not known. */
  #choose(
    partition: number,
    key: Encoded,
    value: Encoded,
    headers: readonly RecordHeader[] | null,
  ): PartitionQueue<C> | undefined {
    const queues = this.#queues;
    if (partition !== ANY_PARTITION || queues.length === 0) return queues[partition];
    if (this.#choice === "default") {
      return key === null ? this.#stickyQueue(value, headers) : queues[partitionForKey(bytesOf(key), queues.length)];
    }
    if (this.#choice === "round-robin") {
      this.#sticky += 1;
      return queues[this.#sticky % queues.length];
    }
    const chosen = this.#choice({
      topic: this.name,
      key: bytesOrNull(key),
      value: bytesOrNull(value),
      partitions: this.#partitions,
    });
    const queue = queues[chosen];
    if (queue === undefined) throw new RangeError(`the partitioner chose partition ${chosen} of ${queues.length}`);
    return queue;
  }

  /** Keyless records fill one batch after the other, each in the next partition (KIP-480). */
  #stickyQueue(value: Encoded, headers: readonly RecordHeader[] | null): PartitionQueue<C> | undefined {
    const queues = this.#queues;
    const current = queues[this.#sticky % queues.length];
    if (current?.hasRoomFor(null, value, headers) === true) return current;
    current?.sealOpen();
    this.#sticky += 1;
    return queues[this.#sticky % queues.length];
  }

  #stage(record: Staged<C>): void {
    this.#staged.push(record);
    this.#shared.load.records += 1;
    this.#shared.load.bytes += record.sizeBytes;
  }

  #unstage(record: Staged<C>, refusal: ErrorRow): void {
    const { partition, timestamp, key, value, headers, completion, createdAt, expectedEnd } = record;
    let queue: PartitionQueue<C> | undefined;
    let reason = `partition ${partition} of topic ${this.name} does not exist; it has ${this.#queues.length}`;
    try {
      queue = this.#choose(partition, key, value, headers);
    } catch (error: unknown) {
      reason = error instanceof Error ? error.message : "the partitioner failed";
    }
    if (queue === undefined) {
      this.#settleStaged([record], { kind: "refused", row: refusal, message: reason, mayBeWritten: false });
      return;
    }
    this.#shared.load.records -= 1;
    this.#shared.load.bytes -= record.sizeBytes;
    queue.append(timestamp, key, value, headers, completion, createdAt, expectedEnd);
    if (!queue.isListed) this.#list(queue);
  }

  #list(queue: PartitionQueue<C>): void {
    queue.isListed = true;
    this.#listed.push(queue);
  }

  /** Tells those who wait for staged records, as if the records had been one batch. */
  #settleStaged(records: readonly Staged<C>[], outcome: Outcome): void {
    const first = records[0];
    if (first === undefined) return;
    const batch = new Batch<C>(0, first.createdAt);
    for (const [slot, record] of records.entries()) {
      if (record.completion !== null) batch.complete(record.completion, slot, record.timestamp);
      batch.sizeBytes += record.sizeBytes;
    }
    batch.recordsCount = records.length;
    this.#shared.load.records -= batch.recordsCount;
    this.#shared.load.bytes -= batch.sizeBytes;
    this.#shared.settled.push({ topic: this.name, partition: first.partition, batch, outcome });
  }
}

function bytesOf(text: Uint8Array | string): Uint8Array {
  return typeof text === "string" ? Buffer.from(text) : text;
}

function bytesOrNull(text: Encoded): Uint8Array | null {
  return text === null ? null : bytesOf(text);
}

function stagedBytes(key: Encoded, value: Encoded, headers: readonly RecordHeader[] | null): number {
  let bytes = STAGED_OVERHEAD_BYTES + (key?.length ?? 0) + (value?.length ?? 0);
  for (const [name, content] of headers ?? []) bytes += name.length + (content?.length ?? 0);
  return bytes;
}
