/**
 * How fast replicas that a reassignment adds may be filled (semantics 13(6)): a token bucket, and a debt where one message was more
 * than there was. Those in sync are never counted: catching up may wait, acknowledgements may not.
 *
 * Not here: whose bytes count, and what rests while there is a debt (replica-fetcher.ts, replication-source.ts).
 */
import type { Clock } from "../ports/index.ts";

/** So much of the rate may be saved up. */
const BURST_MS = 1_000;
/** A rest is no shorter: each ends with a new ask. */
const REST_MS_MIN = 20;
/** Whoever rests looks again after this long: the rate may be another one by then. */
export const LOOK_MS = 500;

export class ReplicationThrottle {
  readonly #clock: Clock;
  readonly #rate: () => number | null;
  #tokens = 0;
  #filledAt: number;

  /** `rate`: bytes a second, as it is now; null: none is set. */
  constructor(clock: Clock, rate: () => number | null) {
    this.#clock = clock;
    this.#rate = rate;
    this.#filledAt = clock.monotonicNow();
  }

  /** Whether anything is to be counted. */
  get isSet(): boolean {
    return this.#rate() !== null;
  }

  /** So many bytes of a replica that is added. Answers how long it rests, in milliseconds; 0: not at all. */
  take(bytes: number): number {
    this.#fill();
    this.#tokens -= bytes;
    return this.restMs;
  }

  /** Until the debt is paid, if nothing more is taken. */
  get restMs(): number {
    const rate = this.#fill();
    if (rate === null || this.#tokens >= 0) return 0;
    return Math.max(REST_MS_MIN, Math.ceil((-this.#tokens / rate) * 1000));
  }

  #fill(): number | null {
    const rate = this.#rate();
    const now = this.#clock.monotonicNow();
    if (rate === null) this.#tokens = 0;
    else this.#tokens = Math.min((rate * BURST_MS) / 1000, this.#tokens + (rate * (now - this.#filledAt)) / 1000);
    this.#filledAt = now;
    return rate;
  }
}
