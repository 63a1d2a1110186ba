/** What the real machine does for the simulated world and has not finished: disk operations of directories. The world's time waits for it. */
export class RealWork {
  readonly #whole: RealWork | null;
  #count = 0;
  #waiting: (() => void)[] = [];

  /** @param whole what it is a part of */
  constructor(whole: RealWork | null = null) {
    this.#whole = whole;
  }

  get isIdle(): boolean {
    return this.#count === 0;
  }

  begin(): void {
    this.#count += 1;
    this.#whole?.begin();
  }

  end(): void {
    this.#count -= 1;
    this.#whole?.end();
    if (this.#count === 0) for (const resolve of this.#waiting.splice(0)) resolve();
  }

  async during<T>(work: Promise<T>): Promise<T> {
    this.begin();
    try {
      return await work;
    } finally {
      this.end();
    }
  }

  idle(): Promise<void> {
    if (this.#count === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
    });
  }
}
