/**
 * Looks at every log for what retention has made due (3.5), every `log.retention.check.interval.ms`. The looks are in
 * memory and a slice of them takes one turn; what is due is removed a few logs at a time, so that they share the writes of
 * the log-start checkpoint and do not crowd out other syncs.
 */
import type { Clock, Timers } from "../ports/index.ts";
import type { TimerHandle } from "../ports/index.ts";
import type { PartitionLog } from "../storage/index.ts";

/** The first look comes no later than this after a start. */
const FIRST_LOOK_MS = 30_000;
/** The next look comes this soon when settings changed; many changes share it. */
const HURRY_MS = 1_000;
/** How long logs are looked at before the event loop has its turn. */
const SLICE_MS = 2;
const REMOVALS_AT_ONCE = 32;

export interface RetentionJobDeps {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly intervalMs: number;
  logs(): Iterable<PartitionLog>;
}

export class RetentionJob {
  readonly #deps: RetentionJobDeps;
  #timer: TimerHandle | null = null;
  #pass: Promise<void> = Promise.resolve();
  #isHurried = false;
  #isStopped = false;

  constructor(deps: RetentionJobDeps) {
    this.#deps = deps;
  }

  start(): void {
    this.#after(Math.min(FIRST_LOOK_MS, this.#deps.intervalMs));
  }

  /** Settings changed: they shall not wait for the interval. */
  hurry(): void {
    if (this.#isHurried || this.#isStopped) return;
    this.#isHurried = true;
    if (this.#timer === null) return;
    this.#timer.cancel();
    this.#after(HURRY_MS);
  }

  /** Retention must not race with closing (4.3): resolves when no look is under way. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#timer?.cancel();
    await this.#pass;
  }

  #after(delayMs: number): void {
    this.#timer = this.#deps.timers.after(delayMs, () => {
      this.#timer = null;
      this.#isHurried = false;
      this.#pass = this.look().then(() => {
        if (!this.#isStopped) this.#after(this.#isHurried ? HURRY_MS : this.#deps.intervalMs);
      });
    });
  }

  /** One look at all logs there are now. */
  async look(): Promise<void> {
    const { clock, timers } = this.#deps;
    const removals = new Set<Promise<void>>();
    let sliceEndMs = clock.monotonicNow() + SLICE_MS;
    for (const log of this.#deps.logs()) {
      if (this.#isStopped) break;
      const removal = log.retain(clock.wallNow());
      if (removal !== null) {
        const watched: Promise<void> = removal.then(() => void removals.delete(watched));
        removals.add(watched);
      }
      if (removals.size >= REMOVALS_AT_ONCE) await Promise.race(removals);
      if (clock.monotonicNow() < sliceEndMs) continue;
      await timers.yieldTurn();
      sliceEndMs = clock.monotonicNow() + SLICE_MS;
    }
    await Promise.all(removals);
  }
}
