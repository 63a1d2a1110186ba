/**
 * What happens to a simulated cluster from outside, by time: beside the world's own events, so that one act more or less shifts nothing
 * of their order, and a run that is replayed from a plan is the one that was recorded.
 *
 * Its times are counted from `originMs` of the world: sums of the same numbers, recorded or replayed.
 */
export class Agenda {
  /** Ascending; of one moment what follows from earlier deeds first, then deeds in the order in which they came. */
  readonly #acts: { readonly atMs: number; readonly isDeed: boolean; readonly act: () => void }[] = [];
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

  /** A deed: what stands in a plan, or draws what will. */
  at(atMs: number, act: () => void): void {
    this.#add(atMs, act, true);
  }

  /** The same, so much later; to the thousandth, so that a plan can be read. */
  after(delayMs: number, act: () => void): void {
    this.at(this.#later(delayMs), act);
  }

  /** What follows from a deed, and stands in no plan: its end. Whether the deeds of that moment are known by now, or yet to be drawn, it comes before them. */
  endAfter(delayMs: number, act: () => void): void {
    this.#add(this.#later(delayMs), act, false);
  }

  /** All of the next moment in one stretch: what is drawn in one act comes back as several. */
  runNext(): void {
    const atMs = this.#acts[0]?.atMs ?? this.#nowMs;
    this.#nowMs = atMs;
    while (this.#acts[0]?.atMs === atMs) this.#acts.shift()?.act();
  }

  #later(delayMs: number): number {
    return Math.round(1_000 * (this.#nowMs + delayMs)) / 1_000;
  }

  #add(atMs: number, act: () => void, isDeed: boolean): void {
    let slot = this.#acts.length;
    for (; slot > 0; slot -= 1) {
      const before = this.#acts[slot - 1];
      if (before === undefined || before.atMs < atMs) break;
      if (before.atMs === atMs && (isDeed || !before.isDeed)) break;
    }
    this.#acts.splice(slot, 0, { atMs, isDeed, act });
  }
}
