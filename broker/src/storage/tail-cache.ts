/**
 * The newest batches of the logs that are being written, as they were received: who reads at the tail is served from memory,
 * without a read and without a copy (performance 1.7). One cap for all logs of a data directory, in bytes of memory that is
 * really held; the log that was appended to least recently goes first, then the oldest batches of the one that grows. What
 * nobody appends to goes after a while, so that an idle broker holds nothing.
 *
 * Small batches are not kept, but for one alone that followers have not been sent: one read of many from the page cache costs
 * less than sending them piece by piece. Nor is a batch kept where it lies when that would hold more than twice its bytes; it is
 * copied out.
 *
 * Where nothing is kept for readers, a log that is followed keeps what its followers were not sent yet (performance 4.7): they
 * come for it in a moment, so it stays where it lies and goes with the last of them.
 *
 * Invariants: the batches of a log follow one another without a gap and end at its written end; what is cut, closed or
 * offline is not there (5.5(1), P42).
 */
import { SharedMemory } from "../base/index.ts";
import type { Offset } from "../base/index.ts";
import type { Clock, TimerHandle, Timers } from "../ports/index.ts";

/** A smaller batch is not kept. */
const PIECE_BYTES_MIN = 16 * 1024;

/** A log that was not appended to for so long is cold. */
const COLD_MS = 10_000;

/** What is held for followers alone, of all logs together. */
const FOLLOWERS_CAP_BYTES = 16 * 1024 * 1024;

/** Memory held for each byte of a batch, beyond which it is copied out. */
const PINNED_RATIO_MAX = 2;

/** Entries taken out at the front are dropped in bulk. */
const COMPACT_AT = 256;

export interface CachedRecords {
  /** Whole batches, one behind the other. */
  readonly pieces: readonly Buffer[];
  /** Where they lie: to be held until nobody looks at them. */
  readonly memories: readonly SharedMemory[];
  readonly bytes: number;
  readonly nextOffset: Offset;
}

interface CachedBatch {
  readonly bytes: Buffer;
  readonly baseOffset: number;
  readonly nextOffset: Offset;
  readonly memory: SharedMemory;
  readonly heldBytes: number;
}

export interface TailCacheOptions {
  /** 0: nothing is kept for readers. */
  readonly capBytes: number;
  readonly clock: Clock;
  readonly timers: Timers;
}

export class TailCache {
  /** Batches stay when all followers were sent them, for whoever reads at the tail. */
  readonly keepsForReaders: boolean;
  readonly #capBytes: number;
  readonly #clock: Clock;
  readonly #timers: Timers;
  /** Tails that hold something, the least recently appended one first. */
  readonly #tails = new Set<LogTail>();
  #heldBytes = 0;
  #sweepTimer: TimerHandle | null = null;

  constructor(options: TailCacheOptions) {
    this.keepsForReaders = options.capBytes > 0;
    this.#capBytes = this.keepsForReaders ? options.capBytes : FOLLOWERS_CAP_BYTES;
    this.#clock = options.clock;
    this.#timers = options.timers;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  // What follows is for the tails.

  /** `tail` grew by `bytes` of held memory: others, or its own oldest batches, make room. */
  grew(tail: LogTail, bytes: number): void {
    this.#heldBytes += bytes;
    this.#tails.delete(tail);
    this.#tails.add(tail);
    tail.appendedAtMs = this.#clock.monotonicNow();
    for (const oldest of this.#tails) {
      if (oldest === tail || this.#heldBytes <= this.#capBytes) break;
      oldest.clear();
    }
    while (this.#heldBytes > this.#capBytes) tail.dropOldest();
    if (this.#sweepTimer === null) this.#armSweep();
  }

  shrank(tail: LogTail, bytes: number, isEmpty: boolean): void {
    this.#heldBytes -= bytes;
    if (isEmpty) this.#tails.delete(tail);
  }

  #armSweep(): void {
    this.#sweepTimer = this.#timers.after(COLD_MS, () => {
      this.#sweepTimer = null;
      const coldMs = this.#clock.monotonicNow() - COLD_MS;
      for (const tail of this.#tails) {
        if (tail.appendedAtMs > coldMs) break;
        tail.clear();
      }
      if (this.#tails.size > 0) this.#armSweep();
    });
  }
}

/** The tail of one log. */
export class LogTail {
  /** Monotonic; kept by the cache. */
  appendedAtMs = 0;
  readonly #cache: TailCache;
  /** Ascending and without a gap from `#head` on. */
  #batches: CachedBatch[] = [];
  #head = 0;

  constructor(cache: TailCache) {
    this.#cache = cache;
  }

  /** A batch was written. `memory` null: its bytes belong to somebody else from here on. */
  add(bytes: Buffer, baseOffset: Offset, nextOffset: Offset, memory: SharedMemory | null): void {
    if (this.#batches.at(-1)?.nextOffset !== baseOffset) this.clear();
    if (memory === null || (bytes.length < PIECE_BYTES_MIN && !this.#keepsAlone)) return this.clear();
    const pinnedRatioMax = this.#cache.keepsForReaders ? PINNED_RATIO_MAX : Number.POSITIVE_INFINITY;
    const batch = keep(bytes, baseOffset, nextOffset, memory, pinnedRatioMax);
    this.#batches.push(batch);
    this.#cache.grew(this, batch.heldBytes);
  }

  /** Followers come for each batch, and as soon as it is written: one alone is sent as it lies, without a read. */
  get #keepsAlone(): boolean {
    return !this.#cache.keepsForReaders && this.#batches.length === this.#head;
  }

  /** Whole batches from the one that contains `offset` on, below `limit`, at most `maxBytes` but for the first; null: not here. */
  read(offset: Offset, maxBytes: number, limit: Offset): CachedRecords | null {
    let slot = this.#slotOf(offset);
    const first = this.#batches[slot];
    if (first === undefined || first.baseOffset > offset || first.nextOffset > limit) return null;
    const pieces: Buffer[] = [];
    const memories: SharedMemory[] = [];
    let bytes = 0;
    let { nextOffset } = first;
    for (let batch: CachedBatch | undefined = first; batch !== undefined; batch = this.#batches[++slot]) {
      if (batch.nextOffset > limit || (bytes > 0 && bytes + batch.bytes.length > maxBytes)) break;
      pieces.push(batch.bytes);
      memories.push(batch.memory);
      bytes += batch.bytes.length;
      nextOffset = batch.nextOffset;
    }
    return { pieces, memories, bytes, nextOffset };
  }

  dropOldest(): void {
    const batch = this.#batches[this.#head];
    if (batch === undefined) return;
    this.#head += 1;
    const isEmpty = this.#head === this.#batches.length;
    if (isEmpty || this.#head >= COMPACT_AT) {
      this.#batches = this.#batches.slice(this.#head);
      this.#head = 0;
    }
    this.#cache.shrank(this, batch.heldBytes, isEmpty);
    batch.memory.letGo();
  }

  /** Nobody asks for what lies below `offset` any more. */
  dropBelow(offset: Offset): void {
    for (let batch = this.#batches[this.#head]; batch !== undefined; batch = this.#batches[this.#head]) {
      if (batch.nextOffset > offset) break;
      this.dropOldest();
    }
  }

  clear(): void {
    while (this.#batches.length > this.#head) this.dropOldest();
  }

  /** The first batch that ends beyond `offset`. */
  #slotOf(offset: Offset): number {
    let low = this.#head;
    let high = this.#batches.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#batches[middle]?.nextOffset ?? 0) <= offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function keep(
  bytes: Buffer,
  baseOffset: Offset,
  nextOffset: Offset,
  memory: SharedMemory,
  pinnedRatioMax: number,
): CachedBatch {
  if (memory.pinnedRatio <= pinnedRatioMax) {
    memory.hold();
    return { bytes, baseOffset, nextOffset, memory, heldBytes: Math.ceil(bytes.length * memory.pinnedRatio) };
  }
  const copy = Buffer.allocUnsafeSlow(bytes.length);
  bytes.copy(copy);
  const own = new SharedMemory(copy.length, copy.length, null);
  return { bytes: copy, baseOffset, nextOffset, memory: own, heldBytes: copy.length };
}
