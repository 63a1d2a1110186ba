/**
 * Ends a read: on the process's signal, when all that was asked for is there, or when nothing came for --timeout. Looks at
 * a counter now and then, so that a record costs one addition and no timer.
 */
import { CliFailure } from "../failure.ts";
import { formatMs, plural } from "../output/units.ts";

export class IdleWatchdog {
  readonly #stopper = new AbortController();
  readonly #timeoutMs: number | null;
  readonly #timer: NodeJS.Timeout | null = null;
  #count = 0;
  #countSeen = 0;
  #idleSinceMs = performance.now();
  #isFired = false;
  #isFinished = false;

  constructor(timeoutMs: number | null, signal: AbortSignal) {
    this.#timeoutMs = timeoutMs;
    signal.addEventListener("abort", () => this.#stopper.abort(signal.reason), { once: true });
    if (signal.aborted) this.#stopper.abort(signal.reason);
    if (timeoutMs !== null) this.#timer = setInterval(() => this.#look(), Math.max(timeoutMs / 10, 10));
  }

  get signal(): AbortSignal {
    return this.#stopper.signal;
  }

  get isFinished(): boolean {
    return this.#isFinished;
  }

  onRecord(): void {
    this.#count += 1;
  }

  /** Nothing more is wanted, of no topic. */
  finish(): void {
    this.#isFinished = true;
    this.#stopper.abort(new Error("all that was asked for is there"));
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
  }

  /** @throws CliFailure TIMEOUT when it was the silence that ended the read */
  check(records: number): void {
    if (!this.#isFired) return;
    throw new CliFailure(
      "TIMEOUT",
      `nothing more arrived within ${formatMs(this.#timeoutMs ?? 0)}; ${plural(records, "record")} read`,
      { details: { records } },
    );
  }

  #look(): void {
    if (this.#count !== this.#countSeen) {
      this.#countSeen = this.#count;
      this.#idleSinceMs = performance.now();
    } else if (this.#timeoutMs !== null && performance.now() - this.#idleSinceMs >= this.#timeoutMs) {
      this.#isFired = true;
      this.#stopper.abort(new Error("nothing arrived"));
    }
  }
}
