/**
 * How fast the disk takes writes, and with it where the next one is made (performance 1.9): on the event loop while a
 * write is nothing but a copy into the page cache, off it once writes are held up (dirty pages throttled, a disk that
 * hangs). One pace for all logs of a disk: else each of a thousand partitions would have to stall the loop to learn it.
 *
 * What counts is how long a write was held up: what it took beyond the copy of its bytes. A busy turn writes megabytes,
 * and a process that shares its cores is put aside for some ms now and then; neither says anything of the disk.
 *
 * A write off the loop is measured with its wait for a thread and for the loop. On a busy loop that alone would keep it
 * above the limit for ever, so after a row of writes without any real stall the next one is made on the loop, to see.
 * Each time that was wrong the row is twice as long.
 */

/** Smoothed, of writes on the loop: at and above this the loop is left. */
const SLOW_MS = 1;

/** What a copy into the page cache moves even on a busy machine; an idle one does four times that. */
const COPIED_BYTES_PER_MS = 512 * 1024;

/** A write off the loop that was held up for longer was so by the disk, and not by turns of the loop. */
const STALL_MS = 50;

/** So many writes off the loop in a row without a stall, and one on the loop is risked; at first, and at most. */
const QUIET_WRITES = 16;
const QUIET_WRITES_MAX = 512;

/** Weight of the newest write: one held up for 16 ms is enough to leave the loop, four fast ones bring back from there. */
const WEIGHT = 1 / 16;

export class WritePace {
  #heldMs = 0;
  #isSlow = false;
  /** Writes off the loop without a stall since the last one with it. */
  #quietCount = 0;
  #quietWanted = QUIET_WRITES;
  /** Writes on the loop since it was come back to; in the beginning none was wrong. */
  #onLoopCount = QUIET_WRITES;

  /** The next write is to be made off the loop. */
  get isSlow(): boolean {
    return this.#isSlow;
  }

  /** A write of `bytes` on the loop took `ms`. */
  wroteOnLoop(ms: number, bytes: number): void {
    this.#smooth(ms, bytes);
    this.#onLoopCount += 1;
    if (this.#heldMs < SLOW_MS) return;
    const wasWrong = this.#onLoopCount <= QUIET_WRITES;
    this.#quietWanted = wasWrong ? Math.min(QUIET_WRITES_MAX, 2 * this.#quietWanted) : QUIET_WRITES;
    this.#quietCount = 0;
    this.#isSlow = true;
  }

  /** A write of `bytes` off the loop took `ms`, from the call to its callback. */
  wroteOffLoop(ms: number, bytes: number): void {
    const heldMs = this.#smooth(ms, bytes);
    this.#quietCount = heldMs < STALL_MS ? this.#quietCount + 1 : 0;
    if (this.#heldMs >= SLOW_MS && this.#quietCount < this.#quietWanted) return;
    this.#isSlow = false;
    this.#onLoopCount = 0;
    // What the loop added does not count against the disk.
    this.#heldMs = Math.min(this.#heldMs, SLOW_MS / 2);
  }

  #smooth(ms: number, bytes: number): number {
    const heldMs = Math.max(0, ms - bytes / COPIED_BYTES_PER_MS);
    this.#heldMs += (heldMs - this.#heldMs) * WEIGHT;
    return heldMs;
  }
}
