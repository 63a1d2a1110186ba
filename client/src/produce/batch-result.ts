/** The outcome of many records at once: which are in, which are not, and why. Nothing is hidden behind a first error. */
import type { BrokerError } from "../errors.ts";
import type { BatchResult, RecordMetadata } from "../types.ts";

class Result implements BatchResult {
  readonly ok: readonly RecordMetadata[];
  readonly failed: readonly { index: number; error: BrokerError }[];

  constructor(ok: readonly RecordMetadata[], failed: readonly { index: number; error: BrokerError }[]) {
    this.ok = ok;
    this.failed = failed;
  }

  throwIfFailed(): this {
    const first = this.failed[0];
    if (first !== undefined) throw first.error;
    return this;
  }
}

/** Gathers outcomes by index. */
export class ResultCollector {
  readonly #outcomes: (RecordMetadata | BrokerError | null)[] = [];
  #open = 0;
  #isComplete = false;
  #onIdle: (() => void) | null = null;

  /** Makes a place for the next record and returns what is to be called with its outcome. Later calls do nothing. */
  expect(): (error: BrokerError | null, metadata?: RecordMetadata) => void {
    const index = this.#outcomes.push(null) - 1;
    this.#open += 1;
    return (error, metadata) => {
      if (this.#isComplete || this.#outcomes[index] !== null) return;
      this.#outcomes[index] = error ?? metadata ?? null;
      this.#open -= 1;
      if (this.#open === 0) this.#onIdle?.();
    };
  }

  /** Resolves when every outcome that is expected now is there. */
  idle(): Promise<void> {
    if (this.#open === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onIdle = resolve;
    });
  }

  /** The result; what is still open ends with `error`. */
  finish(error: BrokerError | null): BatchResult {
    this.#isComplete = true;
    const ok: RecordMetadata[] = [];
    const failed: { index: number; error: BrokerError }[] = [];
    for (const [index, outcome] of this.#outcomes.entries()) {
      if (outcome !== null && !(outcome instanceof Error)) ok.push(outcome);
      else if (outcome !== null) failed.push({ index, error: outcome });
      else if (error !== null) failed.push({ index, error });
    }
    return new Result(ok, failed);
  }
}
