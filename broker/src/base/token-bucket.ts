/**
 * How often something may happen: `burst` times at once, and `perSecond` times a second in the long run. Knows no clock;
 * `now` is in ms and does not go back.
 */
export interface TokenBucketOptions {
  readonly perSecond: number;
  readonly burst: number;
}

export class TokenBucket {
  readonly #options: TokenBucketOptions;
  /** At most the burst; below 0 where tokens are reserved. */
  #tokens: number;
  #filledAt: number | null = null;

  constructor(options: TokenBucketOptions) {
    this.#options = options;
    this.#tokens = options.burst;
  }

  /** Takes a token; false: there is none. */
  take(now: number): boolean {
    this.#fill(now);
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }

  /** Takes the next token there will be; answers after how many ms. Null: that is more than `waitMaxMs`, and none is taken. */
  reserve(now: number, waitMaxMs: number): number | null {
    this.#fill(now);
    const waitMs = this.#tokens >= 1 ? 0 : Math.ceil(((1 - this.#tokens) / this.#options.perSecond) * 1000);
    if (waitMs > waitMaxMs) return null;
    this.#tokens -= 1;
    return waitMs;
  }

  /** Nothing was taken for so long that it is as good as new. */
  isFull(now: number): boolean {
    this.#fill(now);
    return this.#tokens === this.#options.burst;
  }

  #fill(now: number): void {
    const elapsedMs = now - (this.#filledAt ?? now);
    this.#filledAt = now;
    if (elapsedMs <= 0) return;
    const { perSecond, burst } = this.#options;
    this.#tokens = Math.min(burst, this.#tokens + (elapsedMs / 1000) * perSecond);
  }
}
