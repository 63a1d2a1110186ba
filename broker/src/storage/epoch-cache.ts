/**
 * Which leader epoch began at which offset in this log (5.1). Pure: the file is written by whoever owns the log, in the
 * background, before the recovery-point checkpoint passes `dirtyFrom`.
 *
 * Invariant (ST4): epochs and start offsets strictly ascend, asserted in `add`, the only place that inserts.
 */
import { asLeaderEpoch, asOffset, assert } from "../base/index.ts";
import type { LeaderEpoch, Offset } from "../base/index.ts";
import type { EpochEntry } from "./checkpoint-file.ts";

const NO_EPOCH = asLeaderEpoch(-1);

export class EpochCache {
  /** Of most logs one: a list that grows takes room for sixteen more, so that the first comes in a list of its own. */
  #entries: EpochEntry[];
  #latest: LeaderEpoch;
  /** Lowest start of an entry added or removed since the newest write of the file began. */
  #dirtyFrom = Number.POSITIVE_INFINITY;
  /** The same of what the write under way brings to the file. */
  #writingFrom = Number.POSITIVE_INFINITY;

  /** `entries` as parsed from the file: ascending. */
  constructor(entries: readonly EpochEntry[] = []) {
    this.#entries = [...entries];
    this.#latest = this.#lastEpoch();
  }

  get entries(): readonly EpochEntry[] {
    return this.#entries;
  }

  /** -1 = none. */
  get latest(): LeaderEpoch {
    return this.#latest;
  }

  /** Lowest start of an entry that the file does not have right; Infinity = it is exact. */
  get dirtyFrom(): number {
    return Math.min(this.#dirtyFrom, this.#writingFrom);
  }

  /** A write of the file begins. What is not exact stays so until `endWrite`. Writes do not overlap. */
  beginWrite(): readonly EpochEntry[] {
    this.#writingFrom = this.#dirtyFrom;
    this.#dirtyFrom = Number.POSITIVE_INFINITY;
    return [...this.#entries];
  }

  /** The write is on stable storage, or came to nothing. */
  endWrite(isDurable: boolean): void {
    if (!isDurable) this.markDirty(this.#writingFrom);
    this.#writingFrom = Number.POSITIVE_INFINITY;
  }

  /** The file may not be exact from `offset` on. */
  markDirty(offset: number): void {
    this.#dirtyFrom = Math.min(this.#dirtyFrom, offset);
  }

  /**
   * `epoch` begins at `startOffset`; nothing changes if that is known. Entries that the new one contradicts (epoch or
   * start at or above its own) go first (5.1(2)).
   */
  add(epoch: LeaderEpoch, startOffset: Offset): void {
    assert(epoch >= 0, `epoch ${epoch} begins nowhere`);
    const last = this.#entries.at(-1);
    if (last !== undefined && last.epoch === epoch && startOffset >= last.startOffset) return;
    for (let newest = last; newest !== undefined; newest = this.#entries.at(-1)) {
      if (newest.epoch < epoch && newest.startOffset < startOffset) break;
      this.#entries.pop();
      this.markDirty(newest.startOffset);
    }
    const entry = { epoch, startOffset };
    if (this.#entries.length === 0) this.#entries = [entry];
    else this.#entries.push(entry);
    this.#latest = epoch;
    this.markDirty(startOffset);
  }

  /** Whether a batch of `epoch` may begin at `offset`. Nearly always it is asked of the latest one. */
  holds(epoch: number, offset: number): boolean {
    const last = this.#entries.at(-1);
    if (last === undefined) return true;
    if (offset >= last.startOffset) return epoch === last.epoch;
    const known = this.epochAt(offset);
    return known === null || known === epoch;
  }

  /** Leader epoch of the batch that begins at `offset`; null: what is known begins behind it. */
  epochAt(offset: number): number | null {
    return this.#entries.findLast(({ startOffset }) => startOffset <= offset)?.epoch ?? null;
  }

  /** Where `epoch` ends, or the answer that comes nearest (5.1(3)); null = undefined there. */
  endOffsetFor(epoch: LeaderEpoch, logEndOffset: Offset): { epoch: LeaderEpoch; endOffset: Offset } | null {
    if (epoch < 0) return null;
    if (epoch === this.#latest) return { epoch, endOffset: logEndOffset };
    const above = this.#entries.findIndex((entry) => entry.epoch > epoch);
    const next = this.#entries[above];
    if (next === undefined) return null;
    const floor = this.#entries[above - 1];
    const floorEpoch = floor === undefined ? epoch : asLeaderEpoch(floor.epoch);
    return { epoch: floorEpoch, endOffset: asOffset(next.startOffset) };
  }

  /** The log ends at `offset` now: entries that start there or later go, also when the log was not shortened. */
  truncateEnd(offset: number): void {
    for (let newest = this.#entries.at(-1); newest !== undefined; newest = this.#entries.at(-1)) {
      if (newest.startOffset < offset) break;
      this.#entries.pop();
      this.markDirty(newest.startOffset);
    }
    this.#latest = this.#lastEpoch();
  }

  /**
   * The log starts at `offset` now: the last entry that starts at or below it stays, and is said to start there.
   *
   * The file does not become due by this: a start does it again. Were it due, a truncation could find it so below the
   * recovery point on disk, and write it without the entries that this one still needs (5.1(2), 5.5(3)).
   */
  truncateStart(offset: Offset): void {
    let floor = -1;
    while ((this.#entries[floor + 1]?.startOffset ?? Number.POSITIVE_INFINITY) <= offset) floor += 1;
    const kept = this.#entries[floor];
    if (kept === undefined || (floor === 0 && kept.startOffset === offset)) return;
    this.#entries.splice(0, floor + 1, { epoch: kept.epoch, startOffset: offset });
  }

  clear(): void {
    this.truncateEnd(0);
  }

  #lastEpoch(): LeaderEpoch {
    const last = this.#entries.at(-1);
    return last === undefined ? NO_EPOCH : asLeaderEpoch(last.epoch);
  }
}
