/**
 * The three checkpoint files of a data directory (2.2): recovery points, log starts, high watermarks, of all its logs.
 *
 * A recovery point passes the start of an epoch entry only when that log's epoch file is durable (5.1(2)): the timer's write sees to it,
 * and any other holds it back. Whoever lowered a recovery point waits for a write that began after that (5.5(3)), and not for the epoch
 * files of others: when a leader dies, all of its partitions have a new one, and the few that are cut for it would wait for
 * thousands of syncs.
 */
import { formatOffsets, parseOffsets, readCheckpoint } from "./checkpoint-file.ts";
import type { OffsetEntries } from "./checkpoint-file.ts";
import { CheckpointWriter } from "./checkpoint-writer.ts";
import { removeFile } from "./file-io.ts";
import type { LogHost } from "./log-host.ts";
import { TEMP_SUFFIX } from "./safe-write.ts";
import type { SegmentedLog } from "./segmented-log.ts";
import { StorageError } from "./storage-error.ts";
import type { Disk, Logger } from "../ports/index.ts";

export const RECOVERY_POINTS = "recovery-point-offset-checkpoint";
export const LOG_STARTS = "log-start-offset-checkpoint";
export const HIGH_WATERMARKS = "replication-offset-checkpoint";

export interface ReadCheckpoints {
  readonly recoveryPoints: OffsetEntries;
  /** The file was there and said nothing: what recovery cuts is kept aside (2.6(2)). */
  readonly areRecoveryPointsMalformed: boolean;
  readonly logStarts: OffsetEntries;
  readonly highWatermarks: OffsetEntries;
}

/** Reads what the last life left. Throws StorageError for a malformed log-start file; the others load as empty. */
export function readCheckpoints(disk: Disk, directory: string, logger: Logger): ReadCheckpoints {
  for (const name of [RECOVERY_POINTS, LOG_STARTS, HIGH_WATERMARKS])
    removeFile(disk, `${directory}/${name}${TEMP_SUFFIX}`);
  const read = (name: string): OffsetEntries | null => {
    const path = `${directory}/${name}`;
    const parsed = readCheckpoint(disk, path, parseOffsets);
    if (parsed.ok) return parsed.entries;
    // An empty log start would bring back what DeleteRecords removed.
    if (name === LOG_STARTS) throw new StorageError("MALFORMED_CHECKPOINT", path, parsed.reason);
    logger.error("malformed checkpoint file, taken as empty", { path, reason: parsed.reason });
    return null;
  };
  const recoveryPoints = read(RECOVERY_POINTS);
  return {
    recoveryPoints: recoveryPoints ?? new Map(),
    areRecoveryPointsMalformed: recoveryPoints === null,
    logStarts: read(LOG_STARTS) ?? new Map(),
    highWatermarks: read(HIGH_WATERMARKS) ?? new Map(),
  };
}

export interface CheckpointsOptions {
  readonly host: LogHost;
  readonly directory: string;
  readonly recoveryPointIntervalMs: number;
  readonly logStartIntervalMs: number;
  readonly highWatermarkIntervalMs: number;
  logs(): readonly SegmentedLog[];
}

export class Checkpoints {
  readonly recoveryPoints: CheckpointWriter;
  readonly logStarts: CheckpointWriter;
  readonly highWatermarks: CheckpointWriter;

  constructor(options: CheckpointsOptions) {
    const { host, directory } = options;
    const logs = (): readonly SegmentedLog[] => options.logs();
    this.recoveryPoints = new CheckpointWriter({
      host,
      directory,
      name: RECOVERY_POINTS,
      intervalMs: options.recoveryPointIntervalMs,
      content: () => format(logs(), recoveryPointOf),
      prepare: (isStopped) => writeEpochs(logs(), isStopped),
    });
    const writer = (name: string, intervalMs: number, content: () => string): CheckpointWriter =>
      new CheckpointWriter({ host, directory, name, intervalMs, content });
    this.logStarts = writer(LOG_STARTS, options.logStartIntervalMs, () => {
      const raised = logs().filter((log) => log.isLogStartRaised);
      return format(raised, (log) => log.logStartToKeep);
    });
    this.highWatermarks = writer(HIGH_WATERMARKS, options.highWatermarkIntervalMs, () =>
      format(logs(), (log) => log.highWatermark),
    );
  }

  async writeAll(): Promise<void> {
    await this.recoveryPoints.write();
    await this.logStarts.write();
    await this.highWatermarks.write();
  }

  async stop(): Promise<void> {
    await Promise.all([this.recoveryPoints.stop(), this.logStarts.stop(), this.highWatermarks.stop()]);
  }
}

/** What the epoch file on disk does not have right holds it back. */
function recoveryPointOf(log: SegmentedLog): number {
  return log.isDamaged ? log.recoveryPointToKeep : Math.min(log.recoveryPointToKeep, log.epochsDirtyFrom);
}

async function writeEpochs(logs: readonly SegmentedLog[], isStopped: () => boolean): Promise<void> {
  for (const log of logs) {
    // Asked again when the write begins: a log that was cut meanwhile must not lose entries of its file that the recovery
    // point on disk has passed, until that is lowered.
    const isPassed = (): boolean => !isStopped() && !log.isDamaged && log.epochsDirtyFrom < log.recoveryPointToKeep;
    // One after another: a thousand fsyncs at once would keep every read waiting.
    if (isPassed()) await log.writeEpochs(isPassed);
  }
}

function format(logs: readonly SegmentedLog[], offsetOf: (log: SegmentedLog) => number): string {
  return formatOffsets(logs.map((log) => ({ topic: log.topic, partition: log.partition, offset: offsetOf(log) })));
}
