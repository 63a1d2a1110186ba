/**
 * One replica's log: what it knows, what may happen to it when, the clean stop (4.3). Its parts share log-state.ts, which
 * log-loader.ts made: batches go in by log-writer.ts, into segments by log-roll.ts's word, and out by log-reads.ts; what is synced
 * is group-sync.ts's; its new end is cut by log-cuts.ts, its old end by log-trim.ts.
 *
 * Invariants: recovery point <= synced end <= written end <= log end; log start <= high watermark <= log end. Nothing is
 * awaited between a check and its change: whatever awaits refuses appends first.
 */
import { asPosition, assert } from "../base/index.ts";
import type { LeaderEpoch, Ms, Offset, PartitionId, Position, SharedMemory } from "../base/index.ts";
import type { BatchHeader } from "@tidemark/proto";
import { DiskFault } from "../ports/index.ts";
import { RELATIVE_OFFSET_MAX } from "./batch-fields.ts";
import type { EpochCache } from "./epoch-cache.ts";
import { EpochFile } from "./epoch-file.ts";
import { isPassing, removeFile, syncPath } from "./file-io.ts";
import { FlushPolicy } from "./flush-policy.ts";
import { markGaps } from "./gaps-mark.ts";
import { GroupSync } from "./group-sync.ts";
import { LogCuts } from "./log-cuts.ts";
import { attempt } from "./log-host.ts";
import type { LogHost } from "./log-host.ts";
import type { LoadedLog } from "./log-loader.ts";
import { LogReads } from "./log-reads.ts";
import { LogRoll } from "./log-roll.ts";
import { LogState } from "./log-state.ts";
import { LogTrim, retentionVerdict } from "./log-trim.ts";
import { LogTruncation } from "./log-truncation.ts";
import { SUSPECT, writeRepair, writeSuspicion } from "./log-repair.ts";
import type { Repair } from "./log-repair.ts";
import { LogWriter } from "./log-writer.ts";
import type { ProducerState } from "./producer-state.ts";
import { synced } from "./safe-write.ts";
import type { SnapshotStore } from "./snapshot-store.ts";
import type { FoundRecord } from "./timestamp-search.ts";
import type { AbortedTransaction } from "./txn-index-file.ts";
import type {
  AppendResult,
  CachedRecords,
  FetchedResult,
  FoundDamage,
  LogConfig,
  LogDamage,
  LogEvents,
  PartitionLog,
  ProducerBatch,
  ProducerEntry,
  ReadResult,
  ReadSpan,
  VerifyOptions,
} from "./types.ts";

/** Producers are looked through for expired ones this often, and only while batches come (Kafka's check interval). */
const EXPIRY_CHECK_MS = 600_000;

/** Of either kind of append. */
type NotTaken = Extract<AppendResult, { ok: false }> & FetchedResult;

const UNAVAILABLE: NotTaken = Object.freeze({ ok: false, code: "KAFKA_STORAGE_ERROR", fault: null });
const LATER: NotTaken = Object.freeze({ ok: false, code: "LATER", fault: null });
const TAKEN: FetchedResult = Object.freeze({ code: "OK", fault: null });
const GAP: FetchedResult = Object.freeze({ code: "GAP", fault: null });
const TOO_LARGE: AppendResult = Object.freeze({ ok: false, code: "RECORD_LIST_TOO_LARGE", fault: null });

const NO_EVENTS: LogEvents = {
  onWritten: () => undefined,
  onSynced: () => undefined,
  onLogStart: () => undefined,
  onSyncFailed: () => undefined,
};

export interface SegmentedLogOptions {
  readonly host: LogHost;
  readonly directory: string;
  readonly topic: string;
  readonly partition: PartitionId;
  readonly topicId: string;
  readonly config: LogConfig;
  readonly loaded: LoadedLog;
  /** From the checkpoint; null = no entry. */
  readonly highWatermark: number | null;
}

export class SegmentedLog implements PartitionLog {
  readonly topic: string;
  readonly partition: PartitionId;
  readonly topicId: string;
  readonly directory: string;
  events: LogEvents = NO_EVENTS;

  readonly #host: LogHost;
  #config: LogConfig;
  readonly #state: LogState;
  readonly #epochs: EpochCache;
  #epochFile: EpochFile | null = null;
  readonly #producers: ProducerState;
  /** As many of them as the host has heard of. */
  #producersCounted: number;
  readonly #snapshots: SnapshotStore;
  readonly #sync: GroupSync;
  /** These are made when they are first asked for: an idle log is neither read, written nor cut. */
  #lazyFlushPolicy: FlushPolicy | null = null;
  #lazyReads: LogReads | null = null;
  #lazyWriter: LogWriter | null = null;
  #lazyRoll: LogRoll | null = null;
  #lazyCuts: LogCuts | null = null;
  #lazyTrim: LogTrim | null = null;
  /** As the writer was told, or will be when it is made. */
  #followersAt: Offset | null = null;

  /** Its directory says so (gaps-mark.ts). */
  #mayHaveGaps: boolean;
  /** The files are closed and may be renamed. */
  #isReleased = false;
  damage: LogDamage | null;
  /** It is being filled again from a peer. */
  repair: Repair | null;
  /** Where an earlier life, or this one, found something bad, and nobody has found it whole since; null: nowhere. */
  suspectedAt: Offset | null;
  /** The newest word of it on its way to the disk. */
  #suspicion: Promise<void> | null = null;
  #nextExpiryAtMs: number;

  constructor(options: SegmentedLogOptions) {
    const { host, loaded } = options;
    this.#host = host;
    this.directory = options.directory;
    this.topic = options.topic;
    this.partition = options.partition;
    this.topicId = options.topicId;
    this.#config = options.config;
    this.#state = new LogState({
      segments: loaded.segments,
      logStartOffset: loaded.logStartOffset,
      durableBase: loaded.durableBase,
      highWatermark: options.highWatermark ?? 0,
      isTouched: loaded.wasRecovered,
      isGapless: loaded.isGapless,
    });
    this.#epochs = loaded.epochs;
    this.#producers = loaded.producers;
    this.#producersCounted = loaded.producers.size;
    this.#snapshots = loaded.snapshots;
    this.#mayHaveGaps = loaded.isMarked;
    this.damage = loaded.damage;
    this.repair = loaded.repair;
    this.suspectedAt = loaded.suspectedAt;
    this.#nextExpiryAtMs = host.clock.monotonicNow() + EXPIRY_CHECK_MS;
    this.#sync = new GroupSync(
      { host, segments: this.#state.segments, snapshots: loaded.snapshots, owner: this },
      loaded,
    );
  }

  get #flushPolicy(): FlushPolicy {
    this.#lazyFlushPolicy ??= new FlushPolicy(this, this.#state, this.#host.timers, this.#sync.syncedEnd);
    return this.#lazyFlushPolicy;
  }

  get #reads(): LogReads {
    this.#lazyReads ??= new LogReads({
      ...this.#parts,
      directory: this.directory,
      snapshots: this.#snapshots,
      onRot: (offset) => this.#host.supervise(this.#suspect(offset)),
    });
    return this.#lazyReads;
  }

  get #writer(): LogWriter {
    if (this.#lazyWriter === null) {
      this.#lazyWriter = new LogWriter({ ...this.#parts, onWritten: (fault) => this.#onWritten(fault) });
      this.#lazyWriter.onFollowersAt(this.#followersAt);
    }
    return this.#lazyWriter;
  }

  get #rolls(): LogRoll {
    this.#lazyRoll ??= new LogRoll({
      ...this.#parts,
      directory: this.directory,
      seed: `${this.topicId}-${this.partition}`,
      sync: this.#sync,
      snapshots: this.#snapshots,
      config: () => this.#config,
    });
    return this.#lazyRoll;
  }

  get #cuts(): LogCuts {
    this.#lazyCuts ??= new LogCuts({
      ...this.#parts,
      writer: this.#writer,
      truncation: new LogTruncation({
        ...this.#parts,
        writer: this.#writer,
        reader: this.#reads.reader,
        sync: this.#sync,
        snapshots: this.#snapshots,
        newSegment: (baseOffset) => this.#rolls.newSegment(baseOffset),
        removeUnrenamed: () => this.#lazyTrim?.removeUnrenamed() ?? Promise.resolve(),
        writeEpochs: () => this.writeEpochs(),
      }),
      isDamaged: this.isDamaged,
      onCut: (offset) => this.#onCut(offset),
    });
    return this.#lazyCuts;
  }

  get #trim(): LogTrim {
    this.#lazyTrim ??= new LogTrim({
      ...this.#parts,
      directory: this.directory,
      sync: this.#sync,
      snapshots: this.#snapshots,
      config: () => this.#config,
      onRaised: () => this.events.onLogStart(),
      roll: () => !this.#refusesAppends && this.#isWritten && this.#roll() === null,
    });
    return this.#lazyTrim;
  }

  get #parts(): { host: LogHost; state: LogState; epochs: EpochCache; producers: ProducerState } {
    return { host: this.#host, state: this.#state, epochs: this.#epochs, producers: this.#producers };
  }

  // ---- what it knows ----

  get config(): LogConfig {
    return this.#config;
  }

  get logStartOffset(): Offset {
    return this.#state.logStartOffset;
  }

  get durableLogStartOffset(): Offset {
    return this.#state.durableLogStart;
  }

  get logEndOffset(): Offset {
    return this.#state.logEndOffset;
  }

  get writtenEndOffset(): Offset {
    return this.#state.writtenEnd;
  }

  get syncedEndOffset(): Offset {
    return this.#sync.syncedEnd;
  }

  get recoveryPoint(): Offset {
    return this.#sync.recoveryPoint;
  }

  /** What the checkpoint has to say. That of a damaged log stays, or the next start would take the damage for a torn tail. */
  get recoveryPointToKeep(): Offset {
    return this.damage?.recoveryPoint ?? this.#sync.recoveryPoint;
  }

  get highWatermark(): Offset {
    return this.#state.highWatermark;
  }

  set highWatermark(offset: Offset) {
    if (offset === this.#state.highWatermark) return;
    this.#state.highWatermark = offset;
    this.#host.onHighWatermarkMoved();
  }

  get generation(): number {
    return this.#state.generation;
  }

  get isTruncating(): boolean {
    return this.#state.isTruncating;
  }

  get sizeBytes(): number {
    return this.#state.segments.reduce((sum, segment) => sum + segment.sizeBytes, 0);
  }

  get segmentCount(): number {
    return this.#state.segments.length;
  }

  /** What the checkpoint has to say of the log start. */
  get logStartToKeep(): number {
    return this.#state.logStartToKeep;
  }

  /** The log start lies above what the directory says for certain: the checkpoint has to name it. */
  get isLogStartRaised(): boolean {
    return this.logStartToKeep > this.#state.durableBase;
  }

  get latestEpoch(): LeaderEpoch {
    return this.#epochs.latest;
  }

  get maxTimestamp(): number {
    return this.#state.segments.reduce((newest, segment) => Math.max(newest, segment.maxTimestamp), -1);
  }

  get isDamaged(): boolean {
    return this.damage !== null;
  }

  get isRepairing(): boolean {
    return this.repair !== null;
  }

  get rot(): FoundDamage | null {
    return this.#lazyReads?.rot ?? null;
  }

  segments(): readonly { baseOffset: Offset; sizeBytes: Position; path: string }[] {
    return this.#state.segments.map(({ baseOffset, writtenBytes, log }) => ({
      baseOffset,
      sizeBytes: asPosition(writtenBytes),
      path: log.path,
    }));
  }

  reconfigure(config: LogConfig): void {
    this.#config = config;
    if (config.cleanupPolicy.includes("compact")) {
      attempt(this.#host, () => this.#markGaps());
      this.#state.isGapless = false;
    }
    this.#lazyRoll?.drawJitter();
  }

  // ---- epochs ----

  /**
   * Of itself no reason to write the file at the stop: an entry without batches stands at the end of the log, where a load
   * drops whatever the file says (5.1(2), (4)). A thousand idle partitions would make four thousand fsyncs of it.
   */
  startEpoch(epoch: LeaderEpoch): void {
    assert(epoch >= this.#epochs.latest, `epoch ${epoch} begins after ${this.#epochs.latest}`);
    this.#epochs.add(epoch, this.#state.logEndOffset);
  }

  endOffsetFor(epoch: LeaderEpoch): { epoch: LeaderEpoch; endOffset: Offset } | null {
    return this.#epochs.endOffsetFor(epoch, this.#state.logEndOffset);
  }

  /** Lowest start of an epoch entry that the file does not have right; Infinity = it is exact. */
  get epochsDirtyFrom(): number {
    return this.#epochs.dirtyFrom;
  }

  /** Resolves when the epoch file is exact, or `isWanted` says no when its turn has come (epoch-file.ts). */
  writeEpochs(isWanted: () => boolean = () => true): Promise<void> {
    // Offline, a fault may have left the cache half changed, and what the disk has is right.
    this.#epochFile ??= new EpochFile(this.#host, this.directory, this.#epochs);
    return this.#epochFile.write(() => !this.#isReleased && !this.#state.isOffline && isWanted());
  }

  // ---- append ----

  append(
    bytes: Buffer,
    header: BatchHeader,
    leaderEpoch: LeaderEpoch,
    now: Ms,
    memory: SharedMemory | null = null,
  ): AppendResult {
    if (this.#refusesAppends) return UNAVAILABLE;
    const sizeBytes = bytes.length;
    if (sizeBytes > this.#config.segmentBytes) return TOO_LARGE;
    if (this.#rolls.isDue(sizeBytes, this.#state.logEndOffset + header.lastOffsetDelta, header, now)) {
      const unready = this.#rollNow();
      if (unready !== null) return unready;
    }
    return this.#writer.admit(bytes, header, leaderEpoch, memory);
  }

  appendFetched(bytes: Buffer, header: BatchHeader, now: Ms): FetchedResult {
    if (this.#refusesAppends) return UNAVAILABLE;
    const { lastOffset } = header;
    assert(header.baseOffset >= this.#state.logEndOffset, "a fetched batch lies at or beyond the log end");
    if (lastOffset - this.#state.logEndOffset > RELATIVE_OFFSET_MAX) return GAP;
    if (this.#rolls.isDue(bytes.length, lastOffset, header, now)) {
      const unready = this.#rollNow();
      if (unready !== null) return unready;
    }
    if (header.baseOffset > this.#state.logEndOffset) {
      const fault = this.#admitGap();
      if (fault !== null) return { code: "KAFKA_STORAGE_ERROR", fault };
    }
    const result = this.#writer.admitFetched(bytes, header);
    return result.ok ? TAKEN : { code: "KAFKA_STORAGE_ERROR", fault: result.fault };
  }

  writeAppended(): DiskFault | null {
    const fault = this.#writer.endTurn();
    if (this.#writer.turnNowMs >= this.#nextExpiryAtMs) this.#expireProducers();
    this.#countProducers();
    this.#flushPolicy.onWritten();
    return fault;
  }

  #onWritten(fault: DiskFault | null): void {
    this.#flushPolicy.onWritten();
    this.events.onWritten(fault);
  }

  whenWritten(): Promise<void> {
    return this.#lazyWriter?.settled() ?? Promise.resolve();
  }

  whenSettled(): Promise<void> | null {
    const { isTruncating, isClosed, isOffline, logEndOffset, logStartToKeep } = this.#state;
    if (isTruncating) return this.#cuts.newest;
    if (!this.#isWritten) return this.whenWritten();
    if (logEndOffset >= logStartToKeep || isClosed || isOffline || this.isDamaged) return null;
    // A start would begin there: what came below would be acknowledged, and dropped by it.
    this.restartAt(logStartToKeep).catch(() => undefined);
    return this.#cuts.newest;
  }

  /** Nothing is queued or in flight. */
  get #isWritten(): boolean {
    return this.#lazyWriter?.isIdle ?? true;
  }

  get #refusesAppends(): boolean {
    return (
      this.#writer.refuses ||
      this.#state.isTruncating ||
      this.#state.isClosed ||
      this.#state.isOffline ||
      this.isDamaged
    );
  }

  // ---- roll ----

  /** No roll beside a write: its failure would have to undo the roll. */
  #rollNow(): NotTaken | null {
    const writeFault = this.#writer.write();
    if (writeFault === null && !this.#isWritten) return LATER;
    const fault = writeFault ?? this.#roll();
    return fault === null ? null : { ok: false, code: "KAFKA_STORAGE_ERROR", fault };
  }

  #roll(baseOffset = this.#state.logEndOffset): DiskFault | null {
    assert(this.#isWritten, "no roll beside a write");
    return this.#rolls.run(baseOffset);
  }

  /** A leader sends no gap that it has not looked at. */
  #admitGap(): DiskFault | null {
    const fault = attempt(this.#host, () => this.#markGaps());
    if (fault === null) this.#state.active.hasGaps = true;
    return fault;
  }

  /** Durable before any batch behind it counts as synced. Throws DiskFault. */
  #markGaps(): void {
    if (this.#mayHaveGaps) return;
    markGaps(this.#host.disk, this.directory);
    this.#mayHaveGaps = true;
    this.#state.active.entryVersion = this.#sync.directoryChanged();
  }

  async skipTo(offset: Offset, isWanted = (): boolean => true): Promise<boolean> {
    const { generation, logEndOffset } = this.#state;
    assert(offset - logEndOffset > 0, "a gap lies beyond the log end");
    this.#writer.write();
    if (!this.#isWritten) await this.whenWritten();
    const isSynced = await this.flush();
    const hasMoved = generation !== this.#state.generation || logEndOffset !== this.#state.logEndOffset;
    if (!isSynced || hasMoved || !isWanted() || this.#refusesAppends) return false;
    // The mark first: behind a segment that lies beyond the log end nothing may fail any more.
    if (attempt(this.#host, () => this.#markGaps()) !== null || this.#roll(offset) !== null) return false;
    this.#state.active.hasGaps = true;
    this.#state.skipTo(offset);
    return true;
  }

  // ---- producers ----

  producer(producerId: number): ProducerEntry | undefined {
    return this.#producers.get(producerId);
  }

  findProducerBatch(
    producerId: number,
    producerEpoch: number,
    firstSequence: number,
    lastSequence: number,
  ): Promise<ProducerBatch | null> {
    const wanted = { producerId, producerEpoch, firstSequence, lastSequence };
    return this.#reads.findProducerBatch(wanted);
  }

  /** For whoever bounds the producers of all logs. */
  get producerState(): ProducerState {
    return this.#producers;
  }

  #countProducers(): void {
    const added = this.#producers.size - this.#producersCounted;
    if (added === 0) return;
    this.#producersCounted += added;
    if (added > 0) this.#host.onProducersAdded(added);
  }

  #expireProducers(): void {
    this.#nextExpiryAtMs = this.#writer.turnNowMs + EXPIRY_CHECK_MS;
    this.#producers.expire(this.#writer.turnNowMs - this.#config.producerIdExpirationMs);
  }

  // ---- transactions ----

  get firstOpenTransactionOffset(): Offset | null {
    return this.#producers.firstOpenTransaction();
  }

  abortedTransactions(from: Offset, to: Offset): AbortedTransaction[] {
    return this.#reads.abortedTransactions(from, to);
  }

  // ---- sync ----

  sync(): void {
    this.#flushPolicy.onAsked();
    this.#sync.request();
  }

  /** True when all that is written is synced and sealed segments are finished; false when a fault is in the way. */
  flush(): Promise<boolean> {
    this.#flushPolicy.onAsked();
    return this.#sync.flush();
  }

  /** 4.2(10): the log and its directory are synced as recovery left them, whatever counted as synced before. */
  async settle(): Promise<void> {
    await this.#sync.syncCut(this.#state.active);
    await this.flush();
  }

  /** Background work after a start: sealed segments that were recovered have to be finished like those just rolled. */
  finishSealed(): void {
    if (!this.isDamaged) this.#sync.finishSealed();
  }

  // ---- reads ----

  read(offset: Offset, maxBytes: number, limit: Offset): Promise<ReadResult> {
    return this.#reads.read(offset, maxBytes, limit);
  }

  readTail(offset: Offset, maxBytes: number, limit: Offset): ReadResult | null {
    return this.#reads.readTail(offset, maxBytes, limit);
  }

  readInto(into: Buffer, at: number, offset: Offset, limit: Offset): Promise<ReadSpan> {
    return this.#reads.readInto(into, at, offset, limit);
  }

  readTailInto(into: Buffer, at: number, offset: Offset, limit: Offset): ReadSpan | null {
    return this.#reads.readTailInto(into, at, offset, limit);
  }

  readCached(offset: Offset, maxBytes: number, limit: Offset): CachedRecords | null {
    const reads = this.#reads;
    reads.assertReadable();
    return this.#lazyWriter?.tail?.read(offset, maxBytes, reads.limit(offset, limit)) ?? null;
  }

  /** A log that nothing was written to yet has nothing to keep, and goes without the means. */
  onFollowersAt(offset: Offset | null): void {
    this.#followersAt = offset;
    this.#lazyWriter?.onFollowersAt(offset);
  }

  findByTimestamp(timestamp: number, limit: Offset): Promise<FoundRecord | null> {
    return this.#reads.findByTimestamp(timestamp, limit);
  }

  findMaxTimestamp(limit: Offset): Promise<FoundRecord | null> {
    return this.#reads.findMaxTimestamp(limit);
  }

  async verify(options: VerifyOptions): Promise<FoundDamage | null> {
    const rot = await this.#reads.verify(options);
    const { suspectedAt } = this;
    if (rot !== null) await this.#suspect(rot.offset);
    else if (suspectedAt !== null && this.#wasLookedAt(suspectedAt, options)) this.#trust();
    return rot;
  }

  /** A look that the end of the log cut short says nothing of its places. */
  #wasLookedAt(offset: Offset, { from, to }: VerifyOptions): boolean {
    const { isClosed, isOffline } = this.#state;
    return from <= offset && offset < to && !isClosed && !isOffline;
  }

  /** It is to be known whenever this life ends. On a full disk it is known to this one alone. */
  async #suspect(offset: Offset): Promise<void> {
    if (this.suspectedAt === offset || this.#state.isClosed) return;
    this.suspectedAt = offset;
    // Two at once would write one temp file.
    const before = this.#suspicion?.catch(() => undefined);
    this.#suspicion = Promise.resolve(before).then(() => writeSuspicion(this.#host, this.directory, offset));
    try {
      await this.#suspicion;
    } catch (error: unknown) {
      if (!(error instanceof DiskFault && isPassing(error))) throw error;
      this.#host.logger.warn("no room beside the log", { path: error.path, err: error });
    }
  }

  #trust(): void {
    this.suspectedAt = null;
    attempt(this.#host, () => removeFile(this.#host.disk, `${this.directory}/${SUSPECT}`));
  }

  /** What had to go is gone, durably: from here on the repair is a matter of filling up. */
  async beginFetch(): Promise<void> {
    if (this.repair?.phase !== "cut") return;
    const fetching = { ...this.repair, phase: "fetch" } as const;
    await writeRepair(this.#host, this.directory, fetching);
    this.repair = fetching;
  }

  /** It was cut, and that could not be noted: whoever repairs it begins anew. */
  stayDamaged(): void {
    const { logEndOffset: offset, recoveryPointToKeep: recoveryPoint } = this;
    const [newest] = this.segments().slice(-1);
    const path = newest?.path ?? this.directory;
    this.damage = { offset, recoveryPoint, path, position: newest?.sizeBytes ?? asPosition(0), reason: "missing" };
    this.repair = null;
    this.#host.logger.warn("no room beside the log", { path });
  }

  rebuildIndexes(offset: Offset): Promise<void> {
    return this.#reads.rebuildIndexes(offset);
  }

  // ---- either end ----

  raiseLogStart(offset: Offset): Promise<void> {
    return this.#trim.raiseLogStart(offset);
  }

  retain(now: Ms): Promise<void> | null {
    const isDue = !this.isDamaged && retentionVerdict(this.#state, this.#config, now).kind !== "keep";
    return isDue ? this.#trim.retain(now) : null;
  }

  /** 5.5. */
  truncateTo(offset: Offset): Promise<void> {
    if (offset < this.#state.logStartOffset) return this.restartAt(offset);
    return this.#cuts.truncateTo(offset);
  }

  restartAt(offset: Offset, promisedLogStart = offset): Promise<void> {
    return this.#cuts.restartAt(offset, promisedLogStart);
  }

  #onCut(offset: number): void {
    this.#lazyReads?.onCut(offset);
    this.#lazyFlushPolicy?.onCut();
    this.#lazyRoll?.drawJitter();
  }

  // ---- the end ----

  /** Clean stop (4.3): everything on stable storage, then the files are closed. False: no marker may say so. */
  async close(): Promise<boolean> {
    // Taken away, and only its name could not be freed.
    if (this.#isReleased) return true;
    this.#lazyWriter?.write();
    this.#state.isClosed = true;
    this.#lazyFlushPolicy?.close();
    await this.whenWritten();
    await this.#lazyCuts?.newest?.catch(() => undefined);
    await this.#lazyTrim?.release();
    try {
      // After a clean stop nobody would look at the bytes again, and the damage would be forgotten.
      if (this.isDamaged || this.#lazyCuts?.isHalfCut === true || this.#state.isOffline) return false;
      return !this.#state.isTouched || (await this.#makeAllDurable());
    } catch (error: unknown) {
      if (!(error instanceof DiskFault)) throw error;
      this.#host.onIoFault(error);
      return false;
    } finally {
      await this.releaseFiles();
    }
  }

  async #makeAllDurable(): Promise<boolean> {
    const host = this.#host;
    const active = this.#state.active;
    if (this.#lazyWriter !== null && !(await this.#lazyWriter.finishCut())) return false;
    const roomFault = attempt(this.#host, () => {
      active.finishIndexes();
      this.#rolls.writeSnapshot();
    });
    if (roomFault !== null || this.#state.isOffline) return false;
    this.#snapshots.prune(new Set(this.#state.segments.map(({ baseOffset }) => baseOffset)));
    this.#sync.directoryChanged();
    if (!(await this.flush())) return false;
    for (const path of active.indexPaths()) {
      await synced(
        host,
        host.slots.runAsync(() => syncPath(host.disk, path)),
      );
    }
    for (const offset of this.#snapshots.unsynced) {
      await synced(
        host,
        host.slots.runAsync(() => this.#snapshots.sync(offset)),
      );
    }
    await this.writeEpochs();
    if (this.#state.isOffline) return false;
    this.#sync.complete();
    return true;
  }

  /** Closes the files when nothing is pending on them; nothing is read or written any more. */
  async releaseFiles(): Promise<void> {
    this.#lazyWriter?.write();
    this.#state.isClosed = true;
    this.#lazyFlushPolicy?.close();
    await this.whenWritten();
    await this.#lazyCuts?.newest?.catch(() => undefined);
    await this.#lazyTrim?.release();
    this.#isReleased = true;
    this.#lazyWriter?.tail?.clear();
    await this.#sync.quiesce();
    await this.#epochFile?.settled();
    await this.#suspicion?.catch(() => undefined);
    await this.#lazyWriter?.cutSettled().catch(() => undefined);
    for (const { log } of [...this.#state.segments, ...(this.#lazyCuts?.doomed ?? [])]) {
      await log.retire();
    }
  }

  /** The directory went offline: appends are refused, no sync counts any more. */
  goOffline(): void {
    this.#state.isOffline = true;
    this.#lazyWriter?.tail?.clear();
    this.#sync.fail();
  }
}
