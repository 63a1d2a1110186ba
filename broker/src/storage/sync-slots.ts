/**
 * How many syncs of one data directory are in flight: fewer than the thread pool has threads, or reads would wait behind
 * them (performance 1.10). First come, first served; a file never has more than one (group-sync.ts). It also counts how long they take.
 */
import { Histogram, SECONDS_BOUNDS } from "../base/index.ts";
import type { Clock } from "../ports/index.ts";

const SYNCS_IN_FLIGHT_MAX = 3;

export class SyncSlots {
  /** In seconds, without the wait for a slot; failed ones among them. */
  readonly durations = new Histogram(SECONDS_BOUNDS);
  readonly #clock: Clock;
  #freeCount: number;
  #isStarting = false;
  readonly #waiting: ((release: () => void) => void)[] = [];

  constructor(clock: Clock, count = SYNCS_IN_FLIGHT_MAX) {
    this.#clock = clock;
    this.#freeCount = count;
  }

  /** Runs `task` now or when a slot is free. It calls `release` once, when its sync has ended. */
  run(task: (release: () => void) => void): void {
    this.#waiting.push(task);
    this.#startNext();
  }

  /** The same for work that is a promise. */
  runAsync<Result>(task: () => Promise<Result>): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.run((release) => {
        task().then(
          (result) => {
            release();
            resolve(result);
          },
          (error: unknown) => {
            release();
            reject(error);
          },
        );
      });
    });
  }

  /** Not from inside itself: a row of tasks that end in their own call, as syncs do once one has failed, would fill the stack. */
  #startNext(): void {
    if (this.#isStarting) return;
    this.#isStarting = true;
    try {
      while (this.#freeCount > 0) {
        const task = this.#waiting.shift();
        if (task === undefined) return;
        this.#start(task);
      }
    } finally {
      this.#isStarting = false;
    }
  }

  #start(task: (release: () => void) => void): void {
    this.#freeCount -= 1;
    const startedAt = this.#clock.monotonicNow();
    task(() => {
      this.durations.observe((this.#clock.monotonicNow() - startedAt) / 1000);
      this.#freeCount += 1;
      this.#startNext();
    });
  }
}
