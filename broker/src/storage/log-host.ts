/**
 * What a log needs of the data directory it lies in: ports, shared open files and sync slots, and the things that concern
 * the whole directory (checkpoints that hold every log's offsets, faults that take all of it offline).
 */
import { DiskFault } from "../ports/index.ts";
import type { Clock, Logger, Timers } from "../ports/index.ts";
import { isPassing } from "./file-io.ts";
import type { FilePool } from "./file-pool.ts";
import type { RemovalDelay } from "./removal-delay.ts";
import type { SafeWriteHost } from "./safe-write.ts";
import type { SyncSlots } from "./sync-slots.ts";
import type { TailCache } from "./tail-cache.ts";
import type { WritePace } from "./write-pace.ts";

export interface LogHost extends SafeWriteHost {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
  readonly files: FilePool;
  readonly slots: SyncSlots;
  /** Of writes off the loop; the threads are shared with reads and syncs. */
  readonly writeSlots: SyncSlots;
  /** Of reads off the loop: readers that are behind leave threads to writes and syncs, whatever they ask for. */
  readonly readSlots: SyncSlots;
  readonly pace: WritePace;
  readonly tails: TailCache;
  /** When files of what was deleted leave the disk. */
  readonly removals: RemovalDelay;
  /** Recovery point, high watermark or log start of some log moved: its checkpoint is due. */
  onRecoveryPointMoved(): void;
  onHighWatermarkMoved(): void;
  /** A log knows more idempotent producers than before: all together are bounded (producer-cap.ts). */
  onProducersAdded(count: number): void;
  /** Resolves when the recovery points of all logs, as they are now or later, are on stable storage. */
  checkpointRecoveryPoints(): Promise<void>;
  /** The same for log starts and high watermarks. */
  checkpointLogStarts(): Promise<void>;
  checkpointHighWatermarks(): Promise<void>;
  /**
   * Something is about to be cut, and cut and synced: a start that finds a cut under way syncs every log before it is
   * appended to. What a kill leaves of a cut is seen by nobody else, and a power failure may still undo it.
   */
  beginCut(): void;
  endCut(): void;
  /** An operation other than a sync failed, and not for want of space: 3.8(1). */
  onIoFault(fault: DiskFault): void;
  /** Bytes of a closed segment could not be read: damage of its replica, unless there is more of it. */
  onUnreadable(fault: DiskFault): void;
  /** What took the directory offline; null = it is not. No checkpoint is written any more once it is. */
  offlineFault(): DiskFault | null;
  /** Watches over work that nobody awaits: a DiskFault takes the directory offline, anything else ends the process. */
  supervise(task: Promise<unknown>): void;
}

/** Runs what may meet a full disk without harm; its fault is returned if it did, any other goes to the host as well. */
export function attempt(host: LogHost, work: () => void): DiskFault | null {
  try {
    work();
    return null;
  } catch (error: unknown) {
    if (!(error instanceof DiskFault)) throw error;
    if (!isPassing(error)) host.onIoFault(error);
    return error;
  }
}
