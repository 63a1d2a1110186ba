/**
 * Writes one checkpoint file of the data directory: on a timer, and only when something moved (performance 1.13), or at
 * once for somebody who waits for it. Writes never overlap; those who ask while one is under way share the next, whose
 * content is taken after they asked.
 *
 * What the timer's write first brings to the disk (`prepare`) may be a thousand files. Whoever waits for a write does not wait for them: he
 * wants the file to say no more than what holds now, and it may say less.
 *
 * A full disk leaves the old file as it was and the new content due. A failed fsync is final, and the host knows of it.
 */
import { DiskFault } from "../ports/index.ts";
import type { TimerHandle } from "../ports/index.ts";
import { isPassing } from "./file-io.ts";
import type { LogHost } from "./log-host.ts";
import { safeWrite } from "./safe-write.ts";
import { SharedWork } from "./shared-work.ts";

export interface CheckpointWriterOptions {
  readonly host: LogHost;
  readonly directory: string;
  readonly name: string;
  readonly intervalMs: number;
  /** The content as of now. */
  content(): string;
  /** Before the timer's write: makes durable what lets the content be further. Ends early when `isStopped` says so. */
  prepare?(isStopped: () => boolean): Promise<void>;
}

export class CheckpointWriter {
  readonly #options: CheckpointWriterOptions;
  readonly #write: SharedWork;
  #timer: TimerHandle | null = null;
  /** The last write by timer. */
  #byTimer: Promise<void> = Promise.resolve();
  #isStopped = false;

  constructor(options: CheckpointWriterOptions) {
    this.#options = options;
    const { host, directory, name } = options;
    this.#write = new SharedWork(async () => {
      const fault = host.offlineFault();
      // It may have left a log half changed in memory; what the disk has is right.
      if (fault !== null) throw fault;
      await safeWrite(host, directory, name, options.content());
    });
  }

  /** Something moved: the file is written when the interval has passed. */
  markDue(): void {
    if (this.#timer !== null || this.#isStopped) return;
    const { host, intervalMs } = this.#options;
    this.#timer = host.timers.after(intervalMs, () => {
      this.#timer = null;
      if (this.#isStopped) return;
      const before = this.#byTimer;
      const write = before.then(() => this.#writeByTimer());
      this.#byTimer = write.catch(() => undefined);
      host.supervise(write);
    });
  }

  /** Resolves when what holds now, or later, is on stable storage. Rejects with DiskFault. */
  write(): Promise<void> {
    return this.#write.ask();
  }

  /** No timer writes any more; resolves when the write under way has ended. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#timer?.cancel();
    await this.#byTimer;
    await this.#write.settled();
  }

  async #writeByTimer(): Promise<void> {
    try {
      await this.#options.prepare?.(() => this.#isStopped);
      if (!this.#isStopped) await this.write();
    } catch (error: unknown) {
      if (!(error instanceof DiskFault && isPassing(error))) throw error;
      this.#options.host.logger.warn("no room for a checkpoint", { file: this.#options.name });
      this.markDue();
    }
  }
}
