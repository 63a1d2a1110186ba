/**
 * Logs come and go: created, deleted, set aside for another of the same name, and cut where they are damaged.
 *
 * Invariants: changes of one name happen one after another. No checkpoint holds an entry for a log that is not there, durably, before a
 * name may be used again: a new topic would inherit the log start or recovery point of the old one, or be taken for a log that was lost.
 */
import { assert } from "../base/index.ts";
import type { PartitionId } from "../base/index.ts";
import { DiskFault } from "../ports/index.ts";
import type { DiskFaultKind } from "../ports/index.ts";
import { logKey } from "./checkpoint-file.ts";
import type { Checkpoints } from "./checkpoints.ts";
import type { AsideSuffix } from "./directory-names.ts";
import { isPassing } from "./file-io.ts";
import type { LogHost } from "./log-host.ts";
import { asideBefore, endRepair, writeRepair } from "./log-repair.ts";
import type { LogSet } from "./log-set.ts";
import { openLog } from "./open-log.ts";
import type { ReplicaDirectories } from "./replica-directories.ts";
import type { SegmentedLog } from "./segmented-log.ts";
import { StorageError } from "./storage-error.ts";
import type { LogConfig, PartitionLog, ReplicaSpec } from "./types.ts";

/** Until a deleted log that could not be renamed is tried again. */
const DELETE_RETRY_MS = 10_000;

/** The disk does not answer, takes no writes any more, or the directory is gone. */
const FATAL_KINDS: ReadonlySet<DiskFaultKind> = new Set<DiskFaultKind>(["EIO", "EROFS", "ENOENT"]);

export interface LogChangesOptions {
  readonly host: LogHost;
  readonly logs: LogSet;
  readonly directories: ReplicaDirectories;
  readonly checkpoints: Checkpoints;
  /** The data directory. */
  readonly path: string;
}

export class LogChanges {
  readonly #host: LogHost;
  readonly #logs: LogSet;
  readonly #directories: ReplicaDirectories;
  readonly #checkpoints: Checkpoints;
  readonly #path: string;
  /** Names that are free and of which checkpoints on disk may still speak: they found no room to be silent. */
  readonly #haunted = new Set<string>();
  /** Names whose repair has cut files, and not synced that yet. */
  readonly #halfCut = new Set<string>();
  /** The last change of each name. */
  readonly #changes = new Map<string, Promise<unknown>>();
  #isClosed = false;

  constructor({ host, logs, directories, checkpoints, path }: LogChangesOptions) {
    this.#host = host;
    this.#logs = logs;
    this.#directories = directories;
    this.#checkpoints = checkpoints;
    this.#path = path;
  }

  /** No change begins any more. */
  close(): void {
    this.#isClosed = true;
  }

  /** Resolves when those that have begun are over. */
  async settled(): Promise<void> {
    await Promise.all(this.#changes.values());
  }

  create(spec: ReplicaSpec): Promise<PartitionLog> {
    return this.#inOrder(logKey(spec.topic, spec.partition), () => this.#create(spec));
  }

  async #create(spec: ReplicaSpec): Promise<PartitionLog> {
    this.#assertUsable();
    const { topic, partition, topicId, config } = spec;
    const key = logKey(topic, partition);
    assert(!this.#logs.placed.has(key), `${key} is there already`);
    const unplaced = this.#logs.unplaced.get(key);
    if (unplaced !== undefined) {
      // One that goes is closed; only its name could not be freed.
      const suffix = this.#logs.leaving.get(unplaced);
      if (suffix === undefined && unplaced.topicId === topicId) return this.#place(key, unplaced, config);
      if (suffix === "delete") await this.#delete(key, unplaced);
      else await this.#takeAway(key, unplaced, "stray");
    }
    if (this.#haunted.has(key)) await this.#exorcise(key);

    const directory = this.#directories.make(key);
    try {
      const log = await this.#makeLog(directory, spec);
      this.#logs.placed.set(key, log);
      return log;
    } catch (error: unknown) {
      // The name has to be free when somebody tries again.
      if (this.#host.offlineFault() === null) await this.#directories.remove(key);
      throw error;
    }
  }

  async #makeLog(directory: string, spec: ReplicaSpec): Promise<SegmentedLog> {
    const { topic, partition, topicId, config } = spec;
    const { log } = await openLog({
      host: this.#host,
      directory,
      topic,
      partition,
      topicId,
      config,
      recoveryPoint: null,
      keepsCut: false,
      logStartOffset: null,
      highWatermark: null,
      leaderEpoch: null,
      isClean: false,
      mustRewrite: false,
      mustSync: false,
      isMade: true,
    });
    try {
      // The directory sync of this write also covers the first segment's entry.
      await this.#directories.writeTopicId(directory, topicId);
      await this.#directories.syncRoot();
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
    this.#logs.unplaced.delete(key);
    this.#logs.placed.set(key, log);
    return log;
  }

  delete(topic: string, partition: PartitionId): Promise<void> {
    const key = logKey(topic, partition);
    return this.#inOrder(key, async () => {
      const log = this.#logs.find(key);
      if (log === undefined) return;
      this.#assertUsable();
      await this.#delete(key, log);
    });
  }

  async #delete(key: string, log: SegmentedLog): Promise<void> {
    try {
      const name = await this.#takeAway(key, log, "delete");
      this.#directories.removeLater(name, log.config.fileDeleteDelayMs);
    } catch (error: unknown) {
      // It could not be renamed, and nobody may want the name for long.
      if (error instanceof DiskFault && this.#logs.unplaced.get(key) === log) this.#deleteLater(key, log);
      throw error;
    }
  }

  #deleteLater(key: string, log: SegmentedLog): void {
    this.#host.timers.after(DELETE_RETRY_MS, () => {
      if (this.#isClosed || this.#host.offlineFault() !== null) return;
      const again = this.#inOrder(key, async () => {
        // Whoever wanted the name meanwhile has taken it away, and this log with it.
        if (this.#logs.unplaced.get(key) === log && !this.#isClosed) await this.#delete(key, log);
      });
      again.catch((error: unknown) => {
        if (!(error instanceof DiskFault)) this.#host.supervise(again);
      });
    });
  }

  /**
   * Closes a log and renames its directory; when this resolves, nothing reminds of it under its name. First the checkpoints are silent: a
   * crash behind the rename would leave entries of a log that is not there, which a start takes for one that was lost (15.7).
   */
  async #takeAway(key: string, log: SegmentedLog, suffix: AsideSuffix): Promise<string> {
    this.#logs.placed.delete(key);
    // Until the name is free: if the rename fails, whoever wants the name tries it again.
    this.#logs.unplaced.set(key, log);
    this.#logs.leaving.set(log, suffix);
    await log.releaseFiles();
    const isSilent = await this.#maybeExorcise(suffix);
    if (!isSilent) this.#haunted.add(key);
    const name = this.#directories.setAside(log, suffix);
    this.#logs.unplaced.delete(key);
    this.#logs.leaving.delete(log);
    await this.#directories.syncRoot();
    this.#endCut(key);
    if (!isSilent) {
      // The directory itself stays until the checkpoints are silent, and says where their log has gone.
      await this.#directories.empty(name);
      await this.#exorcise(key);
    }
    return name;
  }

  /** False: the disk is full, and a deletion is what makes room. */
  async #maybeExorcise(suffix: AsideSuffix): Promise<boolean> {
    try {
      await this.#checkpoints.writeAll();
      return true;
    } catch (error: unknown) {
      if (suffix === "stray" || !(error instanceof DiskFault && isPassing(error))) throw error;
      return false;
    }
  }

  /** No checkpoint says anything of a log that went under this name, or a new one would take it for its own. */
  async #exorcise(key: string): Promise<void> {
    await this.#checkpoints.writeAll();
    this.#haunted.delete(key);
  }

  // ---- repair (15.7) ----

  repair(topic: string, partition: PartitionId): Promise<PartitionLog> {
    const key = logKey(topic, partition);
    return this.#inOrder(key, async () => {
      this.#assertUsable();
      const log = this.#logs.placed.get(key);
      assert(log !== undefined, `${key} is not there`);
      const offset = Math.min(log.damage?.offset ?? Infinity, log.rot?.offset ?? Infinity);
      assert(offset < Infinity, `${key} is not damaged`);
      return this.#repair(key, log, offset);
    });
  }

  /** A start that finds the file does what follows it, so that it may end anywhere (log-repair.ts). */
  async #repair(key: string, log: SegmentedLog, offset: number): Promise<PartitionLog> {
    const { topic, partition, topicId, config, directory, highWatermark } = log;
    const kept = log.repair?.kept ?? asideBefore(this.#host.disk, directory);
    await writeRepair(this.#host, directory, { offset, phase: "cut", kept });
    await log.releaseFiles();
    const beginCut = (): void => {
      if (this.#halfCut.has(key)) return;
      this.#host.beginCut();
      this.#halfCut.add(key);
    };
    const { log: cut } = await openLog({
      host: this.#host,
      beginCut,
      directory,
      topic,
      partition,
      topicId,
      config,
      // The epoch file is exact below the recovery point on disk, and what is known beyond it goes with the log (5.1(5)).
      recoveryPoint: Math.min(log.recoveryPointToKeep, log.epochsDirtyFrom),
      keepsCut: false,
      logStartOffset: log.logStartToKeep,
      highWatermark,
      leaderEpoch: null,
      isClean: false,
      mustRewrite: false,
      mustSync: true,
    });
    this.#logs.placed.set(key, cut);
    try {
      await cut.settle();
      // Both are lower bounds again before anything is appended.
      await this.#checkpoints.recoveryPoints.write();
      await this.#checkpoints.highWatermarks.write();
      this.#endCut(key);
      await cut.beginFetch();
    } catch (error: unknown) {
      // Nobody may append to it: whoever tries again begins with the damaged one.
      await cut.releaseFiles();
      this.#logs.placed.set(key, log);
      throw error;
    }
    cut.finishSealed();
    this.#assertUsable();
    return cut;
  }

  #endCut(key: string): void {
    if (this.#halfCut.delete(key)) this.#host.endCut();
  }

  endRepair(topic: string, partition: PartitionId, isGivenUp: boolean): Promise<void> {
    const key = logKey(topic, partition);
    return this.#inOrder(key, async () => {
      this.#assertUsable();
      const log = this.#logs.placed.get(key);
      if (log === undefined || log.repair === null) return;
      await endRepair(this.#host, log.directory, isGivenUp);
      log.repair = null;
      log.suspectedAt = null;
    });
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
      if (error instanceof DiskFault && FATAL_KINDS.has(error.kind)) this.#host.onIoFault(error);
      throw error;
    } finally {
      if (this.#changes.get(key) === settled) this.#changes.delete(key);
    }
  }

  #assertUsable(): void {
    const fault = this.#host.offlineFault();
    if (fault !== null) throw fault;
    if (this.#isClosed) throw new StorageError("LOG_UNAVAILABLE", this.#path, "the data directory is closed");
  }
}
