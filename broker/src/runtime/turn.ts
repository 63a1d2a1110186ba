/**
 * One turn of the broker: what arrived is taken in, then worked off together, then the answers leave together
 * (performance: coalescing per tick). Partitions and sessions ask for a place in the turn; the first who asks arms the
 * end of it, so a turn in which nothing happened costs nothing.
 *
 * Work runs before flushes, each in the order it was asked for. What is asked for while the turn runs joins it: a drain
 * that moves a high watermark wakes a reader in the same turn, and both answers share a write to the socket.
 *
 * Invariant: a job is asked for at most once until it runs; the callers keep a flag.
 */
import type { Timers } from "../ports/index.ts";

export type TurnJob = () => void;

export class Turn {
  readonly #timers: Timers;
  readonly #work: TurnJob[] = [];
  readonly #flushes: TurnJob[] = [];
  #isArmed = false;
  readonly #run: () => void;

  constructor(timers: Timers) {
    this.#timers = timers;
    this.#run = (): void => this.#end();
  }

  /** Runs `job` at the end of this turn: queues are drained there. */
  work(job: TurnJob): void {
    this.#work.push(job);
    this.#arm();
  }

  /** Runs `job` when all work of this turn is done: what it answered is sent there. */
  flush(job: TurnJob): void {
    this.#flushes.push(job);
    this.#arm();
  }

  #arm(): void {
    if (this.#isArmed) return;
    this.#isArmed = true;
    this.#timers.endOfTurn(this.#run);
  }

  #end(): void {
    // A job that throws is a broken invariant and ends the process; the arm is released first so that tests that catch
    // it are not left with a turn that never comes.
    let workDone = 0;
    let flushesDone = 0;
    try {
      while (workDone < this.#work.length || flushesDone < this.#flushes.length) {
        const job = workDone < this.#work.length ? this.#work[workDone++] : this.#flushes[flushesDone++];
        job?.();
      }
    } finally {
      this.#work.splice(0, workDone);
      this.#flushes.splice(0, flushesDone);
      this.#isArmed = false;
      if (this.#work.length + this.#flushes.length > 0) this.#arm();
    }
  }
}
