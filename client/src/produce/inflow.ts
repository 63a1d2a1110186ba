/** One stream of records into a producer: counts what is under way, remembers the first failure, knows when all is told. */
import type { BrokerError } from "../errors.ts";
import { Told } from "./completion.ts";

export class Inflow {
  /** Records that arrived. */
  sent = 0;
  #open = 0;
  #failure: BrokerError | null = null;
  #onIdle: (() => void) | null = null;

  /** The completion of every record of the stream. */
  readonly completion = new Told((error) => {
    this.#open -= 1;
    if (error === null) this.sent += 1;
    else this.#failure ??= error;
    if (this.#open === 0) this.#onIdle?.();
  });

  /** A record is on its way. */
  begin(): void {
    this.#open += 1;
  }

  /** A record did not get on its way. */
  cancel(): void {
    this.#open -= 1;
  }

  /** @throws the first failure, if there was one */
  check(): void {
    if (this.#failure !== null) throw this.#failure;
  }

  /** Resolves when nothing is under way. */
  idle(): Promise<void> {
    if (this.#open === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onIdle = resolve;
    });
  }
}
