/**
 * Time of the real world. Timers do not keep the process alive: an idle broker stays up because its doors are open, and a
 * stopping one does not wait for a checkpoint that is due in a minute.
 */
import { asMs, type Ms } from "../base/index.ts";
import type { Clock, TimerHandle, Timers } from "../ports/index.ts";

/** The longest delay that setTimeout knows; a longer one would fire at once. */
const DELAY_MAX_MS = 2 ** 31 - 1;

/** Taken once: as a global it is a getter, which costs as much as reading the clock, and a batch reads it several times. */
const monotonic = performance;

export class SystemClock implements Clock {
  wallNow(): Ms {
    return asMs(Date.now());
  }

  monotonicNow(): Ms {
    return asMs(monotonic.now());
  }
}

export class SystemTimers implements Timers {
  #turnTasks: (() => void)[] = [];

  after(delayMs: number, task: () => void): TimerHandle {
    const timer = setTimeout(task, Math.min(Math.max(0, delayMs), DELAY_MAX_MS));
    timer.unref();
    return { cancel: () => clearTimeout(timer) };
  }

  /**
   * Tasks of one turn share one setImmediate, which runs after the turn's input was taken in. What a task adds runs in
   * the next turn, so that a task that feeds itself cannot keep input out.
   */
  endOfTurn(task: () => void): void {
    if (this.#turnTasks.push(task) === 1) setImmediate(this.#runTurnTasks);
  }

  yieldTurn(): Promise<void> {
    return new Promise((resolve) => {
      setImmediate(resolve);
    });
  }

  readonly #runTurnTasks = (): void => {
    const tasks = this.#turnTasks;
    this.#turnTasks = [];
    let done = 0;
    try {
      for (; done < tasks.length; done++) tasks[done]?.();
    } finally {
      // One task threw: that is the process's end, unless whoever embeds it decides otherwise. The others still run.
      const rest = tasks.slice(done + 1);
      if (rest.length > 0 && this.#turnTasks.unshift(...rest) === rest.length) setImmediate(this.#runTurnTasks);
    }
  };
}
