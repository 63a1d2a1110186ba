/**
 * When files that were let go leave the disk: `file.delete.delay.ms` later (3.6), or at once while there is no room but the
 * reserve (3.8(2)), since whoever deletes then waits for the space. Open descriptors keep what their readers hold.
 */
import type { TimerHandle, Timers } from "../ports/index.ts";

export interface RemovalDelayDeps {
  readonly timers: Timers;
  /** Whether files are to go at once now. */
  readonly mustHurry: () => boolean;
  /** Files went: there may be room again. */
  readonly onRemoved: () => void;
}

interface Removal {
  readonly work: () => void;
  timer: TimerHandle;
}

export class RemovalDelay {
  readonly #deps: RemovalDelayDeps;
  readonly #pending = new Set<Removal>();

  constructor(deps: RemovalDelayDeps) {
    this.#deps = deps;
  }

  /** Calls `work` once, in a later turn. */
  after(delayMs: number, work: () => void): TimerHandle {
    const waitMs = this.#deps.mustHurry() ? 0 : delayMs;
    const removal: Removal = { work, timer: this.#deps.timers.after(waitMs, () => this.#run(removal)) };
    this.#pending.add(removal);
    return { cancel: () => this.#cancel(removal) };
  }

  /** There is no room any more: what waits goes now, a turn later. */
  hurry(): void {
    for (const removal of this.#pending) {
      removal.timer.cancel();
      removal.timer = this.#deps.timers.after(0, () => this.#run(removal));
    }
  }

  removed(): void {
    this.#deps.onRemoved();
  }

  #run(removal: Removal): void {
    this.#pending.delete(removal);
    removal.work();
  }

  #cancel(removal: Removal): void {
    this.#pending.delete(removal);
    removal.timer.cancel();
  }
}
