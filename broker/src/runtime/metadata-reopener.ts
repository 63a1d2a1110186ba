/**
 * Opens the metadata store again after it ran out of space or file descriptors (10.1(1)): LevelDB refuses all writes after
 * a failed one until then. Tried when the disk has room, at growing intervals, for as long as it takes; the store that
 * comes of it holds what is durable, be that more or less than its last writer knew.
 *
 * Not here: what the entries found mean, and who waits.
 */
import type { Logger, Timers } from "../ports/index.ts";
import { isPassingFault } from "../storage/index.ts";

export interface MetadataReopenerOptions<Opened> {
  /** Opens and checks the store anew. Rejects with StorageError METADATA_LOST, DiskFault. */
  readonly open: () => Promise<Opened>;
  /** Whether the disk has the room that opening needs: LevelDB rewrites its log into a table, and names new files. */
  readonly hasRoom: () => boolean;
  readonly timers: Timers;
}

interface Closable {
  close(): Promise<void>;
}

const FIRST_WAIT_MS = 250;
const LONGEST_WAIT_MS = 5_000;

export class MetadataReopener<Opened> {
  readonly #options: MetadataReopenerOptions<Opened>;
  readonly #logger: Logger;
  #isStopped = false;
  #wake: (() => void) | null = null;

  constructor(options: MetadataReopenerOptions<Opened>, logger: Logger) {
    this.#options = options;
    this.#logger = logger;
  }

  /**
   * Closes `failed` and resolves with its successor; null when `stop` was called meanwhile, and nothing is open then.
   * Rejects with what does not pass: StorageError METADATA_LOST, DiskFault.
   */
  async reopen(failed: Closable): Promise<Opened | null> {
    await this.#closeFailed(failed);
    for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(LONGEST_WAIT_MS, 2 * waitMs)) {
      await this.#wait(waitMs);
      if (this.#isStopped) return null;
      if (!this.#options.hasRoom()) continue;
      try {
        return await this.#options.open();
      } catch (error: unknown) {
        if (!isPassingFault(error)) throw error;
        this.#logger.debug("the metadata store does not open yet", { err: error });
      }
    }
  }

  /** No further try; a `reopen` under way resolves soon. */
  stop(): void {
    this.#isStopped = true;
    this.#wake?.();
  }

  /** What it could not write is known already. */
  async #closeFailed(failed: Closable): Promise<void> {
    try {
      await failed.close();
    } catch (error: unknown) {
      if (!isPassingFault(error)) throw error;
    }
  }

  #wait(delayMs: number): Promise<void> {
    if (this.#isStopped) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = this.#options.timers.after(delayMs, () => this.#wake?.());
      this.#wake = (): void => {
        this.#wake = null;
        timer.cancel();
        resolve();
      };
    });
  }
}
