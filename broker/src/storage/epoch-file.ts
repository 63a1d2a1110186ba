/**
 * `leader-epoch-checkpoint` of one log (2.2): the epoch cache on stable storage. Written in the background and never by a
 * new leader (5.1(2)): before the recovery-point checkpoint passes an entry that the file has not right, and at a clean
 * stop. Writes go one after another.
 */
import { formatEpochs } from "./checkpoint-file.ts";
import type { EpochCache } from "./epoch-cache.ts";
import { safeWrite } from "./safe-write.ts";
import type { SafeWriteHost } from "./safe-write.ts";

export const EPOCH_CHECKPOINT = "leader-epoch-checkpoint";

export class EpochFile {
  readonly #host: SafeWriteHost;
  readonly #directory: string;
  readonly #cache: EpochCache;
  #last: Promise<void> = Promise.resolve();

  constructor(host: SafeWriteHost, directory: string, cache: EpochCache) {
    this.#host = host;
    this.#directory = directory;
    this.#cache = cache;
  }

  /**
   * Resolves when the file says what the cache says now, or nobody wants it any more: `isWanted` is asked when the turn of
   * this write has come. Rejects with DiskFault; then the file is as much out of date as before.
   */
  write(isWanted: () => boolean): Promise<void> {
    const write = this.#last.then(async () => {
      if (!isWanted()) return;
      if (this.#cache.dirtyFrom === Number.POSITIVE_INFINITY) return;
      let isDurable = false;
      try {
        const entries = this.#cache.beginWrite();
        await safeWrite(this.#host, this.#directory, EPOCH_CHECKPOINT, formatEpochs(entries));
        isDurable = true;
      } finally {
        this.#cache.endWrite(isDurable);
      }
    });
    this.#last = write.catch(() => undefined);
    return write;
  }

  /** Resolves when no write is under way. */
  settled(): Promise<void> {
    return this.#last;
  }
}
