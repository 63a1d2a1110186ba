/**
 * Many pieces of work, each a short stretch of its own, done in slices between which the event loop has its turn: ten thousand
 * logs are made by as many synchronous calls of the file system.
 */
import type { Clock, Timers } from "../ports/index.ts";

/** A stretch may go on behind its first wait, so that a slice takes several times this. */
const SLICE_MS = 2;

export class Slices {
  readonly #clock: Clock;
  readonly #timers: Timers;
  #waiting: (() => void)[] = [];
  #isRunning = false;

  constructor(deps: { readonly clock: Clock; readonly timers: Timers }) {
    this.#clock = deps.clock;
    this.#timers = deps.timers;
  }

  /** Resolves when the next piece may begin; in the order of the calls. */
  turn(): Promise<void> {
    const turn = new Promise<void>((resolve) => this.#waiting.push(resolve));
    if (!this.#isRunning) void this.#run();
    return turn;
  }

  /** Never rejects. */
  async #run(): Promise<void> {
    this.#isRunning = true;
    // Whoever asked first is by then waiting.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const batch = this.#waiting;
      this.#waiting = [];
      let sliceEndsAt = this.#clock.monotonicNow() + SLICE_MS;
      for (const wake of batch) {
        wake();
        // Who was woken works before the clock is looked at.
        await Promise.resolve();
        if (this.#clock.monotonicNow() < sliceEndsAt) continue;
        await this.#timers.yieldTurn();
        sliceEndsAt = this.#clock.monotonicNow() + SLICE_MS;
      }
    }
    this.#isRunning = false;
  }
}
