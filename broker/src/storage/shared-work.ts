/**
 * Work that many ask for and one run does for all: those who ask while it runs share the next run, which begins after they
 * asked. Runs never overlap.
 */
export class SharedWork {
  readonly #work: () => Promise<void>;
  #running: Promise<void> | null = null;
  #next: Promise<void> | null = null;

  constructor(work: () => Promise<void>) {
    this.#work = work;
  }

  /** Resolves when a run that began after this call has ended; rejects as that run does. */
  ask(): Promise<void> {
    if (this.#next !== null) return this.#next;
    if (this.#running === null) return this.#run();
    this.#next = this.#running
      .catch(() => undefined)
      .then(() => {
        this.#next = null;
        return this.#run();
      });
    return this.#next;
  }

  /** Resolves when nothing runs or waits. */
  async settled(): Promise<void> {
    for (let last = this.#next ?? this.#running; last !== null; last = this.#next ?? this.#running) {
      await last.catch(() => undefined);
    }
  }

  #run(): Promise<void> {
    const run = this.#work().finally(() => {
      this.#running = null;
    });
    this.#running = run;
    return run;
  }
}
