/**
 * Directories of deleted logs (2.1(2), 3.6): they bear the name `...-delete` already, and their files go after a delay (removal-delay.ts),
 * a few a turn. What cannot be removed now is tried again by timer; what is left at a stop goes with the next start.
 */
import { DiskFault } from "../ports/index.ts";
import type { LogHost } from "./log-host.ts";

const UNLINKED_PER_TURN = 16;

/** Until a removal that met a fault is tried again. */
const RETRY_MS = 10_000;

export class DeletedDirectories {
  readonly #host: LogHost;
  readonly #root: string;
  #isStopped = false;

  constructor(host: LogHost, root: string) {
    this.#host = host;
    this.#root = root;
  }

  stop(): void {
    this.#isStopped = true;
  }

  /** Removes the directory after `delayMs`, and tries until it is gone: its name has to be one that nobody uses again. */
  removeLater(name: string, delayMs: number): void {
    this.#host.removals.after(delayMs, () => this.#begin(name));
  }

  #begin(name: string): void {
    if (!this.#isStopped) this.#host.supervise(this.#removeUntilGone(name));
  }

  async #removeUntilGone(name: string): Promise<void> {
    if (!(await this.remove(name)) && !this.#isStopped) this.#host.timers.after(RETRY_MS, () => this.#begin(name));
  }

  /** Removes the directory now; false: not all of it. */
  async remove(name: string): Promise<boolean> {
    const { disk, logger, removals, timers } = this.#host;
    const directory = `${this.#root}/${name}`;
    try {
      if (disk.sizeOf(directory) === null) return true;
      let leftInTurn = UNLINKED_PER_TURN;
      for (const file of disk.list(directory)) {
        disk.unlink(`${directory}/${file}`);
        leftInTurn -= 1;
        if (leftInTurn > 0) continue;
        leftInTurn = UNLINKED_PER_TURN;
        await timers.yieldTurn();
        if (this.#isStopped) return false;
      }
      disk.rmdir(directory);
      removals.removed();
      return true;
    } catch (error: unknown) {
      if (!(error instanceof DiskFault)) throw error;
      logger.warn("a deleted log could not be removed", { directory, err: error });
      return false;
    }
  }
}
