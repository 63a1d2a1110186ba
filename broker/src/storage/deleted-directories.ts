/**
 * Directories of deleted logs (2.1(2), 3.6): they bear the name `...-delete` already, and their files go after a delay (removal-delay.ts),
 * a few a turn. What cannot be removed now is tried again by timer. A stop waits for no delay: what is left goes with the
 * next start.
 */
import { DiskFault } from "../ports/index.ts";
import type { TimerHandle, Timers } from "../ports/index.ts";
import type { LogHost } from "./log-host.ts";

const UNLINKED_PER_TURN = 16;

/** Until a removal that met a fault is tried again. */
const RETRY_MS = 10_000;

export class DeletedDirectories {
  readonly #host: LogHost;
  readonly #root: string;
  readonly #timers = new Set<TimerHandle>();
  readonly #running = new Set<Promise<void>>();
  #isStopped = false;

  constructor(host: LogHost, root: string) {
    this.#host = host;
    this.#root = root;
  }

  /** When it resolves no file is touched any more: the lock goes to another. A removal under way ends within its turn. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    for (const timer of this.#timers) timer.cancel();
    this.#timers.clear();
    await Promise.all(this.#running);
  }

  /** Removes the directory after `delayMs`, and tries until it is gone: its name has to be one that nobody uses again. */
  removeLater(name: string, delayMs: number): void {
    this.#after(this.#host.removals, delayMs, name);
  }

  #after(timers: Pick<Timers, "after">, delayMs: number, name: string): void {
    if (this.#isStopped) return;
    const timer = timers.after(delayMs, () => {
      this.#timers.delete(timer);
      this.#begin(name);
    });
    this.#timers.add(timer);
  }

  #begin(name: string): void {
    const removal = this.#removeUntilGone(name);
    const ended = removal
      .catch(() => undefined)
      .then(() => {
        this.#running.delete(ended);
      });
    this.#running.add(ended);
    this.#host.supervise(removal);
  }

  async #removeUntilGone(name: string): Promise<void> {
    if (!(await this.remove(name))) this.#after(this.#host.timers, RETRY_MS, name);
  }

  /** Removes the directory now; false: not all of it. */
  remove(name: string): Promise<boolean> {
    const { disk, logger, removals } = this.#host;
    return this.#attempt(name, async (directory) => {
      if (disk.sizeOf(directory) === null) return true;
      if (!(await this.#empty(directory))) return false;
      disk.rmdir(directory);
      logger.info("log directory removed", { directory: name });
      removals.removed();
      return true;
    });
  }

  /** Removes its files now, and keeps the directory; false: not all of them. */
  empty(name: string): Promise<boolean> {
    return this.#attempt(name, (directory) => this.#empty(directory));
  }

  async #empty(directory: string): Promise<boolean> {
    const { disk, timers } = this.#host;
    let leftInTurn = UNLINKED_PER_TURN;
    for (const file of disk.list(directory)) {
      disk.unlink(`${directory}/${file}`);
      leftInTurn -= 1;
      if (leftInTurn > 0) continue;
      leftInTurn = UNLINKED_PER_TURN;
      await timers.yieldTurn();
      if (this.#isStopped) return false;
    }
    return true;
  }

  async #attempt(name: string, work: (directory: string) => Promise<boolean>): Promise<boolean> {
    const directory = `${this.#root}/${name}`;
    try {
      return await work(directory);
    } catch (error: unknown) {
      if (!(error instanceof DiskFault)) throw error;
      this.#host.logger.warn("a deleted log could not be removed", { directory, err: error });
      return false;
    }
  }
}
