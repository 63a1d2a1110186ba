/**
 * How many syncs of one data directory are in flight: fewer than the thread pool has threads, or reads would wait behind
 * them (performance 1.10); the disk says how many, and lets several directories of a process have no more together. First come, first
 * served; a file never has more than one (group-sync.ts). It also counts how long they take.
 */
import { Histogram, SECONDS_BOUNDS } from "../base/index.ts";
import type { Clock } from "../ports/index.ts";

/** Where the disk does not say. */
const SYNCS_IN_FLIGHT_MAX = 3;
/** What is told of the last while spans at least this, and at most twice as much. */
const PACE_WINDOW_MS = 30_000;

/** How a disk keeps up with its syncs. */
export interface SyncPace {
  /** That ended in the last half minute to minute. */
  readonly count: number;
  readonly meanMs: number;
  readonly worstMs: number;
  /** Since the oldest that has not ended began; 0 = none is under way. */
  readonly runningMs: number;
}

interface PaceWindow {
  readonly sinceMs: number;
  count: number;
  sumMs: number;
  worstMs: number;
}

export class SyncSlots {
  /** In seconds, without the wait for a slot; failed ones among them. */
  readonly durations = new Histogram(SECONDS_BOUNDS);
  readonly #clock: Clock;
  /** When those under way began. */
  readonly #running = new Set<{ readonly startedAt: number }>();
  #before: PaceWindow = { sinceMs: Number.NEGATIVE_INFINITY, count: 0, sumMs: 0, worstMs: 0 };
  #window: PaceWindow = { sinceMs: Number.NEGATIVE_INFINITY, count: 0, sumMs: 0, worstMs: 0 };
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
    const sync = { startedAt };
    this.#running.add(sync);
    task(() => {
      this.#running.delete(sync);
      this.#onEnded(this.#clock.monotonicNow(), startedAt);
      this.#freeCount += 1;
      this.#startNext();
    });
  }

  #onEnded(now: number, startedAt: number): void {
    const tookMs = now - startedAt;
    this.durations.observe(tookMs / 1000);
    this.#turnWindow(now);
    this.#window.count += 1;
    this.#window.sumMs += tookMs;
    this.#window.worstMs = Math.max(this.#window.worstMs, tookMs);
  }

  #turnWindow(now: number): void {
    if (now - this.#window.sinceMs < PACE_WINDOW_MS) return;
    const isOld = now - this.#window.sinceMs >= 2 * PACE_WINDOW_MS;
    this.#before = isOld ? { sinceMs: now, count: 0, sumMs: 0, worstMs: 0 } : this.#window;
    this.#window = { sinceMs: now, count: 0, sumMs: 0, worstMs: 0 };
  }

  get pace(): SyncPace {
    const now = this.#clock.monotonicNow();
    this.#turnWindow(now);
    const count = this.#before.count + this.#window.count;
    const sumMs = this.#before.sumMs + this.#window.sumMs;
    let runningMs = 0;
    for (const { startedAt } of this.#running) runningMs = Math.max(runningMs, now - startedAt);
    return {
      count,
      meanMs: count === 0 ? 0 : sumMs / count,
      worstMs: Math.max(this.#before.worstMs, this.#window.worstMs),
      runningMs,
    };
  }
}
