/**
 * What leaves of a fetch session at once: parts, one per subscription, and the memory that their records lie in until the
 * bytes have been copied.
 */
import type { ErrorName } from "@tidemark/proto";
import type { SharedMemory } from "../base/index.ts";
import type { CachedRecords } from "../storage/index.ts";
import type { Traffic } from "./counters.ts";
import type { ReadablePartition } from "./fetch-session.ts";
import type { SlabPool } from "./slab-pool.ts";

/** What is said of one subscription in one message. */
export interface FetchedPart {
  readonly subscriptionId: number;
  /** What is read; null: the subscription could not be made. */
  readonly reads: ReadablePartition | null;
  readonly code: ErrorName;
  readonly message: string;
  readonly topic: string;
  readonly partition: number;
  readonly fetchOffset: number;
  readonly highWatermark: number;
  readonly lastStableOffset: number;
  readonly logStartOffset: number;
  readonly leaderEpoch: number;
  /** Whole batches back to back, in pieces, in memory that is lent: see FetchMessage. */
  readonly records: readonly Buffer[];
  /** The offset after the records; without any, where they would begin. */
  readonly nextOffset: number;
  /** What its topic counts; null where there is none. */
  readonly traffic: Traffic | null;
}

/**
 * Parts that leave together. Their records lie in slabs, or where the tail cache has them; both go back by `release` when
 * the bytes have been copied.
 */
export class FetchMessage {
  readonly parts: FetchedPart[] = [];
  /** Of records. */
  bytes = 0;
  /** On the monotonic clock: when the first read that is in it began. */
  startedAt: number;
  /** Of the slabs, which may hold a single small batch, and of cached records. */
  lentBytes = 0;
  readonly #slabs: Buffer[] = [];
  readonly #memories: SharedMemory[] = [];
  readonly #pool: SlabPool;
  readonly #onReleased: (bytes: number) => void;

  /** `onReleased` is told `lentBytes` of what was sent. */
  constructor(pool: SlabPool, startedAt: number, onReleased: (bytes: number) => void = () => undefined) {
    this.#pool = pool;
    this.startedAt = startedAt;
    this.#onReleased = onReleased;
  }

  push(part: FetchedPart): void {
    this.parts.push(part);
    for (const piece of part.records) this.bytes += piece.length;
  }

  borrow(slab: Buffer): void {
    this.#slabs.push(slab);
    this.lentBytes += slab.length;
  }

  hold({ memories, bytes }: CachedRecords): void {
    for (const memory of memories) {
      memory.hold();
      this.#memories.push(memory);
    }
    this.lentBytes += bytes;
  }

  /** Nobody looks at the records any more. */
  release(): void {
    this.discard();
    this.#onReleased(this.lentBytes);
  }

  /** It was not sent. */
  discard(): void {
    for (const memory of this.#memories.splice(0)) memory.letGo();
    for (const slab of this.#slabs.splice(0)) this.#pool.give(slab);
  }
}
