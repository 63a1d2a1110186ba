/**
 * Who waits for room in the buffer, first come, first served. A record that waits is taken in the very stretch in which
 * its turn comes, so that calls keep their order.
 */
import { Fifo } from "../core/fifo.ts";
import type { BrokerError } from "../errors.ts";
import { type Limits, limited } from "../pause.ts";

interface Waiter {
  /** What to do when the turn comes. */
  readonly go: () => void;
  readonly refuse: (error: BrokerError) => void;
  isOver: boolean;
}

/** Waiters are let in only when this much is free, so that each has work for more than one record. */
const SLACK_BYTES_MAX = 1024 * 1024;

export class Room {
  readonly #load: { readonly bytes: number };
  readonly #limitBytes: number;
  readonly #slackBytes: number;
  readonly #waiters = new Fifo<Waiter>();

  constructor(load: { readonly bytes: number }, limitBytes: number) {
    this.#load = load;
    this.#limitBytes = limitBytes;
    this.#slackBytes = Math.min(SLACK_BYTES_MAX, Math.floor(limitBytes / 4));
  }

  /** Whether a record may be taken now, nobody being before it. One record may go beyond the limit. */
  get isFree(): boolean {
    return this.#load.bytes < this.#limitBytes && this.#waiters.length === 0;
  }

  get hasWaiters(): boolean {
    return this.#waiters.length > 0;
  }

  /** Calls `go` when the turn comes, or `refuse`. Returns what gives the place up. */
  enter(go: () => void, refuse: (error: BrokerError) => void): () => void {
    const waiter: Waiter = { go, refuse, isOver: false };
    this.#waiters.push(waiter);
    return () => {
      waiter.isOver = true;
    };
  }

  /** Resolves when there is room, within limits. */
  wait(limits: Limits, what: string): Promise<void> {
    if (this.isFree) return Promise.resolve();
    let leave = (): void => {};
    const turn = new Promise<void>((resolve, reject) => {
      leave = this.enter(resolve, reject);
    });
    return limited(turn, limits, { what, outcome: () => "not-sent", onEnd: leave });
  }

  /** Lets in who has room. */
  admit(): void {
    if (this.#load.bytes > this.#limitBytes - this.#slackBytes) return;
    while (this.#waiters.length > 0 && this.#load.bytes < this.#limitBytes) {
      const waiter = this.#waiters.shift();
      if (waiter !== undefined && !waiter.isOver) waiter.go();
    }
  }

  /** Nobody gets in any more. */
  refuseAll(error: BrokerError): void {
    for (let waiter = this.#waiters.shift(); waiter !== undefined; waiter = this.#waiters.shift()) {
      if (!waiter.isOver) waiter.refuse(error);
    }
  }
}
