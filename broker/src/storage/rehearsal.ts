/**
 * What a start would do to a data directory: the very code of a start, run on a disk that only pretends to change (the
 * caller's; platform/overlay-disk.ts). So the answer cannot differ from what a start does, but for what only a start knows:
 * the metadata, which may name other topics here, and with it settings of single topics.
 *
 * Nothing is waited for that a start leaves for later: the files of deleted topics, retention, checkpoints in the background.
 */
import { asPartitionId } from "../base/index.ts";
import type { Clock, Disk, Logger, Timers } from "../ports/index.ts";
import { openLogDirectory } from "./data-directory.ts";
import { parseDirectoryName } from "./directory-names.ts";
import { readTopicId } from "./partition-metadata.ts";
import type { LogConfig, OpenReport, ReplicaSpec } from "./types.ts";

export interface RehearsalOptions {
  readonly path: string;
  /** Nothing that is written to it may last. */
  readonly disk: Disk;
  readonly clock: Clock;
  readonly timers: Timers;
  /** Hears what a start would log, above all why something is cut. */
  readonly logger: Logger;
  /** Settings that every log is opened with. */
  readonly config: LogConfig;
  onBytes(bytesScanned: number): void;
}

export interface RehearsedLog {
  readonly name: string;
  readonly logStartOffset: number;
  readonly endOffset: number;
  readonly highWatermark: number;
  readonly latestEpoch: number;
  readonly segments: number;
  /** 15.7: the log ends where bytes that were synced are bad; they stay, and the partition waits. */
  readonly isDamaged: boolean;
}

export interface Rehearsal {
  readonly report: OpenReport;
  readonly logs: readonly RehearsedLog[];
  /** To be called when the disk was asked for its changes: what is open is let go. */
  release(): Promise<void>;
}

/** Rejects as a start would: with StorageError or DiskFault. */
export async function rehearseStart(options: RehearsalOptions): Promise<Rehearsal> {
  const directory = await openLogDirectory({
    path: options.path,
    disk: options.disk,
    clock: options.clock,
    timers: withoutLater(options.timers),
    logger: options.logger,
    replicas: replicasIn(options),
    recoveryCheckpointIntervalMs: Number.MAX_SAFE_INTEGER,
    logStartCheckpointIntervalMs: Number.MAX_SAFE_INTEGER,
    highWatermarkCheckpointIntervalMs: Number.MAX_SAFE_INTEGER,
    onProgress: ({ bytesScanned }) => options.onBytes(bytesScanned),
    onOffline: () => undefined,
  });
  const logs = [...directory.logs()].map(
    (log): RehearsedLog => ({
      name: `${log.topic}-${log.partition}`,
      logStartOffset: log.logStartOffset,
      endOffset: log.logEndOffset,
      highWatermark: log.highWatermark,
      latestEpoch: log.latestEpoch,
      segments: log.segmentCount,
      isDamaged: log.isDamaged,
    }),
  );
  return { report: directory.report, logs, release: () => directory.close(-1) };
}

/** The replicas that stand there, each with the topic it names itself. */
function replicasIn({ disk, path, config }: RehearsalOptions): ReplicaSpec[] {
  const replicas: ReplicaSpec[] = [];
  for (const name of disk.list(path).sort()) {
    const parsed = parseDirectoryName(name);
    if (parsed.kind !== "replica" || !disk.isDirectory(`${path}/${name}`)) continue;
    const topicId = readTopicId(disk, `${path}/${name}`) ?? "";
    replicas.push({ topic: parsed.topic, partition: asPartitionId(parsed.partition), topicId, config });
  }
  return replicas;
}

/** Timers of a life that ends with its start. */
function withoutLater(timers: Timers): Timers {
  const never = { cancel: () => undefined };
  return { after: () => never, endOfTurn: () => undefined, yieldTurn: () => timers.yieldTurn() };
}
