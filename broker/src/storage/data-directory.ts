/**
 * The data directory: its logs, what concerns all of them (checkpoints, the clean marker, going offline), and the order of
 * a start (4.1, 4.2) and of a clean stop (4.3).
 *
 * Invariants: nothing that stands in the directory is relied upon before the directory was synced once (4.2(1)). After a
 * failed sync no marker is written in this life.
 *
 * Not here: names and directories of replicas (replica-directories.ts), a start's pass over the logs (directory-loader.ts), how
 * logs come and go (log-changes.ts), what a fault does (directory-faults.ts).
 */
import type { Histogram, PartitionId } from "../base/index.ts";
import { DiskFault, noFailpoint } from "../ports/index.ts";
import type { Disk, Logger } from "../ports/index.ts";
import { ACCEPT_DAMAGE } from "./accepted-damage.ts";
import { logKey } from "./checkpoint-file.ts";
import type { OffsetEntries } from "./checkpoint-file.ts";
import { Checkpoints, readCheckpoints } from "./checkpoints.ts";
import type { ReadCheckpoints } from "./checkpoints.ts";
import {
  clearCutPending,
  clearSyncFailed,
  hasSyncFailed,
  isCutPending,
  leaveCleanMarker,
  markCutPending,
  takeCleanMarker,
} from "./clean-marker.ts";
import { DirectoryFaults } from "./directory-faults.ts";
import { DirectoryLoader } from "./directory-loader.ts";
import { isAsideOf } from "./directory-names.ts";
import { isPassing, removeFile } from "./file-io.ts";
import { FilePool } from "./file-pool.ts";
import { inGroups } from "./in-groups.ts";
import { LogChanges } from "./log-changes.ts";
import type { LogHost } from "./log-host.ts";
import { LogSet } from "./log-set.ts";
import { ProducerCap } from "./producer-cap.ts";
import { RemovalDelay } from "./removal-delay.ts";
import { ReplicaDirectories } from "./replica-directories.ts";
import type { SegmentedLog } from "./segmented-log.ts";
import { StorageError } from "./storage-error.ts";
import { SyncSlots } from "./sync-slots.ts";
import { TailCache } from "./tail-cache.ts";
import type { LogDirectory, LogDirectoryOptions, OpenReport, PartitionLog, ReplicaSpec, SyncPace } from "./types.ts";
import { WritePace } from "./write-pace.ts";

/** Logs that are closed at a time. */
const CLOSED_AT_A_TIME = 16;

/**
 * Writes off the loop, of all logs together. With syncs and reads that is as many as a pool of sixteen threads has; of one of four it is
 * more, but none is long at its limit.
 */
const WRITES_IN_FLIGHT_MAX = 2;
/** Reads off the loop, of all readers together: whatever they ask for, the other threads are left to what acknowledgements wait for. */
const READS_IN_FLIGHT_MAX = 2;

/** Opens a data directory whose lock is held. Rejects with StorageError or DiskFault; then nothing of it is in use. */
export async function openLogDirectory(options: LogDirectoryOptions): Promise<LogDirectory> {
  // What a start looks for is of no use behind it, and with many replicas it is much.
  const { replicas: _, ...kept } = options;
  const directory = new DataDirectory(kept);
  try {
    await directory.open(options);
  } catch (error: unknown) {
    if (error instanceof DiskFault || error instanceof StorageError) await directory.abandon();
    throw error;
  }
  return directory;
}

type Wanted = Pick<LogDirectoryOptions, "replicas" | "deletedTopicIds" | "onProgress">;

class DataDirectory implements LogDirectory {
  readonly #path: string;
  readonly #disk: Disk;
  readonly #logger: Logger;
  readonly #host: LogHost;
  readonly #checkpoints: Checkpoints;
  readonly #producerCap: ProducerCap;
  readonly #logs = new LogSet();
  readonly #directories: ReplicaDirectories;
  readonly #changes: LogChanges;
  readonly #faults: DirectoryFaults;

  #report: OpenReport = {
    clean: false,
    previousBrokerEpoch: -1,
    bytesScanned: 0,
    bytesCut: 0,
    logsRecovered: 0,
    damaged: [],
  };
  /** Cuts of all logs that are not synced yet. */
  #cutsPending = 0;

  constructor(options: Omit<LogDirectoryOptions, "replicas">) {
    this.#path = options.path;
    this.#disk = options.disk;
    this.#logger = options.logger;
    this.#faults = new DirectoryFaults({
      disk: options.disk,
      timers: options.timers,
      logger: options.logger,
      path: options.path,
      logs: this.#logs,
      onOffline: (fault) => options.onOffline(fault),
    });
    this.#host = {
      disk: options.disk,
      failpoint: options.failpoint ?? noFailpoint,
      clock: options.clock,
      timers: options.timers,
      logger: options.logger,
      files: new FilePool(options.disk, options.openFilesMax),
      slots: new SyncSlots(options.clock, options.disk.syncsAtATime),
      writeSlots: new SyncSlots(options.clock, WRITES_IN_FLIGHT_MAX),
      readSlots: new SyncSlots(options.clock, READS_IN_FLIGHT_MAX),
      pace: new WritePace(),
      tails: new TailCache({ capBytes: options.tailCacheBytes ?? 0, clock: options.clock, timers: options.timers }),
      removals: new RemovalDelay({
        timers: options.timers,
        mustHurry: () => options.mustHurryRemovals?.() === true,
        onRemoved: () => options.onRemoved?.(),
      }),
      onRecoveryPointMoved: () => this.#checkpoints.recoveryPoints.markDue(),
      onProducersAdded: (count) => this.#producerCap.added(count),
      onHighWatermarkMoved: () => this.#checkpoints.highWatermarks.markDue(),
      checkpointRecoveryPoints: () => this.#checkpoints.recoveryPoints.write(),
      checkpointLogStarts: () => this.#checkpoints.logStarts.write(),
      checkpointHighWatermarks: () => this.#checkpoints.highWatermarks.write(),
      beginCut: () => this.#beginCut(),
      endCut: () => this.#endCut(),
      onSyncFailed: (fault) => this.#faults.onSyncFailed(fault),
      onIoFault: (fault) => this.#faults.goOffline(fault),
      onUnreadable: (fault) => this.#faults.onUnreadable(fault),
      offlineFault: () => this.#faults.offlineFault,
      supervise: (task) => this.#faults.supervise(task),
    };
    this.#checkpoints = new Checkpoints({
      host: this.#host,
      directory: this.#path,
      recoveryPointIntervalMs: options.recoveryCheckpointIntervalMs,
      logStartIntervalMs: options.logStartCheckpointIntervalMs,
      highWatermarkIntervalMs: options.highWatermarkCheckpointIntervalMs,
      logs: () => this.#logs.kept(),
    });
    this.#producerCap = new ProducerCap({
      states: () => [...this.#logs.all()].map((log) => log.producerState),
      logger: options.logger,
      ...(options.producersMax === undefined ? {} : { max: options.producersMax }),
    });
    this.#directories = new ReplicaDirectories(this.#host, this.#path);
    this.#changes = new LogChanges({
      host: this.#host,
      logs: this.#logs,
      directories: this.#directories,
      checkpoints: this.#checkpoints,
      path: this.#path,
    });
  }

  get report(): OpenReport {
    return this.#report;
  }

  get tailBytes(): number {
    return this.#host.tails.heldBytes;
  }

  get syncDurations(): Histogram {
    return this.#host.slots.durations;
  }

  get syncPace(): SyncPace {
    return this.#host.slots.pace;
  }

  get isOffline(): boolean {
    return this.#faults.offlineFault !== null;
  }

  log(topic: string, partition: PartitionId): PartitionLog | undefined {
    return this.#logs.placed.get(logKey(topic, partition));
  }

  logs(): Iterable<PartitionLog> {
    return this.#logs.placed.values();
  }

  unplaced(): Iterable<PartitionLog> {
    return this.#logs.unplaced.values();
  }

  // ---- start ----

  async open(wanted: Wanted): Promise<void> {
    const marker = takeCleanMarker(this.#disk, this.#path);
    await this.#directories.syncRoot();
    const { failpoint } = this.#host;
    failpoint("storage.recover.afterMarker");
    const mustRewrite = hasSyncFailed(this.#disk, this.#path);
    const mustSync = isCutPending(this.#disk, this.#path);
    const checkpoints = readCheckpoints(this.#disk, this.#path, this.#logger);
    const isClean = marker !== null && !mustRewrite && !mustSync;
    // A stop whose last sync failed may have left both: then it was no clean one, and its epoch proves nothing (9(4)).
    const previousBrokerEpoch = isClean ? marker.brokerEpoch : -1;
    this.#report = { ...this.#report, clean: isClean, previousBrokerEpoch };

    const { replicas, deleted, forgotten, strays } = this.#directories.find(wanted.replicas, wanted.deletedTopicIds);
    const loader = new DirectoryLoader({
      host: this.#host,
      directories: this.#directories,
      logs: this.#logs,
      checkpoints,
      lastLife: { isClean, mustRewrite, mustSync },
      options: wanted,
    });
    const isDeleted = (spec: ReplicaSpec): boolean => deleted.some((name) => isAsideOf(name, spec));
    await loader.load(replicas, (spec) => forgotten.has(logKey(spec.topic, spec.partition)) || isDeleted(spec));
    this.#report = { ...this.#report, ...loader.findings };
    failpoint("storage.recover.afterLoad");
    await loader.settle();
    await this.#mendCheckpoints(checkpoints, forgotten, mustRewrite);
    failpoint("storage.recover.afterMend");
    for (const stray of strays) this.#directories.setAside(stray, "stray");
    for (const log of this.#logs.all()) await this.#beginFetch(log);
    for (const { directory } of loader.accepted) removeFile(this.#disk, `${directory}/${ACCEPT_DAMAGE}`);
    if (mustRewrite) clearSyncFailed(this.#disk, this.#path);
    this.#cutsPending = 0;
    clearCutPending(this.#disk, this.#path);
    if (this.#faults.offlineFault !== null) throw this.#faults.offlineFault;

    this.#faults.open();
    for (const log of this.#logs.all()) this.#producerCap.added(log.producerState.size);
    for (const log of this.#logs.all()) log.finishSealed();
    for (const name of deleted) this.#directories.removeLater(name, 0);
  }

  /** Without room to say so it is damaged as before, and its repair begins anew (log-repair.ts). */
  async #beginFetch(log: SegmentedLog): Promise<void> {
    try {
      await log.beginFetch();
    } catch (error: unknown) {
      if (!(error instanceof DiskFault && isPassing(error))) throw error;
      log.stayDamaged();
    }
  }

  /** The start failed: nothing stays in use. */
  async abandon(): Promise<void> {
    this.#close();
    await this.#directories.stop();
    await this.#checkpoints.stop();
    for (const log of this.#logs.all()) {
      log.goOffline();
      await log.releaseFiles();
    }
  }

  /** Writes what the last life left of checkpoints and this one must not rely on, nor leave for the next. */
  async #mendCheckpoints(read: ReadCheckpoints, forgotten: ReadonlySet<string>, mustRewrite: boolean): Promise<void> {
    const { recoveryPoints, logStarts, highWatermarks } = read;
    const isStale = (key: string): boolean => forgotten.has(key) || !this.#logs.has(key);
    const hasStale = [recoveryPoints, logStarts, highWatermarks].some((entries) => [...entries.keys()].some(isStale));
    if (mustRewrite || hasStale) return this.#checkpoints.writeAll();
    const isAnyAbove = (entries: OffsetEntries, offsetOf: (log: SegmentedLog) => number): boolean =>
      [...this.#logs.all()].some((log) => (entries.get(logKey(log.topic, log.partition)) ?? 0) > offsetOf(log));
    // Recovery made indexes anew that a checkpointed recovery point may be about to pass, and ends that a high watermark
    // may lie above: both are lower bounds again before anything is appended.
    const isClean = this.#report.clean && ![...this.#logs.all()].some(({ isRepairing }) => isRepairing);
    if (!isClean && isAnyAbove(recoveryPoints, (log) => log.recoveryPointToKeep))
      await this.#checkpoints.recoveryPoints.write();
    if (isAnyAbove(highWatermarks, (log) => log.highWatermark)) await this.#checkpoints.highWatermarks.write();
  }

  // ---- logs come and go ----

  createLog(spec: ReplicaSpec): Promise<PartitionLog> {
    return this.#changes.create(spec);
  }

  deleteLog(topic: string, partition: PartitionId): Promise<void> {
    return this.#changes.delete(topic, partition);
  }

  repairLog(topic: string, partition: PartitionId): Promise<PartitionLog> {
    return this.#changes.repair(topic, partition);
  }

  endRepair(topic: string, partition: PartitionId, isGivenUp = false): Promise<void> {
    return this.#changes.endRepair(topic, partition, isGivenUp);
  }

  hurryRemovals(): void {
    this.#host.removals.hurry();
  }

  // ---- stop ----

  /**
   * Ends with the clean marker; without it, and a line that says why, when a log or the disk does not allow it. Never rejects for a
   * fault of the disk.
   */
  async close(brokerEpoch: number): Promise<void> {
    this.#close();
    await this.#directories.stop();
    await this.#changes.settled();
    await this.#checkpoints.stop();
    let isDurable = true;
    await inGroups([...this.#logs.all()], CLOSED_AT_A_TIME, async (log) => {
      if (!(await log.close())) isDurable = false;
    });
    if (this.#faults.offlineFault !== null) return;
    const reason = isDurable && !this.#faults.hasSyncFailed ? null : "a log is damaged or could not be synced";
    try {
      await this.#checkpoints.writeAll();
      if (reason !== null) return this.#sayUnclean(reason);
      this.#host.failpoint("shutdown.beforeMarker");
      await leaveCleanMarker(this.#disk, this.#path, brokerEpoch);
      this.#host.failpoint("shutdown.afterMarker");
    } catch (error: unknown) {
      if (!(error instanceof DiskFault)) throw error;
      // The next start looks at what this one could not write down; nothing that was acknowledged hangs on it.
      this.#sayUnclean(error.message);
    }
  }

  #sayUnclean(reason: string): void {
    this.#logger.warn("no clean marker: the next start recovers", { path: this.#path, reason });
  }

  #close(): void {
    this.#changes.close();
    this.#faults.close();
  }

  // ---- cuts ----

  #beginCut(): void {
    if (this.#cutsPending === 0) markCutPending(this.#disk, this.#path);
    this.#cutsPending += 1;
  }

  #endCut(): void {
    this.#cutsPending -= 1;
    if (this.#cutsPending === 0) clearCutPending(this.#disk, this.#path);
  }
}
