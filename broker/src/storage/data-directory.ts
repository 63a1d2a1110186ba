/**
 * The data directory: its logs, what concerns all of them (checkpoints, the clean marker, going offline), and the order of
 * a start (4.1, 4.2) and of a clean stop (4.3).
 *
 * Invariants: nothing that stands in the directory is relied upon before the directory was synced once (4.2(1)). No
 * checkpoint holds an entry for a log that is not there, durably, before a name may be used again: a new topic would
 * inherit the log start or recovery point of the old one. After a failed sync no marker is written in this life.
 */
import { asPartitionId, assert } from "../base/index.ts";
import type { Histogram, PartitionId } from "../base/index.ts";
import { DiskFault } from "../ports/index.ts";
import type { Disk, DiskFaultKind, Logger, TimerHandle, Timers } from "../ports/index.ts";
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
  markSyncFailed,
  takeCleanMarker,
} from "./clean-marker.ts";
import { DeletedDirectories } from "./deleted-directories.ts";
import { asideName, parseDirectoryName } from "./directory-names.ts";
import { isPassing, removeFile, syncDirectory } from "./file-io.ts";
import { FilePool } from "./file-pool.ts";
import type { LogHost } from "./log-host.ts";
import { bytesToScan, loadLog } from "./log-loader.ts";
import { formatPartitionMetadata, PARTITION_METADATA, readTopicId } from "./partition-metadata.ts";
import { ProducerCap } from "./producer-cap.ts";
import { RecoveryScan } from "./recovery-scan.ts";
import { RemovalDelay } from "./removal-delay.ts";
import { safeWrite, synced } from "./safe-write.ts";
import { SegmentedLog } from "./segmented-log.ts";
import { SharedWork } from "./shared-work.ts";
import { StorageError } from "./storage-error.ts";
import { SyncSlots } from "./sync-slots.ts";
import { TailCache } from "./tail-cache.ts";
import type { LogConfig, LogDirectory, LogDirectoryOptions, OpenReport, PartitionLog, ReplicaSpec } from "./types.ts";
import { WritePace } from "./write-pace.ts";

/** Logs that are closed at a time. */
const CLOSED_AT_A_TIME = 16;

/** Until a deleted log that could not be renamed is tried again. */
const DELETE_RETRY_MS = 10_000;

/** Writes off the loop, of all logs together. With the syncs that is more than the pool has threads, but neither is long at its limit. */
const WRITES_IN_FLIGHT_MAX = 2;

/** Until the mark of a failed sync is tried again. */
const MARK_RETRY_MS = 100;

const PROGRESS_EVERY_BYTES = 16 * 1024 * 1024;

/** The event loop gets its turn after this many logs; one that is clean takes a fraction of a millisecond. */
const LOADED_PER_TURN = 32;

/** The disk does not answer, takes no writes any more, or the directory is gone. */
const FATAL_KINDS: ReadonlySet<DiskFaultKind> = new Set<DiskFaultKind>(["EIO", "EROFS", "ENOENT"]);

/** For replicas on disk that metadata does not know (yet): they are kept as they are, and nobody appends to them. */
const UNPLACED_CONFIG: LogConfig = {
  segmentBytes: 2 ** 30,
  segmentMs: 604_800_000,
  segmentJitterMs: 0,
  segmentIndexBytes: 10_485_760,
  indexIntervalBytes: 4096,
  flushMessages: Number.MAX_SAFE_INTEGER,
  flushMs: Number.MAX_SAFE_INTEGER,
  fileDeleteDelayMs: 60_000,
  cleanupPolicy: [],
  retentionMs: -1,
  retentionBytes: -1,
  producerIdExpirationMs: 86_400_000,
  durability: "page-cache",
};

/** What a start has to bring to stable storage before it resolves: whole logs, and directories of logs just made. */
interface UnsettledLogs {
  readonly mustFlush: SegmentedLog[];
  readonly isNew: SegmentedLog[];
  /** Without a topic id in their directory. */
  readonly unnamed: Set<SegmentedLog>;
  /** Whose damage an operator has accepted. */
  readonly accepted: SegmentedLog[];
}

interface FoundReplica {
  readonly topic: string;
  readonly partition: PartitionId;
  /** As its directory says; null: it does not. */
  readonly topicId: string | null;
}

/** Opens a data directory whose lock is held. Rejects with StorageError or DiskFault; then nothing of it is in use. */
export async function openLogDirectory(options: LogDirectoryOptions): Promise<LogDirectory> {
  const directory = new DataDirectory(options);
  try {
    await directory.open();
  } catch (error: unknown) {
    if (error instanceof DiskFault || error instanceof StorageError) await directory.abandon();
    throw error;
  }
  return directory;
}

class DataDirectory implements LogDirectory {
  readonly #options: LogDirectoryOptions;
  readonly #path: string;
  readonly #disk: Disk;
  readonly #timers: Timers;
  readonly #logger: Logger;
  readonly #host: LogHost;
  readonly #checkpoints: Checkpoints;
  readonly #rootSync: SharedWork;
  readonly #deleted: DeletedDirectories;
  readonly #producerCap: ProducerCap;

  readonly #logs = new Map<string, SegmentedLog>();
  /** Logs on disk that no replica was placed for; their checkpoint entries live on with them. */
  readonly #unplaced = new Map<string, SegmentedLog>();
  /** Names whose checkpoint entries of a log that went may still be on disk. */
  readonly #haunted = new Set<string>();
  /** Creations and deletions of one name happen one after another. */
  readonly #changes = new Map<string, Promise<unknown>>();

  #report: OpenReport = {
    clean: false,
    previousBrokerEpoch: -1,
    bytesScanned: 0,
    bytesCut: 0,
    logsRecovered: 0,
    damaged: [],
  };
  #isOpening = true;
  #isClosed = false;
  #offlineFault: DiskFault | null = null;
  #hasSyncFailed = false;
  #markRetry: TimerHandle | null = null;
  /** Cuts of all logs that are not synced yet. */
  #cutsPending = 0;

  constructor(options: LogDirectoryOptions) {
    this.#options = options;
    this.#path = options.path;
    this.#disk = options.disk;
    this.#timers = options.timers;
    this.#logger = options.logger;
    this.#host = {
      disk: options.disk,
      clock: options.clock,
      timers: options.timers,
      logger: options.logger,
      files: new FilePool(options.disk, options.openFilesMax),
      slots: new SyncSlots(options.clock),
      writeSlots: new SyncSlots(options.clock, WRITES_IN_FLIGHT_MAX),
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
      onSyncFailed: (fault) => this.#onSyncFailed(fault),
      onIoFault: (fault) => this.#goOffline(fault),
      offlineFault: () => this.#offlineFault,
      supervise: (task) => this.#supervise(task),
    };
    this.#checkpoints = new Checkpoints({
      host: this.#host,
      directory: this.#path,
      recoveryPointIntervalMs: options.recoveryCheckpointIntervalMs,
      logStartIntervalMs: options.logStartCheckpointIntervalMs,
      highWatermarkIntervalMs: options.highWatermarkCheckpointIntervalMs,
      logs: () => [...this.#logs.values(), ...this.#unplaced.values()],
    });
    this.#deleted = new DeletedDirectories(this.#host, this.#path);
    this.#producerCap = new ProducerCap({
      states: () => [...this.#all()].map((log) => log.producerState),
      logger: options.logger,
      ...(options.producersMax === undefined ? {} : { max: options.producersMax }),
    });
    this.#rootSync = new SharedWork(() =>
      synced(
        this.#host,
        this.#host.slots.runAsync(() => syncDirectory(this.#disk, this.#path)),
      ),
    );
  }

  get report(): OpenReport {
    return this.#report;
  }

  get syncDurations(): Histogram {
    return this.#host.slots.durations;
  }

  get isOffline(): boolean {
    return this.#offlineFault !== null;
  }

  log(topic: string, partition: PartitionId): PartitionLog | undefined {
    return this.#logs.get(logKey(topic, partition));
  }

  logs(): Iterable<PartitionLog> {
    return this.#logs.values();
  }

  // ---- start ----

  async open(): Promise<void> {
    const marker = takeCleanMarker(this.#disk, this.#path);
    await this.#rootSync.ask();
    const mustRewrite = hasSyncFailed(this.#disk, this.#path);
    const mustSync = isCutPending(this.#disk, this.#path);
    const checkpoints = readCheckpoints(this.#disk, this.#path, this.#logger);
    const isClean = marker !== null && !mustRewrite && !mustSync;
    // A stop whose last sync failed may have left both: then it was no clean one, and its epoch proves nothing (9(4)).
    const previousBrokerEpoch = isClean ? marker.brokerEpoch : -1;
    this.#report = { ...this.#report, clean: isClean, previousBrokerEpoch };

    const { replicas, deleted } = this.#listReplicas();
    const forgotten = new Set([...this.#setDeletedAside(replicas, deleted), ...this.#setStraysAside(replicas)]);
    const unsettled = await this.#loadAll(replicas, checkpoints, { isClean, mustRewrite, mustSync });
    await this.#settleLoaded(unsettled, mustRewrite);
    await this.#mendCheckpoints(checkpoints, forgotten, mustRewrite);
    for (const { directory } of unsettled.accepted) removeFile(this.#disk, `${directory}/${ACCEPT_DAMAGE}`);
    if (mustRewrite) clearSyncFailed(this.#disk, this.#path);
    this.#cutsPending = 0;
    clearCutPending(this.#disk, this.#path);
    if (this.#offlineFault !== null) throw this.#offlineFault;

    this.#isOpening = false;
    for (const log of this.#all()) this.#producerCap.added(log.producerState.size);
    for (const log of this.#all()) log.finishSealed();
    for (const name of deleted) this.#deleted.removeLater(name, 0);
  }

  /** The start failed: nothing stays in use. */
  async abandon(): Promise<void> {
    this.#isClosed = true;
    if (this.#hasSyncFailed) this.#markSyncFailed();
    await this.#deleted.stop();
    await this.#checkpoints.stop();
    for (const log of this.#all()) {
      log.goOffline();
      await log.releaseFiles();
    }
  }

  /** The replicas' directories by name, in a fixed order, and those that a deletion left. Throws for any other directory. */
  #listReplicas(): { replicas: Map<string, FoundReplica>; deleted: string[] } {
    const replicas = new Map<string, FoundReplica>();
    const deleted: string[] = [];
    for (const name of this.#disk.list(this.#path).sort()) {
      const parsed = parseDirectoryName(name);
      if (parsed.kind === "aside") continue;
      if (parsed.kind === "replica") {
        const found = this.#lookInto(name);
        if (found !== null) {
          const partition = asPartitionId(parsed.partition);
          replicas.set(name, { topic: parsed.topic, partition, topicId: found.topicId });
        }
        continue;
      }
      if (!this.#disk.isDirectory(`${this.#path}/${name}`)) continue;
      if (parsed.kind === "foreign") {
        throw new StorageError(
          "FOREIGN_DIRECTORY",
          `${this.#path}/${name}`,
          "not the directory of a partition; move it away",
        );
      }
      deleted.push(name);
    }
    return { replicas, deleted };
  }

  /** Null: a file, and no replica's directory. Asked last, because nearly every directory has its metadata. */
  #lookInto(name: string): { readonly topicId: string | null } | null {
    const directory = `${this.#path}/${name}`;
    try {
      const topicId = readTopicId(this.#disk, directory);
      if (topicId !== null) return { topicId };
    } catch (error: unknown) {
      if (this.#disk.isDirectory(directory)) throw error;
      return null;
    }
    return this.#disk.isDirectory(directory) ? { topicId: null } : null;
  }

  /** A kill between the end of a topic and the rename of its logs left them under their names. */
  #setDeletedAside(replicas: Map<string, FoundReplica>, deleted: string[]): readonly string[] {
    const known = this.#options.deletedTopicIds;
    const found = [...replicas].filter(([, { topicId }]) => topicId !== null && known?.has(topicId) === true);
    for (const [key, { topic, partition, topicId }] of found) {
      deleted.push(this.#setAside(topic, partition, topicId ?? "", "delete"));
      replicas.delete(key);
    }
    return found.map(([key]) => key);
  }

  /** 2.1(4): what belongs to another topic of the same name is renamed, and its checkpoint entries with it go. */
  #setStraysAside(replicas: Map<string, FoundReplica>): ReadonlySet<string> {
    const forgotten = new Set<string>();
    for (const { topic, partition, topicId } of this.#options.replicas) {
      const key = logKey(topic, partition);
      const found = replicas.get(key)?.topicId ?? null;
      if (found === null || found === topicId) continue;
      this.#setAside(topic, partition, found, "stray");
      replicas.delete(key);
      forgotten.add(key);
    }
    return forgotten;
  }

  async #loadAll(
    replicas: ReadonlyMap<string, FoundReplica>,
    checkpoints: ReadCheckpoints,
    state: { isClean: boolean; mustRewrite: boolean; mustSync: boolean },
  ): Promise<UnsettledLogs> {
    const specs = new Map(this.#options.replicas.map((spec) => [logKey(spec.topic, spec.partition), spec]));
    let bytesScanned = 0;
    let bytesReported = 0;
    let logsDone = 0;
    let bytesTotal = 0;
    if (!state.isClean && this.#options.onProgress !== undefined) {
      const { recoveryPoints, logStarts } = checkpoints;
      for (const key of replicas.keys()) {
        const from = Math.max(recoveryPoints.get(key) ?? 0, logStarts.get(key) ?? 0);
        bytesTotal += bytesToScan(this.#disk, `${this.#path}/${key}`, from);
      }
    }
    const tell = (): void => {
      bytesReported = bytesScanned;
      this.#options.onProgress?.({ logsDone, logsTotal: replicas.size, bytesScanned, bytesTotal });
    };
    const scan = new RecoveryScan(this.#timers, (bytes) => {
      bytesScanned += bytes;
      if (bytesScanned - bytesReported >= PROGRESS_EVERY_BYTES) tell();
    });

    const unsettled: UnsettledLogs = { mustFlush: [], isNew: [], unnamed: new Set(), accepted: [] };
    let bytesCut = 0;
    let logsRecovered = 0;
    const damaged = new Map<string, PartitionId[]>();
    for (const [key, { topic, partition, topicId: foundTopicId }] of replicas) {
      const spec = specs.get(key);
      const directory = `${this.#path}/${key}`;
      const topicId = foundTopicId ?? spec?.topicId ?? "";
      const config = spec?.config ?? UNPLACED_CONFIG;
      const loaded = await loadLog({
        host: this.#host,
        directory,
        config,
        recoveryPoint: checkpoints.recoveryPoints.get(key) ?? null,
        keepsCut: checkpoints.areRecoveryPointsMalformed,
        logStartOffset: checkpoints.logStarts.get(key) ?? null,
        ...state,
        scan,
      });
      const log = new SegmentedLog({
        host: this.#host,
        directory,
        topic,
        partition,
        topicId,
        config,
        loaded,
        highWatermark: checkpoints.highWatermarks.get(key) ?? null,
      });
      if (spec === undefined)
        this.#logger.warn("a log that metadata does not place here is kept", { directory, topicId });
      if (log.damage !== null) {
        const { offset, recoveryPoint, path, position, reason } = log.damage;
        const fields = { directory, offset, recoveryPoint, path, position, reason };
        this.#logger.error("a log is damaged below its recovery point: the partition waits", fields);
      }
      if (foundTopicId === null) unsettled.unnamed.add(log);
      (spec === undefined ? this.#unplaced : this.#logs).set(key, log);
      if (loaded.acceptsDamage) unsettled.accepted.push(log);
      if (loaded.mustFlush) unsettled.mustFlush.push(log);
      else if (loaded.isNew) unsettled.isNew.push(log);
      if (loaded.wasRecovered) logsRecovered += 1;
      // An acceptance cuts what may have been committed: for the cluster that is the same loss.
      const hasLost = loaded.damage !== null || (loaded.acceptsDamage && loaded.bytesCut > 0);
      if (spec !== undefined && hasLost) damaged.set(topicId, [...(damaged.get(topicId) ?? []), partition]);
      bytesCut += loaded.bytesCut;
      logsDone += 1;
      tell();
      if (logsDone % LOADED_PER_TURN === 0) await this.#timers.yieldTurn();
    }
    this.#report = {
      ...this.#report,
      bytesScanned,
      bytesCut,
      logsRecovered,
      damaged: [...damaged].map(([topicId, partitions]) => ({ topicId, partitions })),
    };
    return unsettled;
  }

  /** 4.2(10), and the end of 3.4(3): what has to be on stable storage before anything is reported or appended. */
  async #settleLoaded({ mustFlush, isNew, unnamed }: UnsettledLogs, mustRewrite: boolean): Promise<void> {
    for (const log of this.#all()) {
      if ((unnamed.has(log) || mustRewrite) && log.topicId !== "") await this.#writeTopicId(log.directory, log.topicId);
    }
    await inGroups(mustFlush, CLOSED_AT_A_TIME, (log) => log.settle());
    await inGroups(isNew, CLOSED_AT_A_TIME, ({ directory }) =>
      synced(
        this.#host,
        this.#host.slots.runAsync(() => syncDirectory(this.#disk, directory)),
      ),
    );
    if (mustRewrite) for (const log of this.#all()) if (!log.isDamaged) await log.writeEpochs();
    if (mustFlush.length > 0) await this.#rootSync.ask();
  }

  /** Writes what the last life left of checkpoints and this one must not rely on, nor leave for the next. */
  async #mendCheckpoints(read: ReadCheckpoints, forgotten: ReadonlySet<string>, mustRewrite: boolean): Promise<void> {
    const { recoveryPoints, logStarts, highWatermarks } = read;
    const isStale = (key: string): boolean => forgotten.has(key) || !(this.#logs.has(key) || this.#unplaced.has(key));
    const hasStale = [recoveryPoints, logStarts, highWatermarks].some((entries) => [...entries.keys()].some(isStale));
    if (mustRewrite || hasStale) return this.#checkpoints.writeAll();
    const isAnyAbove = (entries: OffsetEntries, offsetOf: (log: SegmentedLog) => number): boolean =>
      [...this.#all()].some((log) => (entries.get(logKey(log.topic, log.partition)) ?? 0) > offsetOf(log));
    // Recovery made indexes anew that a checkpointed recovery point may be about to pass, and ends that a high watermark
    // may lie above: both are lower bounds again before anything is appended.
    const isClean = this.#report.clean;
    if (!isClean && isAnyAbove(recoveryPoints, (log) => log.recoveryPointToKeep))
      await this.#checkpoints.recoveryPoints.write();
    if (isAnyAbove(highWatermarks, (log) => log.highWatermark)) await this.#checkpoints.highWatermarks.write();
  }

  // ---- logs come and go ----

  createLog(spec: ReplicaSpec): Promise<PartitionLog> {
    return this.#inOrder(logKey(spec.topic, spec.partition), () => this.#createLog(spec));
  }

  async #createLog(spec: ReplicaSpec): Promise<PartitionLog> {
    this.#assertUsable();
    const { topic, partition, topicId, config } = spec;
    const key = logKey(topic, partition);
    assert(!this.#logs.has(key), `${key} is there already`);
    const unplaced = this.#unplaced.get(key);
    if (unplaced !== undefined && unplaced.topicId === topicId) return this.#place(key, unplaced, config);
    if (unplaced !== undefined) await this.#takeAway(key, unplaced, "stray");
    if (this.#haunted.has(key)) await this.#exorcise(key);

    const directory = `${this.#path}/${key}`;
    this.#disk.mkdir(directory);
    try {
      const log = await this.#makeLog(directory, spec);
      this.#logs.set(key, log);
      return log;
    } catch (error: unknown) {
      // The name has to be free when somebody tries again.
      if (this.#offlineFault === null) await this.#deleted.remove(key);
      throw error;
    }
  }

  async #makeLog(directory: string, spec: ReplicaSpec): Promise<SegmentedLog> {
    const { topic, partition, topicId, config } = spec;
    const scan = new RecoveryScan(this.#timers, () => undefined);
    const empty = {
      recoveryPoint: null,
      keepsCut: false,
      logStartOffset: null,
      isClean: false,
      mustRewrite: false,
      mustSync: false,
    };
    const loaded = await loadLog({ host: this.#host, directory, config, scan, ...empty });
    for (const segment of loaded.segments) segment.entryVersion = 0;
    const fresh = { ...loaded, isDirectoryDirty: false };
    const log = new SegmentedLog({
      host: this.#host,
      directory,
      topic,
      partition,
      topicId,
      config,
      loaded: fresh,
      highWatermark: null,
    });
    try {
      // The directory sync of this write also covers the first segment's entry.
      await this.#writeTopicId(directory, topicId);
      await this.#rootSync.ask();
      this.#assertUsable();
    } catch (error: unknown) {
      if (error instanceof DiskFault || error instanceof StorageError) await log.releaseFiles();
      throw error;
    }
    return log;
  }

  /** A log that was there before metadata spoke of it. */
  async #place(key: string, log: SegmentedLog, config: LogConfig): Promise<PartitionLog> {
    log.reconfigure(config);
    const mustSync = config.durability === "group-commit" || config.durability === "fsync-each";
    if (mustSync && !log.isDamaged) await log.flush();
    this.#assertUsable();
    this.#unplaced.delete(key);
    this.#logs.set(key, log);
    return log;
  }

  deleteLog(topic: string, partition: PartitionId): Promise<void> {
    const key = logKey(topic, partition);
    return this.#inOrder(key, async () => {
      const log = this.#logs.get(key) ?? this.#unplaced.get(key);
      if (log === undefined) return;
      this.#assertUsable();
      await this.#delete(key, log);
    });
  }

  hurryRemovals(): void {
    this.#host.removals.hurry();
  }

  async #delete(key: string, log: SegmentedLog): Promise<void> {
    try {
      const name = await this.#takeAway(key, log, "delete");
      this.#deleted.removeLater(name, log.config.fileDeleteDelayMs);
    } catch (error: unknown) {
      // It could not be renamed, and nobody may want the name for long.
      if (error instanceof DiskFault && this.#unplaced.get(key) === log) this.#deleteLater(key, log);
      throw error;
    }
  }

  #deleteLater(key: string, log: SegmentedLog): void {
    this.#timers.after(DELETE_RETRY_MS, () => {
      if (this.#isClosed || this.#offlineFault !== null) return;
      const again = this.#inOrder(key, async () => {
        // Whoever wanted the name meanwhile has taken it away, and this log with it.
        if (this.#unplaced.get(key) === log && !this.#isClosed) await this.#delete(key, log);
      });
      again.catch((error: unknown) => {
        if (!(error instanceof DiskFault)) this.#supervise(again);
      });
    });
  }

  /** Closes a log and renames its directory; when this resolves, nothing reminds of it under its name. */
  async #takeAway(key: string, log: SegmentedLog, suffix: "delete" | "stray"): Promise<string> {
    this.#logs.delete(key);
    // Until the name is free: if the rename fails, whoever wants the name tries it again.
    this.#unplaced.set(key, log);
    this.#haunted.add(key);
    await log.releaseFiles();
    const name = this.#setAside(log.topic, log.partition, log.topicId, suffix);
    this.#unplaced.delete(key);
    await this.#rootSync.ask();
    try {
      await this.#exorcise(key);
    } catch (error: unknown) {
      if (suffix === "stray" || !(error instanceof DiskFault && isPassing(error))) throw error;
      // The disk is full, and this is what makes room.
      await this.#deleted.remove(name);
      await this.#exorcise(key);
    }
    return name;
  }

  /** No checkpoint says anything of a log that went under this name, or a new one would take it for its own. */
  async #exorcise(key: string): Promise<void> {
    await this.#checkpoints.writeAll();
    this.#haunted.delete(key);
  }

  #setAside(topic: string, partition: number, topicId: string, suffix: "delete" | "stray"): string {
    const hex = Buffer.from(topicId, "base64url").toString("hex").padEnd(32, "0").slice(0, 32);
    for (let attempt = 0; ; attempt += 1) {
      const unique = attempt === 0 ? hex : hex.slice(0, 24) + attempt.toString(16).padStart(8, "0");
      const name = asideName(topic, partition, unique, suffix);
      if (this.#disk.sizeOf(`${this.#path}/${name}`) !== null) continue;
      this.#disk.rename(`${this.#path}/${logKey(topic, partition)}`, `${this.#path}/${name}`);
      this.#logger.info("log directory renamed", { topic, partition, directory: name });
      return name;
    }
  }

  #writeTopicId(directory: string, topicId: string): Promise<void> {
    return safeWrite(this.#host, directory, PARTITION_METADATA, formatPartitionMetadata(topicId));
  }

  async #inOrder<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.#changes.get(key) ?? Promise.resolve();
    const change = before.then(work);
    const settled = change.then(
      () => undefined,
      () => undefined,
    );
    this.#changes.set(key, settled);
    try {
      return await change;
    } catch (error: unknown) {
      // 3.8(1): a full disk, or a file that somebody holds, is tried again; a failing disk is not.
      if (error instanceof DiskFault && FATAL_KINDS.has(error.kind)) this.#goOffline(error);
      throw error;
    } finally {
      if (this.#changes.get(key) === settled) this.#changes.delete(key);
    }
  }

  // ---- stop ----

  async close(brokerEpoch: number): Promise<void> {
    this.#isClosed = true;
    if (this.#hasSyncFailed) this.#markSyncFailed();
    await this.#deleted.stop();
    await Promise.all(this.#changes.values());
    await this.#checkpoints.stop();
    let isDurable = true;
    await inGroups([...this.#all()], CLOSED_AT_A_TIME, async (log) => {
      if (!(await log.close())) isDurable = false;
    });
    if (this.#offlineFault !== null) return;
    await this.#checkpoints.writeAll();
    if (!isDurable || this.#hasSyncFailed) {
      this.#logger.warn("no clean marker: a log is damaged or could not be synced; the next start recovers", {
        path: this.#path,
      });
      return;
    }
    await leaveCleanMarker(this.#disk, this.#path, brokerEpoch);
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

  // ---- faults ----

  /** 3.4(3): final, and first of all the next life has to know. */
  #onSyncFailed(fault: DiskFault): void {
    if (!this.#hasSyncFailed) {
      this.#hasSyncFailed = true;
      this.#markSyncFailed();
    }
    this.#goOffline(fault);
  }

  /** Without the mark a mere restart would believe its page cache: it is tried until it succeeds, at last by the stop. */
  #markSyncFailed(): void {
    this.#markRetry?.cancel();
    try {
      markSyncFailed(this.#disk, this.#path);
    } catch (error: unknown) {
      if (!(error instanceof DiskFault)) throw error;
      this.#logger.error("the failed sync could not be marked", { path: this.#path, err: error });
      if (!this.#isClosed) this.#markRetry = this.#timers.after(MARK_RETRY_MS, () => this.#markSyncFailed());
    }
  }

  #goOffline(fault: DiskFault): void {
    if (this.#offlineFault !== null) return;
    this.#offlineFault = fault;
    this.#logger.error("the log directory goes offline", { path: this.#path, err: fault });
    for (const log of this.#all()) log.goOffline();
    // A start tells by its rejection. Nobody is called from inside a call of his own.
    if (this.#isOpening || this.#isClosed) return;
    this.#timers.after(0, () => {
      if (this.#hasSyncFailed) for (const log of this.#all()) log.events.onSyncFailed(fault);
      this.#options.onOffline(fault);
    });
  }

  #supervise(task: Promise<unknown>): void {
    task.catch((error: unknown) => {
      if (error instanceof DiskFault) {
        this.#goOffline(error);
        return;
      }
      // A broken invariant ends the process; inside a promise it would only be a warning.
      this.#timers.after(0, () => {
        throw error;
      });
    });
  }

  #assertUsable(): void {
    if (this.#offlineFault !== null) throw this.#offlineFault;
    if (this.#isClosed) throw new StorageError("LOG_UNAVAILABLE", this.#path, "the data directory is closed");
  }

  *#all(): Iterable<SegmentedLog> {
    yield* this.#logs.values();
    yield* this.#unplaced.values();
  }
}

/** Runs `work` over all of `items`, at most `count` at a time. */
async function inGroups<T>(items: T[], count: number, work: (item: T) => Promise<unknown>): Promise<void> {
  const queue = items.values();
  const worker = async (): Promise<void> => {
    for (const item of queue) await work(item);
  };
  await Promise.all(Array.from({ length: Math.min(count, items.length) }, worker));
}
