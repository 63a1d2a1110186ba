/**
 * The logs of a data directory at a start, one after another (4.1, 4.2): each loaded, and recovered where the last life did not end
 * cleanly; then what that found is brought to stable storage before anybody relies on it (4.2(10)).
 */
import type { PartitionId } from "../base/index.ts";
import { logKey } from "./checkpoint-file.ts";
import type { ReadCheckpoints } from "./checkpoints.ts";
import { inGroups } from "./in-groups.ts";
import type { LogHost } from "./log-host.ts";
import { bytesToScan } from "./log-loader.ts";
import { writeRepair } from "./log-repair.ts";
import type { LogSet } from "./log-set.ts";
import { openLog } from "./open-log.ts";
import { RecoveryScan } from "./recovery-scan.ts";
import type { FoundReplica, ReplicaDirectories } from "./replica-directories.ts";
import type { SegmentedLog } from "./segmented-log.ts";
import type { DamagedReplicas, LogConfig, LogDirectoryOptions, OpenReport, ReplicaSpec } from "./types.ts";

/** Logs that are settled at a time. */
const SETTLED_AT_A_TIME = 16;

const PROGRESS_EVERY_BYTES = 16 * 1024 * 1024;

/** The event loop gets its turn after this many logs; one that is clean takes a fraction of a millisecond. */
const LOADED_PER_TURN = 32;

/** For replicas on disk that metadata does not know (yet): they are kept as they are, and nobody appends to them. */
const UNPLACED_CONFIG: LogConfig = {
  segmentBytes: 2 ** 30,
  segmentMs: 604_800_000,
  segmentJitterMs: 0,
  segmentIndexBytes: 10_485_760,
  indexIntervalBytes: 4096,
  flushMessages: Number.MAX_SAFE_INTEGER,
  flushMs: Number.MAX_SAFE_INTEGER,
  flushWindowMs: 0,
  fileDeleteDelayMs: 60_000,
  cleanupPolicy: [],
  retentionMs: -1,
  retentionBytes: -1,
  producerIdExpirationMs: 86_400_000,
  durability: "page-cache",
};

/** How the last life ended. */
export interface LastLife {
  readonly isClean: boolean;
  /** A sync failed in it: its page cache is not believed (3.4(3)). */
  readonly mustRewrite: boolean;
  /** A cut was under way. */
  readonly mustSync: boolean;
}

export interface DirectoryLoaderOptions {
  readonly host: LogHost;
  readonly directories: ReplicaDirectories;
  /** Filled while logs are loaded: what is in it is in use, also when the start fails. */
  readonly logs: LogSet;
  readonly options: Pick<LogDirectoryOptions, "replicas" | "onProgress">;
  readonly checkpoints: ReadCheckpoints;
  readonly lastLife: LastLife;
}

export type LoadFindings = Pick<OpenReport, "bytesScanned" | "bytesCut" | "logsRecovered" | "damaged">;

export class DirectoryLoader {
  readonly #options: DirectoryLoaderOptions;
  /** To be flushed whole. */
  readonly #mustFlush: SegmentedLog[] = [];
  /** Whose directory was just made. */
  readonly #isNew: SegmentedLog[] = [];
  /** Without a topic id in their directory. */
  readonly #unnamed = new Set<SegmentedLog>();
  readonly #accepted: SegmentedLog[] = [];
  /** Names that have a new directory, of which no checkpoint says anything true. */
  readonly #lost = new Set<string>();
  readonly #damaged = new Map<string, PartitionId[]>();
  #bytesScanned = 0;
  #bytesCut = 0;
  #logsRecovered = 0;

  constructor(options: DirectoryLoaderOptions) {
    this.#options = options;
  }

  /** Those whose damage an operator has accepted. */
  get accepted(): readonly SegmentedLog[] {
    return this.#accepted;
  }

  get findings(): LoadFindings {
    const damaged: DamagedReplicas[] = [...this.#damaged].map(([topicId, partitions]) => ({ topicId, partitions }));
    return {
      bytesScanned: this.#bytesScanned,
      bytesCut: this.#bytesCut,
      logsRecovered: this.#logsRecovered,
      damaged,
    };
  }

  // ---- load ----

  /** `isAside`: checkpoints that speak of this name may mean a replica that has left it. */
  async load(found: ReadonlyMap<string, FoundReplica>, isAside: (spec: ReplicaSpec) => boolean): Promise<void> {
    const replicas = await this.#withLost(found, isAside);
    const { host, options } = this.#options;
    const specOf = new Map(options.replicas.map((spec) => [logKey(spec.topic, spec.partition), spec]));
    const bytesTotal = options.onProgress === undefined ? 0 : this.#bytesToScan(replicas.keys());
    let bytesReported = 0;
    let logsDone = 0;
    const tell = (): void => {
      bytesReported = this.#bytesScanned;
      options.onProgress?.({
        logsDone,
        logsTotal: replicas.size,
        bytesScanned: this.#bytesScanned,
        bytesTotal,
      });
    };
    const scan = new RecoveryScan(host.timers, (bytes) => {
      this.#bytesScanned += bytes;
      if (this.#bytesScanned - bytesReported >= PROGRESS_EVERY_BYTES) tell();
    });
    for (const [key, replica] of replicas) {
      await this.#loadOne(key, replica, specOf.get(key), scan);
      logsDone += 1;
      tell();
      if (logsDone % LOADED_PER_TURN === 0) await host.timers.yieldTurn();
    }
  }

  /**
   * A directory that is gone although the checkpoints say that a log was in it is damage to all of that (15.7): it is made anew,
   * to be filled from a peer.
   */
  async #withLost(
    found: ReadonlyMap<string, FoundReplica>,
    isAside: (spec: ReplicaSpec) => boolean,
  ): Promise<ReadonlyMap<string, FoundReplica>> {
    const { host, directories, options, checkpoints } = this.#options;
    const { recoveryPoints, highWatermarks } = checkpoints;
    const all = new Map(found);
    for (const spec of options.replicas) {
      const { topic, partition, topicId } = spec;
      const key = logKey(topic, partition);
      const reached = Math.max(recoveryPoints.get(key) ?? 0, highWatermarks.get(key) ?? 0);
      if (reached === 0 || found.has(key) || isAside(spec)) continue;
      const directory = directories.make(key);
      host.logger.error("the directory of a replica is gone", { topic, partition, directory, offset: reached });
      await writeRepair(host, directory, { offset: 0, phase: "fetch", kept: [] });
      await directories.writeTopicId(directory, topicId);
      await directories.syncRoot();
      all.set(key, { topic, partition, topicId });
      this.#lost.add(key);
    }
    return all;
  }

  #bytesToScan(keys: Iterable<string>): number {
    const { host, directories, checkpoints, lastLife } = this.#options;
    if (lastLife.isClean) return 0;
    const { recoveryPoints, logStarts } = checkpoints;
    let bytesTotal = 0;
    for (const key of keys) {
      const from = Math.max(recoveryPoints.get(key) ?? 0, logStarts.get(key) ?? 0);
      bytesTotal += bytesToScan(host.disk, directories.pathOf(key), from);
    }
    return bytesTotal;
  }

  async #loadOne(
    key: string,
    { topic, partition, topicId: foundTopicId }: FoundReplica,
    spec: ReplicaSpec | undefined,
    scan: RecoveryScan,
  ): Promise<void> {
    const { host, directories, logs, checkpoints, lastLife } = this.#options;
    const directory = directories.pathOf(key);
    // The same texts for all partitions of a topic.
    const topicId = spec?.topicId ?? foundTopicId ?? "";
    const config = spec?.config ?? UNPLACED_CONFIG;
    const checkpointed = <T>(entries: ReadonlyMap<string, T>): T | null =>
      this.#lost.has(key) ? null : (entries.get(key) ?? null);
    const { log, loaded } = await openLog({
      host,
      directory,
      topic: spec?.topic ?? topic,
      partition,
      topicId,
      config,
      recoveryPoint: checkpointed(checkpoints.recoveryPoints),
      keepsCut: checkpoints.areRecoveryPointsMalformed,
      logStartOffset: checkpointed(checkpoints.logStarts),
      highWatermark: checkpointed(checkpoints.highWatermarks),
      // A directory that does not say whose it is may be of an earlier topic of that name.
      leaderEpoch: foundTopicId === null ? null : (spec?.leaderEpoch ?? null),
      ...lastLife,
      mayCutLater: true,
      scan,
    });
    (spec === undefined ? logs.unplaced : logs.placed).set(key, log);
    if (spec === undefined) host.logger.warn("a log that metadata does not place here is kept", { directory, topicId });
    if (log.damage !== null) {
      const { offset, recoveryPoint, path, position, reason } = log.damage;
      const fields = { directory, offset, recoveryPoint, path, position, reason };
      host.logger.error("a log is damaged below its recovery point: the partition waits", fields);
    }
    if (foundTopicId === null) this.#unnamed.add(log);
    if (loaded.acceptsDamage) this.#accepted.push(log);
    if (loaded.mustFlush) this.#mustFlush.push(log);
    else if (loaded.isNew) this.#isNew.push(log);
    if (loaded.wasRecovered) this.#logsRecovered += 1;
    // An acceptance cuts what may have been committed: for the cluster that is the same loss.
    const hasLost = loaded.damage !== null || loaded.repair !== null || (loaded.acceptsDamage && loaded.bytesCut > 0);
    if (spec !== undefined && hasLost) this.#damaged.set(topicId, [...(this.#damaged.get(topicId) ?? []), partition]);
    this.#bytesCut += loaded.bytesCut;
  }

  // ---- settle ----

  /** 4.2(10), and the end of 3.4(3): what has to be on stable storage before anything is reported or appended. */
  async settle(): Promise<void> {
    const { directories, logs, lastLife } = this.#options;
    const { mustRewrite } = lastLife;
    for (const log of logs.all()) {
      if ((this.#unnamed.has(log) || mustRewrite) && log.topicId !== "")
        await directories.writeTopicId(log.directory, log.topicId);
    }
    await inGroups(this.#mustFlush, SETTLED_AT_A_TIME, (log) => log.settle());
    await inGroups(this.#isNew, SETTLED_AT_A_TIME, ({ directory }) => directories.sync(directory));
    if (mustRewrite) for (const log of logs.all()) if (!log.isDamaged) await log.writeEpochs();
    if (this.#mustFlush.length > 0) await directories.syncRoot();
  }
}
