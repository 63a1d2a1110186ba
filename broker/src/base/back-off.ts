/** How long to wait before the next attempt: not at all, then longer each time up to a bound. Reset when one succeeds. */
export interface BackOffOptions {
  readonly firstMs: number;
  readonly maxMs: number;
}

export class BackOff {
  readonly #options: BackOffOptions;
  #nextMs = 0;

  constructor(options: BackOffOptions) {
    this.#options = options;
  }

  /** The wait before the attempt that follows this failed one. `chance` in [0, 1) takes up to a quarter off. */
  onFailure(chance: number): number {
    const { firstMs, maxMs } = this.#options;
    this.#nextMs = this.#nextMs === 0 ? firstMs : Math.min(2 * this.#nextMs, maxMs);
    return this.#nextMs * (1 - chance / 4);
  }

  reset(): void {
    this.#nextMs = 0;
  }
}
