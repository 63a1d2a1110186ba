/** Holds a stream of records to a rate. Sleeps are coarse (a few ms), so records leave in small bursts around the rate. */
import { setTimeout as sleep } from "node:timers/promises";

const SLEEP_MS_MIN = 5;

export class Pacer {
  readonly #perMs: number;
  readonly #startedAtMs = performance.now();
  #sent = 0;

  constructor(recordsPerSecond: number) {
    this.#perMs = recordsPerSecond / 1_000;
  }

  /** Resolves when the next record is due; rejects when the signal is aborted. */
  async next(signal: AbortSignal): Promise<void> {
    const dueInMs = this.#sent / this.#perMs - (performance.now() - this.#startedAtMs);
    this.#sent += 1;
    if (dueInMs > SLEEP_MS_MIN) await sleep(dueInMs, undefined, { signal });
  }
}
