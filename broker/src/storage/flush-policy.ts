/** When a log asks for a sync of its own accord (3.4(1)): after `flush.messages`, after `flush.ms`. */
import type { Offset } from "../base/index.ts";
import type { TimerHandle, Timers } from "../ports/index.ts";
import type { LogState } from "./log-state.ts";
import type { LogConfig } from "./types.ts";

const NEVER = Number.MAX_SAFE_INTEGER;

/** The log. */
export interface FlushPolicyOwner {
  readonly config: LogConfig;
  sync(): void;
}

export class FlushPolicy {
  readonly #owner: FlushPolicyOwner;
  readonly #state: LogState;
  readonly #timers: Timers;
  /** A sync up to here was asked for, by whomever. */
  #askedEnd: Offset;
  #timer: TimerHandle | null = null;

  constructor(owner: FlushPolicyOwner, state: LogState, timers: Timers, syncedEnd: Offset) {
    this.#owner = owner;
    this.#state = state;
    this.#timers = timers;
    this.#askedEnd = syncedEnd;
  }

  /** A sync of all that is written now is asked for. */
  onAsked(): void {
    this.#askedEnd = this.#state.writtenEnd;
  }

  /** The log was cut. */
  onCut(): void {
    const { writtenEnd } = this.#state;
    if (writtenEnd < this.#askedEnd) this.#askedEnd = writtenEnd;
  }

  /** More is written. */
  onWritten(): void {
    const state = this.#state;
    const { flushMessages, flushMs } = this.#owner.config;
    if (state.isClosed || state.isOffline) return;
    if (flushMessages < NEVER && state.writtenEnd - this.#askedEnd >= flushMessages) this.#owner.sync();
    if (flushMs >= NEVER || this.#timer !== null || state.writtenEnd <= this.#askedEnd) return;
    this.#timer = this.#timers.after(flushMs, () => {
      this.#timer = null;
      if (!state.isClosed && !state.isOffline) this.#owner.sync();
    });
  }

  close(): void {
    this.#timer?.cancel();
  }
}
