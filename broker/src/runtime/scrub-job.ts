/**
 * Reads closed segments back from time to time, slowly, to find what has rotted before somebody needs it (15.7): while other replicas
 * are whole it is repaired, and later there may be none. A pass looks at one log after the other. What is found is told as any other
 * damage.
 *
 * The active segment is left out: its bytes were just written, and readers and followers have them under their eyes. A log that is
 * known to be damaged is being taken care of.
 */
import { asOffset } from "../base/index.ts";
import type { Logger, TimerHandle, Timers } from "../ports/index.ts";
import type { LogDamage, PartitionLog } from "../storage/index.ts";

/** The first pass comes no later than this after a start: a broker that is restarted each night is looked at as well. */
const FIRST_PASS_MS = 3_600_000;

export interface ScrubJobDeps {
  readonly timers: Timers;
  readonly logger: Logger;
  /** Between two passes; 0: none are made. */
  readonly intervalMs: number;
  /** As it is now. */
  bytesPerSecond(): number;
  logs(): Iterable<PartitionLog>;
  onFound(log: PartitionLog, damage: LogDamage): void;
}

export class ScrubJob {
  readonly #deps: ScrubJobDeps;
  #timer: TimerHandle | null = null;
  #pass: Promise<void> = Promise.resolve();
  /** Ends the pause of a pass. */
  #wake: (() => void) | null = null;
  #isStopped = false;

  constructor(deps: ScrubJobDeps) {
    this.#deps = deps;
  }

  start(): void {
    if (this.#deps.intervalMs > 0) this.#after(Math.min(FIRST_PASS_MS, this.#deps.intervalMs));
  }

  /** Resolves when nothing is read any more. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#timer?.cancel();
    this.#wake?.();
    await this.#pass;
  }

  #after(delayMs: number): void {
    this.#timer = this.#deps.timers.after(delayMs, () => {
      this.#timer = null;
      this.#pass = this.#look().then(() => {
        if (!this.#isStopped) this.#after(this.#deps.intervalMs);
      });
    });
  }

  async #look(): Promise<void> {
    for (const log of this.#deps.logs()) {
      if (this.#isStopped) return;
      const active = log.segments().at(-1)?.baseOffset ?? asOffset(0);
      if (active <= log.logStartOffset || log.isDamaged || log.isRepairing || log.rot !== null) continue;
      await this.#lookAt(log, active);
    }
  }

  async #lookAt(log: PartitionLog, to: PartitionLog["logEndOffset"]): Promise<void> {
    try {
      const found = await log.verify({ from: log.logStartOffset, to, pace: (bytes) => this.#pause(bytes) });
      if (found !== null) this.#deps.onFound(log, found);
    } catch (cause: unknown) {
      // Deleted, closed or cut meanwhile, or given up by the stop; a disk that fails was told of by the log.
      const { topic, partition } = log;
      this.#deps.logger.debug("a log could not be read back", { topic, partition, err: cause });
    }
  }

  /** Rejects when the job is stopped, which ends the look. */
  async #pause(bytes: number): Promise<void> {
    const ms = Math.ceil((bytes * 1000) / this.#deps.bytesPerSecond());
    if (!this.#isStopped)
      await new Promise<void>((resolve) => {
        const timer = this.#deps.timers.after(ms, resolve);
        this.#wake = () => {
          timer.cancel();
          resolve();
        };
      });
    this.#wake = null;
    if (this.#isStopped) throw new Error("the broker stops");
  }
}
