/**
 * Bounds what all logs of a broker together remember of idempotent producers (security 2, "ids without end"): beyond the
 * limit those that wrote nothing for longest are forgotten, a hundredth at a time, but never one with an open transaction.
 * A forgotten producer that comes back is a new one (11.1(4)), as after its expiry.
 *
 * The count is kept as an upper bound: who adds says so, who removes need not, and it is counted anew before anybody is
 * forgotten.
 */
import type { Logger } from "../ports/index.ts";
import type { ProducerState } from "./producer-state.ts";

export const PRODUCERS_MAX = 100_000;

export interface ProducerCapOptions {
  readonly states: () => Iterable<ProducerState>;
  readonly logger: Logger;
  readonly max?: number;
}

export class ProducerCap {
  readonly #options: ProducerCapOptions;
  readonly #max: number;
  #countAtMost = 0;

  constructor(options: ProducerCapOptions) {
    this.#options = options;
    this.#max = options.max ?? PRODUCERS_MAX;
  }

  /** Some log knows `count` producers more. */
  added(count: number): void {
    this.#countAtMost += count;
    if (this.#countAtMost > this.#max) this.#shed();
  }

  #shed(): void {
    const states = [...this.#options.states()].filter(({ size }) => size > 0);
    this.#countAtMost = states.reduce((sum, { size }) => sum + size, 0);
    if (this.#countAtMost <= this.#max) return;
    let left = this.#countAtMost - this.#max + Math.ceil(this.#max / 100);
    const writtenAt = new Float64Array(this.#countAtMost);
    let idle = 0;
    for (const state of states) {
      for (const { writtenAtMs, currentTxnFirstOffset } of state.producers())
        if (currentTxnFirstOffset < 0) writtenAt[idle++] = writtenAtMs;
    }
    const untilMs = writtenAt.subarray(0, idle).sort()[left - 1] ?? Number.POSITIVE_INFINITY;
    for (const state of states) left -= state.forget(untilMs, left);
    const before = this.#countAtMost;
    this.#countAtMost = states.reduce((sum, { size }) => sum + size, 0);
    this.#options.logger.warn("too many idempotent producers: those idle for longest are forgotten", {
      count: before - this.#countAtMost,
    });
  }
}
