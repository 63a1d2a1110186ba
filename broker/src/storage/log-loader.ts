/**
 * Brings one replica's log up from its directory: after a clean stop by a look at the active segment's tail (4.1), after
 * any other by a scan of everything from the recovery point on (4.2(3)-(10)).
 *
 * A bad batch at or above the recovery point is a torn tail, whatever follows it: unsynced pages survive a power failure
 * one by one. It is cut, and later segments go. A bad batch below it, or an end below it, is damage (15.7): the log ends
 * there, and its bytes stay as they are.
 *
 * Nothing here moves the recovery point up, and nothing is cut below it.
 */
import { asOffset, asPosition, assert } from "../base/index.ts";
import type { Offset } from "../base/index.ts";
import { DiskFault } from "../ports/index.ts";
import type { Disk } from "../ports/index.ts";
import { ACCEPT_DAMAGE, copyDamaged } from "./accepted-damage.ts";
import { RELATIVE_OFFSET_MAX } from "./batch-fields.ts";
import { parseEpochs, readCheckpoint } from "./checkpoint-file.ts";
import { offsetName, offsetOfName } from "./directory-names.ts";
import { EpochCache } from "./epoch-cache.ts";
import { EPOCH_CHECKPOINT } from "./epoch-file.ts";
import { GAPS, markGaps, mayBeCompacted } from "./gaps-mark.ts";
import {
  isPassing,
  readFullySync,
  readWholeFile,
  removeFile,
  syncDirectory,
  syncPath,
  writeFullySync,
} from "./file-io.ts";
import { tidyLeftovers } from "./leftovers.ts";
import { attempt, type LogHost } from "./log-host.ts";
import { readRepair, readSuspicion, REPAIR, SUSPECT } from "./log-repair.ts";
import type { Repair } from "./log-repair.ts";
import { slotOf } from "./log-reader.ts";
import { replayProducers } from "./producer-replay.ts";
import { ProducerState } from "./producer-state.ts";
import { RecoveryTarget } from "./recovery-scan.ts";
import type { RecoveryScan } from "./recovery-scan.ts";
import { synced } from "./safe-write.ts";
import { LOG_SUFFIX, Segment, SEGMENT_SUFFIXES } from "./segment.ts";
import { SnapshotStore } from "./snapshot-store.ts";
import { StorageError } from "./storage-error.ts";
import { decodeTxnIndex, TXN_INDEX_SUFFIX } from "./txn-index-file.ts";
import type { LogConfig, LogDamage } from "./types.ts";

const REWRITE_CHUNK_BYTES = 1024 * 1024;

/** What the checkpoints and the marker say of this log. */
export interface LoadOptions {
  readonly host: LogHost;
  readonly directory: string;
  readonly config: LogConfig;
  /** Null = no entry: everything is looked at. */
  readonly recoveryPoint: number | null;
  /** The file of recovery points was malformed: what is cut may be older than a torn tail, and is kept aside (2.6(2)). */
  readonly keepsCut: boolean;
  readonly logStartOffset: number | null;
  /** Of the partition, by metadata that is no older than the log; null = not known. No batch is of a later one. */
  readonly leaderEpoch: number | null;
  readonly isClean: boolean;
  /** A sync failed in an earlier life: what is written above the recovery point has to be written anew (3.4(3)). */
  readonly mustRewrite: boolean;
  /** An earlier life was killed while it cut some log: nothing that looks cut is known to be. */
  readonly mustSync: boolean;
  readonly scan: RecoveryScan;
  /** A repair that finds no room to keep what it cuts leaves the log damaged as it is, and does not fail the load. */
  readonly mayCutLater?: boolean;
}

export interface LoadedLog {
  readonly segments: Segment[];
  readonly epochs: EpochCache;
  readonly producers: ProducerState;
  readonly snapshots: SnapshotStore;
  readonly logStartOffset: Offset;
  /** No file of a segment below it is there, durably. */
  readonly durableBase: number;
  readonly recoveryPoint: Offset;
  readonly syncedEnd: Offset;
  readonly isDirectoryDirty: boolean;
  /** Nothing lies between two batches. */
  readonly isGapless: boolean;
  /** Its directory says that something may (gaps-mark.ts). */
  readonly isMarked: boolean;
  /** Its recovery point must stay in the checkpoint although the log ends below it. */
  readonly damage: LogDamage | null;
  /** The operator's file is there, and goes when the checkpoints are right (accepted-damage.ts). */
  readonly acceptsDamage: boolean;
  /** It is being repaired from a peer: a damaged replica until it is whole (log-repair.ts). */
  readonly repair: Repair | null;
  /** What was found bad before, and not mended; null: nothing. */
  readonly suspectedAt: Offset | null;
  readonly wasRecovered: boolean;
  /** Something was cut or deleted, or has to be synced before the log reports or appends (4.2(10)). */
  readonly mustFlush: boolean;
  /** Nothing says that the directory ever reached stable storage: its making may have been cut off. */
  readonly isNew: boolean;
  readonly bytesCut: number;
}

/** What recovery will look at: the segments from the one with `offset`, its recovery point or log start, on. Throws DiskFault. */
export function bytesToScan(disk: Disk, directory: string, offset: number): number {
  const bases = basesOf(disk.list(directory));
  const first = bases.findLast((base) => base <= offset) ?? 0;
  return bases
    .filter((base) => base >= first)
    .reduce((sum, base) => sum + (disk.sizeOf(`${directory}/${offsetName(base)}${LOG_SUFFIX}`) ?? 0), 0);
}

/** Ascending. */
function basesOf(names: readonly string[]): number[] {
  return names
    .map((name) => offsetOfName(name, LOG_SUFFIX))
    .filter((base) => base !== null)
    .sort((left, right) => left - right);
}

/** Rejects with StorageError or DiskFault; then no file is open. */
export async function loadLog(options: LoadOptions): Promise<LoadedLog> {
  const loader = new LogLoader(options, await tidyLeftovers(options.host, options.directory));
  try {
    return await loader.load();
  } catch (error: unknown) {
    if (error instanceof DiskFault || error instanceof StorageError) loader.closeFiles();
    throw error;
  }
}

class LogLoader {
  readonly #options: LoadOptions;
  readonly #segments: Segment[];
  readonly #epochs: EpochCache;
  readonly #snapshots: SnapshotStore;
  readonly #nowMs: number;
  /** Base of the oldest segment whose transaction index is corrupt: from there on everything is scanned (4.1). */
  readonly #corruptFrom: number;
  /** An operator's word: what is damaged shall be cut and kept aside. */
  readonly #acceptsDamage: boolean;
  /** A peer's copy takes the place of what is damaged. */
  #repair: Repair | null;
  readonly #suspectedAt: Offset | null;
  #durableBase = 0;
  #logStart: Offset;
  readonly #isGapless: boolean;
  readonly #wasMarked: boolean;
  /** By this load. */
  readonly #isMarked: boolean = false;
  #hasCut = false;
  /** What is cut is whole by its sum: only where it says that it stands is not believed. It is kept for the operator. */
  #isDoubted = false;
  #bytesCut = 0;

  constructor(options: LoadOptions, names: readonly string[]) {
    const { host, directory, config } = options;
    this.#options = options;
    this.#nowMs = host.clock.monotonicNow();
    const kept = this.#removeBelowLogStart(names);
    this.#segments = this.#openSegments(kept);
    this.#corruptFrom = corruptTxnIndexBase(options, names);
    this.#acceptsDamage = names.includes(ACCEPT_DAMAGE);
    this.#repair = names.includes(REPAIR) ? readRepair(host.disk, directory) : null;
    const suspected = names.includes(SUSPECT) ? readSuspicion(host.disk, directory) : null;
    this.#suspectedAt = suspected === null ? null : asOffset(suspected);
    this.#logStart = asOffset(Math.max(options.logStartOffset ?? 0, this.#segments[0]?.baseOffset ?? 0));
    this.#epochs = readEpochs(options, names, this.#hasNothing);
    this.#snapshots = new SnapshotStore(host.disk, directory, names, host.logger);
    this.#wasMarked = names.includes(GAPS);
    this.#isGapless = !this.#wasMarked && !mayBeCompacted(config.cleanupPolicy);
    // Where there is no room for it the next load, or the next change of settings, tries again.
    if (!this.#wasMarked && config.cleanupPolicy.includes("compact"))
      this.#isMarked = attempt(host, () => markGaps(host.disk, directory)) === null;
  }

  /** Leaves no file open: a log that nobody reads or writes costs no descriptor, and there may be thousands. */
  async load(): Promise<LoadedLog> {
    const loaded = await this.#load();
    this.closeFiles();
    return loaded;
  }

  async #load(): Promise<LoadedLog> {
    const { isClean, recoveryPoint } = this.#options;
    if (this.#segments.length === 0) this.#startEmpty(this.#logStart);
    const active = this.#active;
    const isSound = isClean && this.#repair === null && this.#corruptFrom === Number.POSITIVE_INFINITY;
    if (isSound && active.openTail() && active.endOffset === recoveryPoint) return this.#afterCleanStop();
    return this.#recover();
  }

  closeFiles(): void {
    for (const segment of this.#segments) segment.log.closeSync();
  }

  /** It begins and ends at offset 0, as thousands may: whatever epoch began there has no batch, and does not count (5.1(2)). */
  get #hasNothing(): boolean {
    const [first, second] = this.#segments;
    return first?.baseOffset === 0 && first.sizeBytes === 0 && second === undefined && this.#logStart === 0;
  }

  /** Others have what is lost with it, or an operator does without. */
  get #cutsDamage(): boolean {
    return this.#acceptsDamage || this.#repair !== null;
  }

  /** Whether the repair takes all of the segment: it is set aside by its name, and not read. Its bytes may be out of reach. */
  #goes(segment: Segment | undefined): boolean {
    return segment !== undefined && this.#repair?.phase === "cut" && segment.baseOffset >= this.#repair.offset;
  }

  get #active(): Segment {
    const active = this.#segments.at(-1);
    assert(active !== undefined, "a log has a segment");
    return active;
  }

  /** 4.1: everything is synced, the end is known. */
  async #afterCleanStop(): Promise<LoadedLog> {
    const active = this.#active;
    for (const segment of this.#segments) {
      segment.syncedEnd = segment.endOffset;
      segment.isSealed = segment !== active;
      segment.isFinished = segment !== active;
    }
    const end = active.endOffset;
    if (end < this.#logStart) return this.#recover();
    this.#settleEdges(end);
    const producers = await replayProducers(this.#replaySource, end, this.#nowMs);
    active.dropIndexes();
    return this.#result({ producers, recoveryPoint: end, wasRecovered: false, damage: null });
  }

  /** 4.2(5)-(10). */
  async #recover(): Promise<LoadedLog> {
    const { host, directory, recoveryPoint: checkpointed, config } = this.#options;
    const recoveryPoint = asOffset(Math.min(checkpointed ?? 0, this.#repair?.offset ?? Number.POSITIVE_INFINITY));
    const scanned = Math.max(0, slotOf(this.#segments, Math.min(recoveryPoint, this.#corruptFrom)));
    // Nothing of the segment with the recovery point may be left, and then the one before is appended to.
    const firstSlot = scanned > 0 && this.#goes(this.#segments[scanned]) ? scanned - 1 : scanned;
    const first = this.#segments[firstSlot];
    assert(first !== undefined, "a log has a segment");
    for (const segment of this.#segments.slice(0, firstSlot)) {
      segment.isSealed = true;
      segment.isFinished = true;
      segment.syncedEnd = segment.endOffset;
    }
    this.#epochs.truncateEnd(recoveryPoint);
    // The file is read from the page cache: its newest version need not be durable.
    this.#epochs.markDirty(recoveryPoint);
    this.#snapshots.distrustAll();
    if (this.#options.mustRewrite) this.#dropDerived(firstSlot, recoveryPoint);
    const before = { ...this.#replaySource, segments: this.#segments.slice(0, firstSlot) };
    const producers = await replayProducers(before, first.baseOffset, this.#nowMs);
    const damage = await this.#scanFrom(firstSlot, producers, recoveryPoint);

    const isDamaged = damage !== null;
    let end = this.#active.endOffset;
    if (!isDamaged && end < this.#logStart) {
      host.logger.warn("the log ends below its log start and begins there anew", {
        directory,
        endOffset: end,
        logStartOffset: this.#logStart,
      });
      this.#dropAll();
      producers.replaceBy(new ProducerState());
      end = this.#logStart;
    }
    this.#settleEdges(end);
    if (!isDamaged) await this.#keepSnapshots(end, producers);
    for (const segment of this.#segments.slice(firstSlot)) {
      segment.syncedEnd = asOffset(Math.max(segment.baseOffset, Math.min(recoveryPoint, segment.endOffset)));
      segment.entryVersion = 1;
    }
    if (this.#options.mustRewrite) await this.#rewriteFrom(recoveryPoint);
    // What is damaged nobody settles.
    if (this.#options.mustRewrite && isDamaged) await synced(host, syncDirectory(host.disk, directory));
    const isSynced = config.durability === "group-commit" || config.durability === "fsync-each";
    return this.#result({ producers, recoveryPoint, wasRecovered: true, damage, mustFlush: isSynced });
  }

  // ---- segments ----

  /**
   * Segments wholly below the log start were on their way out (3.5, 13(4)), or their removal was undone, each on its own:
   * there may be holes between them. Answers the bases of the others, ascending.
   */
  #removeBelowLogStart(names: readonly string[]): number[] {
    const { host, directory, logStartOffset, isClean } = this.#options;
    const bases = basesOf(names);
    const first = bases.findLastIndex((base) => base <= (logStartOffset ?? 0));
    for (const base of bases.slice(0, Math.max(0, first))) {
      for (const suffix of SEGMENT_SUFFIXES) removeFile(host.disk, `${directory}/${offsetName(base)}${suffix}`);
    }
    // What a start removes is not synced away yet, and what a crash has left need not be.
    if (isClean && first <= 0) this.#durableBase = bases[0] ?? 0;
    return bases.slice(Math.max(0, first));
  }

  #openSegments(bases: readonly number[]): Segment[] {
    const { host, directory } = this.#options;
    return bases.map((base, slot) => {
      const segment = this.#segment(base);
      const sizeBytes = host.disk.sizeOf(segment.log.path);
      if (sizeBytes === null) throw new DiskFault("ENOENT", "sizeOf", `${directory}/${base}`);
      segment.adopt(sizeBytes, asOffset(bases[slot + 1] ?? base));
      return segment;
    });
  }

  #segment(baseOffset: number): Segment {
    const { host, directory, config } = this.#options;
    return new Segment({
      files: host.files,
      directory,
      baseOffset: asOffset(baseOffset),
      indexIntervalBytes: config.indexIntervalBytes,
      createdAt: host.clock.wallNow(),
      logger: host.logger,
    });
  }

  #startEmpty(baseOffset: Offset): void {
    const segment = this.#segment(baseOffset);
    segment.create();
    this.#segments.push(segment);
    this.#hasCut = true;
  }

  /** Files are about to be cut or removed. */
  #beginCut(): void {
    if (!this.#hasCut) this.#options.host.beginCut();
    this.#hasCut = true;
  }

  /** 4.2(7). Newest first, so that what an interruption leaves is a log without a hole. */
  #dropAll(): void {
    this.#beginCut();
    for (let segment = this.#segments.pop(); segment !== undefined; segment = this.#segments.pop()) {
      this.#bytesCut += segment.sizeBytes;
      segment.remove();
    }
    this.#epochs.clear();
    this.#startEmpty(this.#logStart);
  }

  // ---- the scan ----

  /** Scans from `firstSlot` on and cuts a torn tail. Not null: what ended the scan is damage. */
  async #scanFrom(firstSlot: number, producers: ProducerState, recoveryPoint: Offset): Promise<LogDamage | null> {
    const { host, scan } = this.#options;
    const base = this.#segments[firstSlot]?.baseOffset ?? 0;
    const { leaderEpoch } = this.#options;
    const target = new RecoveryTarget({
      epochs: this.#epochs,
      producers,
      end: base,
      nowMs: this.#nowMs,
      isGapless: this.#isGapless,
      epochMax: leaderEpoch,
      // A file that is missing says nothing; what this scan finds is added to it.
      epochsExactTo: this.#epochs.entries.length > 0 ? recoveryPoint : 0,
      cutAt: this.#repair?.phase === "cut" ? this.#repair.offset : undefined,
      // After a clean stop the log ends at its recovery point: what reaches over it has another offset than it had.
      noneOver: this.#options.isClean && this.#repair === null ? recoveryPoint : undefined,
    });
    for (let slot = firstSlot; slot < this.#segments.length; slot += 1) {
      const segment = this.#segments[slot];
      const previous = this.#segments[slot - 1];
      if (segment === undefined) break;
      if (this.#goes(segment)) return this.#endBefore(slot, target.end, recoveryPoint, "missing");
      if (slot > firstSlot && previous !== undefined && !follows(segment, previous, target.end)) {
        host.logger.warn("a segment does not begin where the one before ends", {
          path: segment.log.path,
          endOffset: target.end,
        });
        return this.#endBefore(slot, target.end, recoveryPoint, "gap");
      }
      const fileBytes = segment.writtenBytes;
      segment.reset();
      target.beginSegment(segment.baseOffset, this.#segments[slot + 1]?.baseOffset);
      const bad = await scan.run(segment, fileBytes, target);
      segment.writtenBytes = segment.sizeBytes;
      segment.writtenEnd = segment.endOffset;
      if (bad !== null) {
        host.logger.warn("a batch is bad", {
          path: segment.log.path,
          position: segment.sizeBytes,
          offset: target.end,
          reason: bad,
        });
        const isDamage = target.end < recoveryPoint;
        if (isDamage && !this.#cutsDamage) return this.#endBefore(slot + 1, target.end, recoveryPoint, bad);
        this.#isDoubted = bad === "offset" || bad === "epoch";
        const mustKeep = isDamage || this.#isDoubted || this.#repair?.phase === "cut";
        if (mustKeep && !(await this.#keepAside(segment, fileBytes))) {
          this.#repair = null;
          for (const gone of this.#segments.splice(slot + 1)) gone.log.closeSync();
          this.#active.isSealed = false;
          return this.#damageAt(target.end, asOffset(Math.max(this.#options.recoveryPoint ?? 0, target.end)), bad);
        }
        this.#cutSegmentsFrom(slot + 1);
        this.#cutTail(segment, fileBytes);
        this.#complete(segment, producers);
        return null;
      }
      segment.isSealed = slot < this.#segments.length - 1;
      this.#complete(segment, producers);
    }
    // Bytes that were synced are missing: the scan could not meet them.
    const isDamage = target.end < recoveryPoint && !this.#cutsDamage;
    return isDamage ? this.#damageAt(target.end, recoveryPoint, "missing") : null;
  }

  /** False: there is no room, and the cut can wait. */
  async #keepAside(segment: Segment, fileBytes: number): Promise<boolean> {
    const { host, directory, mayCutLater = false } = this.#options;
    try {
      await copyDamaged(host, segment, fileBytes);
      return true;
    } catch (error: unknown) {
      if (!(error instanceof DiskFault && isPassing(error))) throw error;
      if (this.#isDoubted && !this.#cutsDamage) {
        // It was never known to be on disk, and a start is not to fail of it.
        host.logger.warn("no room to keep what is cut", { directory, err: error });
        return true;
      }
      if (!mayCutLater || this.#repair === null) throw error;
      host.logger.warn("a repair waits for room", { directory, err: error });
      return false;
    }
  }

  /** The log ends at `end`, before the segment in `slot`: as damage, or because the rest is a torn tail. */
  #endBefore(slot: number, end: number, recoveryPoint: Offset, reason: LogDamage["reason"]): LogDamage | null {
    const isDamage = end < recoveryPoint && !this.#cutsDamage;
    // What follows damage stays on disk as it is, and nobody holds it open.
    if (isDamage) for (const gone of this.#segments.splice(slot)) gone.log.closeSync();
    else this.#cutSegmentsFrom(slot);
    if (this.#segments.length === 0) this.#startEmpty(this.#logStart);
    this.#active.isSealed = false;
    return isDamage ? this.#damageAt(end, recoveryPoint, reason) : null;
  }

  #damageAt(end: number, recoveryPoint: Offset, reason: LogDamage["reason"]): LogDamage {
    const { log, sizeBytes } = this.#active;
    return { offset: asOffset(end), recoveryPoint, path: log.path, position: asPosition(sizeBytes), reason };
  }

  #cutSegmentsFrom(slot: number): void {
    for (let newest = this.#segments.length - 1; newest >= slot; newest -= 1) {
      const segment = this.#segments.pop();
      if (segment === undefined) return;
      this.#beginCut();
      this.#bytesCut += segment.writtenBytes;
      const isKept = this.#options.keepsCut || this.#acceptsDamage || this.#isDoubted || this.#repair?.phase === "cut";
      if (isKept) segment.setAside();
      else segment.remove();
    }
  }

  #cutTail(segment: Segment, fileBytes: number): void {
    this.#beginCut();
    segment.isSealed = false;
    segment.log.truncateSync(segment.sizeBytes);
    this.#bytesCut += fileBytes - segment.sizeBytes;
  }

  /** What stands beside the log file is made from what was found in it. A full disk only costs the next start time. */
  #complete(segment: Segment, producers: ProducerState): void {
    this.#ifThereIsRoom(() => segment.finishIndexes());
    if (segment.isSealed) {
      this.#writeSnapshot(segment.endOffset, producers);
      segment.dropIndexes();
    }
  }

  // ---- what follows ----

  get #replaySource(): { segments: readonly Segment[]; snapshots: SnapshotStore; logStartOffset: Offset } {
    return { segments: this.#segments, snapshots: this.#snapshots, logStartOffset: this.#logStart };
  }

  /** 4.2(8), and the first step of (9). */
  #settleEdges(end: Offset): void {
    this.#epochs.truncateEnd(end);
    this.#epochs.truncateStart(this.#logStart);
    if (this.#snapshots.offsets.some((offset) => offset > end)) this.#beginCut();
    this.#snapshots.deleteAbove(end);
    this.#snapshots.deleteAtOrBelow(this.#logStart);
  }

  /** 4.2(9): snapshots at the end and the last two bases, so that the next recovery has something to begin with. */
  async #keepSnapshots(end: Offset, producers: ProducerState): Promise<void> {
    for (const segment of this.#segments.slice(-2)) {
      const base = segment.baseOffset;
      if (base <= this.#logStart || this.#snapshots.has(base)) continue;
      this.#writeSnapshot(base, await replayProducers(this.#replaySource, base, this.#nowMs));
    }
    this.#writeSnapshot(end, producers);
    this.#snapshots.prune(new Set(this.#segments.map((segment) => segment.baseOffset)));
  }

  #writeSnapshot(offset: Offset, state: ProducerState): void {
    if (offset > this.#logStart) this.#ifThereIsRoom(() => this.#snapshots.write(offset, state));
  }

  #ifThereIsRoom(work: () => void): void {
    try {
      work();
    } catch (error: unknown) {
      if (!(error instanceof DiskFault && isPassing(error))) throw error;
      this.#options.host.logger.warn("no room beside the log", { path: error.path, err: error });
    }
  }

  /**
   * 3.4(3): the page cache may show bytes that the disk lacks. They are copied into a new file, not written in place: ext4
   * keeps a block whose first write failed marked as never written, and a later write of the same page, though it is synced
   * without complaint, is read as zeros once the cache is gone (decision 0009). A damaged segment too, bad bytes and all: its
   * repair cuts it and appends to what is left, when the mark is gone.
   */
  async #rewriteFrom(recoveryPoint: Offset): Promise<void> {
    for (const segment of this.#segments.slice(Math.max(0, slotOf(this.#segments, recoveryPoint)))) {
      await this.#copyAnew(segment);
    }
  }

  /** What the log itself says again: files of that name are made anew, and not written over (as #rewriteFrom). */
  #dropDerived(firstSlot: number, recoveryPoint: Offset): void {
    const { disk } = this.#options.host;
    this.#snapshots.deleteAbove(recoveryPoint);
    for (const segment of this.#segments.slice(firstSlot)) {
      removeFile(disk, segment.offsetIndexPath);
      removeFile(disk, segment.timeIndexPath);
      removeFile(disk, segment.txnIndexPath);
    }
  }

  async #copyAnew({ log }: Segment): Promise<void> {
    const { host } = this.#options;
    const { disk } = host;
    const fileBytes = disk.sizeOf(log.path) ?? 0;
    // What a crash leaves of it is tidied by the next start.
    const path = `${log.path}.cleaned`;
    const chunk = Buffer.allocUnsafeSlow(REWRITE_CHUNK_BYTES);
    const copy = disk.open(path, "create");
    try {
      for (let position = 0; position < fileBytes; ) {
        const bytes = chunk.subarray(0, Math.min(chunk.length, fileBytes - position));
        const length = readFullySync(log, bytes, position);
        assert(length === bytes.length, `${log.path} became shorter while it was rewritten`);
        writeFullySync(copy, bytes, position);
        position += length;
        await host.timers.yieldTurn();
      }
    } finally {
      copy.closeSync();
    }
    await synced(host, syncPath(disk, path));
    log.closeSync();
    disk.rename(path, log.path);
  }

  #result(outcome: {
    producers: ProducerState;
    recoveryPoint: Offset;
    wasRecovered: boolean;
    damage: LogDamage | null;
    mustFlush?: boolean;
  }): LoadedLog {
    const active = this.#active;
    const end = active.endOffset;
    // What comes behind the mark may have gaps: it counts as synced only when the mark is.
    if (this.#isMarked) active.entryVersion = 1;
    // Recovery made the active segment's indexes anew: the next roll must not find the recovery point at its base.
    const isAtEnd = outcome.wasRecovered && outcome.recoveryPoint >= end && end > active.baseOffset;
    const recoveryPoint = asOffset(isAtEnd ? end - 1 : Math.min(outcome.recoveryPoint, end));
    return {
      segments: this.#segments,
      epochs: this.#epochs,
      producers: outcome.producers,
      snapshots: this.#snapshots,
      logStartOffset: this.#logStart,
      durableBase: this.#durableBase,
      recoveryPoint,
      syncedEnd: asOffset(Math.min(outcome.recoveryPoint, end)),
      isDirectoryDirty: outcome.wasRecovered || this.#isMarked,
      isGapless: this.#isGapless,
      isMarked: this.#wasMarked || this.#isMarked,
      damage: outcome.damage,
      acceptsDamage: this.#acceptsDamage,
      repair: this.#repair,
      suspectedAt: this.#suspectedAt,
      wasRecovered: outcome.wasRecovered,
      mustFlush:
        outcome.damage === null &&
        (this.#hasCut || outcome.mustFlush === true || this.#options.mustRewrite || this.#options.mustSync),
      isNew: outcome.wasRecovered && outcome.recoveryPoint === 0,
      bytesCut: this.#bytesCut,
    };
  }
}

/** Whether `segment` begins where the one before ends (ST1), or so far on that it could not have. */
function follows(segment: Segment, previous: Segment, end: number): boolean {
  if (segment.baseOffset === end) return true;
  return segment.baseOffset > end && segment.baseOffset - previous.baseOffset > RELATIVE_OFFSET_MAX;
}

/** Infinity = every one is whole, or there is none. */
function corruptTxnIndexBase({ host, directory }: LoadOptions, names: readonly string[]): number {
  let base = Number.POSITIVE_INFINITY;
  for (const name of names) {
    const candidate = offsetOfName(name, TXN_INDEX_SUFFIX);
    if (candidate === null || candidate > base) continue;
    const bytes = readWholeFile(host.disk, `${directory}/${name}`);
    const entries = bytes === null ? [] : decodeTxnIndex(bytes);
    if (entries === null || entries.some(({ lastOffset }) => lastOffset < candidate)) base = candidate;
  }
  if (base < Number.POSITIVE_INFINITY)
    host.logger.warn("a transaction index is corrupt and is made anew", { directory, baseOffset: base });
  return base;
}

function readEpochs(
  { host, directory, leaderEpoch }: LoadOptions,
  names: readonly string[],
  isEmpty: boolean,
): EpochCache {
  if (!names.includes(EPOCH_CHECKPOINT)) return new EpochCache();
  if (isEmpty) {
    const none = new EpochCache();
    none.markDirty(0);
    return none;
  }
  const path = `${directory}/${EPOCH_CHECKPOINT}`;
  const parsed = readCheckpoint(host.disk, path, parseEpochs);
  if (!parsed.ok) throw new StorageError("MALFORMED_CHECKPOINT", path, parsed.reason);
  const latest = parsed.entries.at(-1)?.epoch ?? -1;
  // It would win every comparison of logs (9(3)), and no leader could begin after it.
  if (leaderEpoch !== null && latest > leaderEpoch) {
    const reason = `it names leader epoch ${latest}, and the metadata has come to ${leaderEpoch}`;
    throw new StorageError("MALFORMED_CHECKPOINT", path, reason);
  }
  return new EpochCache(parsed.entries);
}
