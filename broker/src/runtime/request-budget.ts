/**
 * Back-pressure on client doors (semantics 11.4): the bytes and the number of requests that were read from clients and
 * are neither appended nor refused yet. Beyond either limit the doors stop reading; what was read already is finished.
 *
 * Bytes come back when a request is appended or parked, never only when it is answered: parked acks=all would else
 * block the very reports they wait for.
 */
import { assert } from "../base/index.ts";

export interface RequestBudgetLimits {
  /** `queued.max.request.bytes`. */
  readonly maxBytes: number;
  /** `queued.max.requests`. */
  readonly maxRequests: number;
}

export class RequestBudget {
  readonly limits: RequestBudgetLimits;
  /** Invariant: bytes >= 0, requests >= 0; both 0 when nothing is queued. */
  #bytes = 0;
  #requests = 0;
  #waiting: (() => void)[] = [];

  constructor(limits: RequestBudgetLimits) {
    this.limits = limits;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get requests(): number {
    return this.#requests;
  }

  /** The doors stop reading while this is true. */
  get isExhausted(): boolean {
    return this.#bytes >= this.limits.maxBytes || this.#requests >= this.limits.maxRequests;
  }

  /** A request of `bytes` was read. Always granted: it is in memory already. */
  take(bytes: number): void {
    this.#bytes += bytes;
    this.#requests++;
  }

  /** A request of `bytes` is appended or refused. */
  give(bytes: number): void {
    this.#bytes -= bytes;
    this.#requests--;
    assert(this.#bytes >= 0 && this.#requests >= 0, "more was given back to the request budget than was taken");
    if (this.#waiting.length === 0 || this.isExhausted) return;
    const woken = this.#waiting;
    this.#waiting = [];
    for (const wake of woken) wake();
  }

  /** Calls `wake` once, when there is room again. */
  whenFree(wake: () => void): void {
    this.#waiting.push(wake);
  }
}
