/**
 * The timers of one broker. What it had set when it stopped runs no more, and is not held on to: its process may go on, with another
 * broker in it or none. Whoever has work to end before that cancels its own.
 */
import type { TimerHandle, Timers } from "./ports/index.ts";

export class BrokerTimers implements Timers {
  readonly #timers: Timers;
  readonly #pending = new Set<PendingTimer>();
  #isClosed = false;

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  after(delayMs: number, task: () => void): TimerHandle {
    const pending = new PendingTimer(this.#pending, task);
    if (!this.#isClosed) pending.set(this.#timers.after(delayMs, pending.run));
    return pending;
  }

  endOfTurn(task: () => void): void {
    this.#timers.endOfTurn(task);
  }

  yieldTurn(): Promise<void> {
    return this.#timers.yieldTurn();
  }

  close(): void {
    this.#isClosed = true;
    for (const pending of this.#pending) pending.cancel();
  }
}

class PendingTimer implements TimerHandle {
  readonly #all: Set<PendingTimer>;
  readonly #task: () => void;
  #handle: TimerHandle | null = null;

  constructor(all: Set<PendingTimer>, task: () => void) {
    this.#all = all;
    this.#task = task;
  }

  set(handle: TimerHandle): void {
    this.#handle = handle;
    this.#all.add(this);
  }

  readonly run = (): void => {
    this.#all.delete(this);
    this.#task();
  };

  cancel(): void {
    this.#handle?.cancel();
    this.#all.delete(this);
  }
}
