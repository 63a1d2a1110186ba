/** Virtual time of a run of synchronous cores: what is to happen when. Events of one moment run in an order that the seed draws. */
import type { SeededRandom } from "../base/index.ts";
import { EventHeap } from "./event-heap.ts";
import { ensureGoing } from "./seed-run.ts";
import type { Trace } from "./trace.ts";

export class Timeline {
  readonly #ties: SeededRandom;
  readonly #trace: Trace;
  readonly #events = new EventHeap();
  #sequence = 0;
  #nowMs = 0;

  /** It runs until `trace` is to end. */
  constructor(ties: SeededRandom, trace: Trace) {
    this.#ties = ties;
    this.#trace = trace;
  }

  get nowMs(): number {
    return this.#nowMs;
  }

  push(delayMs: number, task: () => void): void {
    const atMs = this.#nowMs + delayMs;
    const tieKey = this.#ties.uint32();
    this.#events.push({ atMs, tieKey, sequence: this.#sequence++, task, isDue: () => true });
  }

  runFor(durationMs: number): void {
    const untilMs = this.#nowMs + durationMs;
    for (;;) {
      const next = this.#events.peek();
      if (next === undefined || next.atMs > untilMs) break;
      this.#events.pop();
      this.#nowMs = next.atMs;
      next.task();
      ensureGoing(this.#trace);
    }
    this.#nowMs = untilMs;
  }
}
