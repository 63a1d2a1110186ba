/**
 * What went wrong with a data directory in this life: the fault that took it offline (3.8(1)), and whether a sync failed (3.4(3)), which
 * the next life has to know before it believes its page cache. Both are final.
 */
import { DiskFault } from "../ports/index.ts";
import type { Disk, Logger, TimerHandle, Timers } from "../ports/index.ts";
import { markSyncFailed } from "./clean-marker.ts";
import type { LogSet } from "./log-set.ts";

/** Closed segments that a disk may refuse to give before it counts as failing (decision 0034). */
const UNREADABLE_MAX = 3;
/** Until the mark of a failed sync is tried again. */
const MARK_RETRY_MS = 100;

export interface DirectoryFaultsOptions {
  readonly disk: Disk;
  readonly timers: Timers;
  readonly logger: Logger;
  /** The data directory. */
  readonly path: string;
  readonly logs: LogSet;
  /** Called once, from a turn of its own, and only while the directory is in use. */
  onOffline(fault: DiskFault): void;
}

export class DirectoryFaults {
  readonly #options: DirectoryFaultsOptions;
  /** A start tells by its rejection, and a stop has nobody left to tell. */
  #isInUse = false;
  #isClosed = false;
  #offlineFault: DiskFault | null = null;
  #hasSyncFailed = false;
  #markRetry: TimerHandle | null = null;
  #unreadableCount = 0;

  constructor(options: DirectoryFaultsOptions) {
    this.#options = options;
  }

  /** What took the directory offline; null = it is not. */
  get offlineFault(): DiskFault | null {
    return this.#offlineFault;
  }

  get hasSyncFailed(): boolean {
    return this.#hasSyncFailed;
  }

  /** The start is over. */
  open(): void {
    this.#isInUse = true;
  }

  /** The last try to mark what failed. */
  close(): void {
    this.#isInUse = false;
    this.#isClosed = true;
    if (this.#hasSyncFailed) this.#markSyncFailed();
  }

  /** 3.4(3): final, and first of all the next life has to know. */
  onSyncFailed(fault: DiskFault): void {
    if (!this.#hasSyncFailed) {
      this.#hasSyncFailed = true;
      this.#markSyncFailed();
    }
    this.goOffline(fault);
  }

  /** Without the mark a mere restart would believe its page cache: it is tried until it succeeds, at last by the stop. */
  #markSyncFailed(): void {
    const { disk, timers, logger, path } = this.#options;
    this.#markRetry?.cancel();
    try {
      markSyncFailed(disk, path);
    } catch (error: unknown) {
      if (!(error instanceof DiskFault)) throw error;
      logger.error("the failed sync could not be marked", { path, err: error });
      if (!this.#isClosed) this.#markRetry = timers.after(MARK_RETRY_MS, () => this.#markSyncFailed());
    }
  }

  /** A closed segment could not be read back, for the first time: damage of its replica, as long as there are few. */
  onUnreadable(fault: DiskFault): void {
    this.#unreadableCount += 1;
    const { logger, path } = this.#options;
    logger.error("a closed segment cannot be read", { path, count: this.#unreadableCount, err: fault });
    if (this.#unreadableCount > UNREADABLE_MAX) this.goOffline(fault);
  }

  goOffline(fault: DiskFault): void {
    if (this.#offlineFault !== null) return;
    const { logs, timers, logger, path } = this.#options;
    this.#offlineFault = fault;
    logger.error("the log directory goes offline", { path, err: fault });
    for (const log of logs.all()) log.goOffline();
    // Nobody is called from inside a call of his own.
    if (!this.#isInUse) return;
    timers.after(0, () => {
      if (this.#hasSyncFailed) for (const log of logs.all()) log.events.onSyncFailed(fault);
      this.#options.onOffline(fault);
    });
  }

  /** Watches over work that nobody awaits. */
  supervise(task: Promise<unknown>): void {
    task.catch((error: unknown) => {
      if (error instanceof DiskFault) {
        this.goOffline(error);
        return;
      }
      // A broken invariant ends the process; inside a promise it would only be a warning.
      this.#options.timers.after(0, () => {
        throw error;
      });
    });
  }
}
