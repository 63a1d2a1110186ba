/**
 * What happens to a simulated cluster from outside, by time: beside the world's own events, so that one act more or less shifts nothing
 * of their order, and a run that is replayed from a plan is the one that was recorded.
 *
 * Its times are counted from `originMs` of the world: sums of the same numbers, recorded or replayed.
 */
export class Agenda {
  /** Ascending; of one moment in the order in which they came. */
  readonly #acts: { readonly atMs: number; readonly act: () => void }[] = [];
  #originMs = 0;
  #nowMs = 0;

  /** Of the act that runs. */
  get nowMs(): number {
    return this.#nowMs;
  }

  /** Of the world; Infinity: nothing is due ever. */
  get nextAtMs(): number {
    return this.#originMs + (this.#acts[0]?.atMs ?? Number.POSITIVE_INFINITY);
  }

  /** Nothing is due any more, and time begins anew. */
  begin(originMs: number): void {
    this.#acts.length = 0;
    this.#originMs = originMs;
    this.#nowMs = 0;
  }

  at(atMs: number, act: () => void): void {
    let slot = this.#acts.length;
    while (slot > 0 && (this.#acts[slot - 1]?.atMs ?? 0) > atMs) slot -= 1;
    this.#acts.splice(slot, 0, { atMs, act });
  }

  /** To the thousandth, so that a plan can be read. */
  after(delayMs: number, act: () => void): void {
    this.at(Math.round(1_000 * (this.#nowMs + delayMs)) / 1_000, act);
  }

  runNext(): void {
    const next = this.#acts.shift();
    if (next === undefined) return;
    this.#nowMs = next.atMs;
    next.act();
  }
}
