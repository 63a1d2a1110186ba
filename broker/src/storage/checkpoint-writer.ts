/**
 * Writes one checkpoint file of the data directory: on a timer, and only when something moved (performance 1.13), or at
 * once for somebody who waits for it. Writes never overlap; those who ask while one is under way share the next, whose
 * content is taken after they asked.
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
  /** The content as of now. May first wait for what has to be durable before it. */
  content(): Promise<string>;
}

export class CheckpointWriter {
  readonly #options: CheckpointWriterOptions;
  readonly #write: SharedWork;
  #timer: TimerHandle | null = null;
  #isStopped = false;

  constructor(options: CheckpointWriterOptions) {
    this.#options = options;
    const { host, directory, name } = options;
    this.#write = new SharedWork(async () => {
      const content = await options.content();
      const fault = host.offlineFault();
      // It may have left a log half changed in memory; what the disk has is right.
      if (fault !== null) throw fault;
      await safeWrite(host, directory, name, content);
    });
  }

  /** Something moved: the file is written when the interval has passed. */
  markDue(): void {
    if (this.#timer !== null || this.#isStopped) return;
    const { host, intervalMs } = this.#options;
    this.#timer = host.timers.after(intervalMs, () => {
      this.#timer = null;
      if (!this.#isStopped) host.supervise(this.#writeByTimer());
    });
  }

  /** Resolves when what holds now, or later, is on stable storage. Rejects with DiskFault. */
  write(): Promise<void> {
    return this.#write.ask();
  }

  /** No timer writes any more; resolves when the write under way has ended. */
  stop(): Promise<void> {
    this.#isStopped = true;
    this.#timer?.cancel();
    return this.#write.settled();
  }

  async #writeByTimer(): Promise<void> {
    try {
      await this.write();
    } catch (error: unknown) {
      if (!(error instanceof DiskFault && isPassing(error))) throw error;
      this.#options.host.logger.warn("no room for a checkpoint", { file: this.#options.name });
      this.markDue();
    }
  }
}
