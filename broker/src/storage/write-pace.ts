/**
 * How fast the disk takes writes, and with it where the next one is made (performance 1.9): on the event loop while a
 * write is nothing but a copy into the page cache, off it once writes are held up (dirty pages throttled, a disk that
 * hangs). One pace for all logs of a disk: else each of a thousand partitions would have to stall the loop to learn it.
 *
 * A write off the loop is measured with its wait for a thread and for the loop. On a busy loop that alone would keep it
 * above the limit for ever, so after a row of writes without any real stall the next one is made on the loop, to see.
 */

/** Smoothed, of writes on the loop: at and above this the loop is left. */
const SLOW_MS = 1;

/** A write off the loop that took longer was held up by the disk. */
const STALL_MS = 10;

/** So many writes off the loop in a row without a stall, and one on the loop is risked. */
const QUIET_WRITES = 32;

/** Weight of the newest write: one of 4 ms is enough to leave the loop, four fast ones bring back from there. */
const WEIGHT = 1 / 4;

export class WritePace {
  #smoothedMs = 0;
  #isSlow = false;
  #quietCount = 0;

  /** The next write is to be made off the loop. */
  get isSlow(): boolean {
    return this.#isSlow;
  }

  /** A write on the loop took `ms`. */
  wroteOnLoop(ms: number): void {
    this.#smooth(ms);
    this.#isSlow = this.#smoothedMs >= SLOW_MS;
    this.#quietCount = 0;
  }

  /** A write off the loop took `ms`, from the call to its callback. */
  wroteOffLoop(ms: number): void {
    this.#smooth(ms);
    this.#quietCount = ms < STALL_MS ? this.#quietCount + 1 : 0;
    if (this.#smoothedMs >= SLOW_MS && this.#quietCount < QUIET_WRITES) return;
    this.#isSlow = false;
    // What the loop added does not count against the disk.
    this.#smoothedMs = Math.min(this.#smoothedMs, SLOW_MS / 2);
    this.#quietCount = 0;
  }

  #smooth(ms: number): void {
    this.#smoothedMs += (ms - this.#smoothedMs) * WEIGHT;
  }
}
