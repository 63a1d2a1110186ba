/**
 * All records of one producer between `send` and the broker's answer: topics, their partition queues, what they weigh, and
 * which of them have something to do. Synchronous and without I/O: the shell takes batches, carries them, and reports what
 * came of them; what is over lies in `settled` after each call.
 *
 * Bounds: `load.bytes` is what is encoded and not settled; the shell takes no record while it is above its limit.
 */
import type { ErrorRow } from "@tidemark/proto";
import type { Settled } from "./batch.ts";
import { BatchMemory } from "./batch-memory.ts";
import { type PartitionQueue, type QueueOptions, type Shared } from "./partition-queue.ts";
import { type PartitionerChoice, TopicQueue } from "./topic-queue.ts";

/** Records of a queue before `upTo`. */
export interface Mark {
  readonly queue: { readonly oldestOrdinal: number };
  readonly upTo: number;
}

export function isPassed(mark: Mark): boolean {
  return mark.queue.oldestOrdinal >= mark.upTo;
}

export class Accumulator<C> {
  /** What is not settled yet. */
  readonly load = { records: 0, bytes: 0 };
  readonly #shared: Shared<C>;
  readonly #choice: PartitionerChoice;
  readonly #topics = new Map<string, TopicQueue<C>>();
  /** Queues that hold anything. */
  readonly #listed: PartitionQueue<C>[] = [];

  constructor(options: QueueOptions, choice: PartitionerChoice) {
    this.#shared = {
      options,
      memory: new BatchMemory(),
      load: this.load,
      settled: [],
      isFlushing: false,
      producerId: null,
    };
    this.#choice = choice;
  }

  topic(name: string): TopicQueue<C> {
    let queue = this.#topics.get(name);
    if (queue === undefined) {
      queue = new TopicQueue(name, { shared: this.#shared, choice: this.#choice, listed: this.#listed });
      this.#topics.set(name, queue);
    }
    return queue;
  }

  /** Queues with something to do, each once. Empty ones are let go of here. */
  queues(): readonly PartitionQueue<C>[] {
    const listed = this.#listed;
    let kept = 0;
    for (const queue of listed) {
      if (queue.isEmpty) queue.isListed = false;
      else listed[kept++] = queue;
    }
    listed.length = kept;
    return listed;
  }

  /** Topics with records that wait for a partition. */
  stagedTopics(): string[] {
    const names: string[] = [];
    for (const topic of this.#topics.values()) if (topic.hasStaged) names.push(topic.name);
    return names;
  }

  onPartitions(topic: string, count: number, refusal: ErrorRow): void {
    this.#topics.get(topic)?.onPartitions(count, refusal);
  }

  /** Nobody asked, and the topic has so many partitions. */
  grow(topic: string, count: number): void {
    this.#topics.get(topic)?.grow(count);
  }

  /** Another topic of this name has taken its place. */
  remake(topic: string, count: number, refusal: ErrorRow): void {
    this.#topics.get(topic)?.remake(count, refusal);
  }

  refuseTopic(topic: string, row: ErrorRow, message: string): void {
    this.#topics.get(topic)?.refuse(row, message);
  }

  /** Whether a queue waits for a producer id. */
  get wantsProducerId(): boolean {
    return this.#listed.some((queue) => queue.wantsProducerId);
  }

  setProducerId(id: number, epoch: number): void {
    this.#shared.producerId = { id, epoch };
  }

  /** What stands between now and "all records taken so far are settled". Staged records are not in it. */
  marks(): Mark[] {
    return this.#listed.map((queue) => ({ queue, upTo: queue.nextOrdinal }));
  }

  /** While true, batches leave without waiting for company. */
  set isFlushing(flushing: boolean) {
    this.#shared.isFlushing = flushing;
  }

  /** Lets go of records whose time is over. */
  expire(now: number): void {
    for (const topic of this.#topics.values()) topic.expire(now);
    for (const queue of this.#listed) queue.expire(now);
  }

  /** Lets go of everything. */
  drop(): void {
    for (const topic of this.#topics.values()) topic.drop();
    for (const queue of this.#listed) queue.drop();
  }

  /** Monotonic ms at which a queue may have something to do without any other event; infinite when none will. */
  wakeAt(now: number): number {
    const { deliveryTimeoutMs } = this.#shared.options;
    let at = Number.POSITIVE_INFINITY;
    for (const queue of this.#listed) at = Math.min(at, queue.wakeAt(now));
    for (const topic of this.#topics.values()) at = Math.min(at, topic.stagedSince + deliveryTimeoutMs);
    return at;
  }

  /** What is over since the last call. */
  takeSettled(): readonly Settled<C>[] {
    return this.#shared.settled.length === 0 ? NOTHING : this.#shared.settled.splice(0);
  }
}

const NOTHING: readonly never[] = [];
