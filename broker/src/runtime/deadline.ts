/** A time limit over work that cannot be cancelled: whoever waits is let go, the work goes on. One waiter for any number of works. */
import type { Ms } from "../base/index.ts";
import type { Clock } from "../ports/index.ts";
import { deadlineAfter, type Purgatory, type Waiter } from "./purgatory.ts";

export class Deadline implements Waiter {
  readonly deadline: Ms;
  purgatorySlot = -1;
  readonly #purgatory: Purgatory;
  readonly #passed: Promise<false>;
  #pass: () => void = () => undefined;

  constructor(deps: { readonly clock: Clock; readonly purgatory: Purgatory }, timeoutMs: number) {
    this.deadline = deadlineAfter(deps.clock, timeoutMs);
    this.#purgatory = deps.purgatory;
    this.#passed = new Promise((resolve) => {
      this.#pass = () => resolve(false);
    });
    this.#purgatory.park(this);
  }

  /** True when `work` was done in time, false when it was not. Rejects as it does; what it does later nobody hears. */
  race(work: Promise<unknown>): Promise<boolean> {
    return Promise.race([work.then(() => true), this.#passed]);
  }

  /** Nobody waits any more. */
  cancel(): void {
    this.#purgatory.release(this);
  }

  onDeadline(): void {
    this.#pass();
  }
}
