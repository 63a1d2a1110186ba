/**
 * One turn of the broker: what arrived is taken in, then worked off together, then the answers leave together
 * (performance: coalescing per tick). Partitions and sessions ask for a place in the turn; the first who asks arms the
 * end of it, so a turn in which nothing happened costs nothing.
 *
 * Work runs before flushes, each in the order it was asked for. What is asked for while the turn runs joins it: a drain
 * that moves a high watermark wakes a reader in the same turn, and both answers share a write to the socket.
 *
 * A thousand partitions at once would keep the loop from all else, and followers from what the first of them wrote, so a turn works
 * off WORK_PER_TURN jobs at most: what they have to send leaves, and the rest is the next turn's, behind what arrived meanwhile.
 *
 * What readers take comes last and has a share of the turn, counted in bytes. A reader that is far behind takes all it is given,
 * and each such reader would make the turn longer for everybody whose request arrives meanwhile. Beyond the share the rest
 * has its place in the next turns, in the order it was asked for: what arrived is worked off first in each.
 *
 * Invariant: a job is asked for at most once until it runs; the callers keep a flag.
 */
import type { Timers } from "../ports/index.ts";

export type TurnJob = () => void;
/** Answers how many bytes it sent. */
export type ServingJob = () => number;

/**
 * Of all readers in one turn: about a millisecond of sending. The job that passes it is finished. With half of it a turn is
 * not half as long, and one reader is slower.
 */
export const SERVED_BYTES_PER_TURN = 1024 * 1024;

/** Of jobs: a few milliseconds where each is a small append (performance 1.18). */
export const WORK_PER_TURN = 64;

export class Turn {
  readonly #timers: Timers;
  readonly #work: TurnJob[] = [];
  readonly #flushes: TurnJob[] = [];
  readonly #servings: ServingJob[] = [];
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

  /** Runs `job` when all else of this turn is done and readers have not had their share of it yet; else in a later turn. */
  serve(job: ServingJob): void {
    this.#servings.push(job);
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
    let servingsDone = 0;
    let servedBytes = 0;
    try {
      for (;;) {
        if (workDone < this.#work.length && workDone < WORK_PER_TURN) this.#work[workDone++]?.();
        else if (flushesDone < this.#flushes.length) this.#flushes[flushesDone++]?.();
        else if (servingsDone < this.#servings.length && servedBytes < SERVED_BYTES_PER_TURN)
          servedBytes += this.#servings[servingsDone++]?.() ?? 0;
        else break;
      }
    } finally {
      this.#work.splice(0, workDone);
      this.#flushes.splice(0, flushesDone);
      this.#servings.splice(0, servingsDone);
      this.#isArmed = false;
      if (this.#work.length + this.#flushes.length + this.#servings.length > 0) this.#arm();
    }
  }
}
