/**
 * A small seeded random source (xoshiro128**, Blackman and Vigna 2018; seeded through splitmix32). One seed gives one
 * sequence on every machine. `fork(label)` derives an independent stream, so that one more draw in one subsystem does
 * not shift another.
 */
export class SeededRandom {
  readonly #seed: number;
  #a: number;
  #b: number;
  #c: number;
  #d: number;

  constructor(seed: number) {
    this.#seed = seed;
    let state = seed >>> 0;
    // The high half of seeds above 2^32 takes part, so that neighbouring big seeds do not collide.
    state ^= Math.floor(seed / 2 ** 32) >>> 0;
    const next = (): number => {
      state = (state + 0x9e3779b9) | 0;
      let z = state;
      z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
      z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
      return (z ^ (z >>> 15)) | 0;
    };
    this.#a = next();
    this.#b = next();
    this.#c = next();
    this.#d = next() | 1;
  }

  /** An independent stream named by `label`: a function of this stream's seed and the label only. */
  fork(label: string): SeededRandom {
    let hash = 0x811c9dc5 ^ (this.#seed >>> 0) ^ (Math.floor(this.#seed / 2 ** 32) >>> 0);
    for (let i = 0; i < label.length; i++) hash = Math.imul(hash ^ label.charCodeAt(i), 0x01000193);
    return new SeededRandom(hash >>> 0);
  }

  /** A uint32. */
  uint32(): number {
    const scrambled = Math.imul(this.#b, 5);
    const result = Math.imul((scrambled << 7) | (scrambled >>> 25), 9);
    const shifted = this.#b << 9;
    this.#c ^= this.#a;
    this.#d ^= this.#b;
    this.#b ^= this.#c;
    this.#a ^= this.#d;
    this.#c ^= shifted;
    this.#d = (this.#d << 11) | (this.#d >>> 21);
    return result >>> 0;
  }

  /** A float in [0, 1). */
  float(): number {
    return this.uint32() / 2 ** 32;
  }

  /** An integer in [0, bound). */
  below(bound: number): number {
    return Math.floor(this.float() * bound);
  }

  /** An integer in [from, to], both included. */
  between(from: number, to: number): number {
    return from + this.below(to - from + 1);
  }

  /** True with the given probability. */
  chance(probability: number): boolean {
    return this.float() < probability;
  }

  /** One element of a list that is not empty. */
  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }

  /** Fills `into` with random bytes and returns it. */
  bytes<T extends Uint8Array>(into: T): T {
    for (let i = 0; i < into.length; i++) into[i] = this.uint32() >>> 13;
    return into;
  }
}
