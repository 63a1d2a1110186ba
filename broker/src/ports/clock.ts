/** Time comes in here. Wall time may jump either way; monotonic time never goes back. Both in milliseconds. */
import type { Ms } from "../base/index.ts";

export interface Clock {
  /** Unix time in ms: for timestamps that people and files see. May jump. */
  wallNow(): Ms;
  /** Ms since some fixed point: for every measured span and deadline. Never goes back. Has a fraction. */
  monotonicNow(): Ms;
}

/** A pending timer; opaque. */
export interface TimerHandle {
  cancel(): void;
}

export interface Timers {
  /** Calls `task` once, not before `delayMs` have passed. A timer does not keep the process alive. */
  after(delayMs: number, task: () => void): TimerHandle;
  /** Calls `task` once this turn's input has been taken in: the place where a turn's work is written and flushed. */
  endOfTurn(task: () => void): void;
  /** Resolves in a later turn, so that long work can be sliced. */
  yieldTurn(): Promise<void>;
}
