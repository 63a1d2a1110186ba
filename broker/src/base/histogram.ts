/**
 * A distribution, counted where it happens: one typed array, no allocation when something is observed. Whoever publishes
 * it reads the counts when somebody asks.
 */
export class Histogram {
  /** Upper bounds, ascending, each included; beyond the last one everything shares a count. */
  readonly bounds: readonly number[];
  /** One longer than `bounds`. */
  readonly #counts: Float64Array;
  #sum = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.#counts = new Float64Array(bounds.length + 1);
  }

  observe(value: number): void {
    const { bounds } = this;
    let slot = 0;
    while (slot < bounds.length && value > (bounds[slot] ?? 0)) slot += 1;
    this.#counts[slot] = (this.#counts[slot] ?? 0) + 1;
    this.#sum += value;
  }

  /** Of all values observed. */
  get sum(): number {
    return this.#sum;
  }

  get count(): number {
    let count = 0;
    for (const each of this.#counts) count += each;
    return count;
  }

  /** How many values lie at or below each bound, and last the count of all. Whole: taken in one go. */
  cumulativeCounts(): readonly number[] {
    let count = 0;
    return Array.from(this.#counts, (each) => {
      count += each;
      return count;
    });
  }
}

/** From a tenth of a millisecond, a quick append, to ten seconds, a stalled disk. */
export const SECONDS_BOUNDS: readonly number[] = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
];

/** Powers of four from 256 bytes to 64 MiB. */
export const BYTES_BOUNDS: readonly number[] = [
  256, 1024, 4096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216, 67_108_864,
];
