/**
 * One replica's log: what it knows, when it rolls (3.3), syncs and is cut (5.5), the clean stop (4.3). Its parts share
 * log-state.ts; batches go in by log-writer.ts and out by log-reader.ts, what is synced is group-sync.ts's, a truncation's
 * steps are log-truncation.ts's, those of its old end log-trim.ts's, the state at start log-loader.ts's.
 *
 * Invariants: recovery point <= synced end <= written end <= log end; log start <= high watermark <= log end. Nothing is
 * awaited between a check and its change: whatever awaits refuses appends first.
 */
import { asOffset, asPosition, assert, SeededRandom } from "../base/index.ts";
import type { LeaderEpoch, Ms, Offset, PartitionId, Position, SharedMemory } from "../base/index.ts";
import { ProtoError } from "@tidemark/proto";
import type { BatchHeader } from "@tidemark/proto";
import { DiskFault } from "../ports/index.ts";
import type { TimerHandle } from "../ports/index.ts";
import { RELATIVE_OFFSET_MAX } from "./batch-fields.ts";
import type { EpochCache } from "./epoch-cache.ts";
import { EpochFile } from "./epoch-file.ts";
import { isPassing, isPassingFault, syncPath } from "./file-io.ts";
import { GroupSync } from "./group-sync.ts";
import { attempt } from "./log-host.ts";
import type { LogHost } from "./log-host.ts";
import type { LoadedLog } from "./log-loader.ts";
import { LogReader, slotOf } from "./log-reader.ts";
import { LogState } from "./log-state.ts";
import { LogTrim, retentionVerdict } from "./log-trim.ts";
import { LogTruncation } from "./log-truncation.ts";
import { writeRepair } from "./log-repair.ts";
import type { Repair } from "./log-repair.ts";
import { findDamage } from "./log-verification.ts";
import { LogWriter } from "./log-writer.ts";
import { findProducerBatch } from "./producer-replay.ts";
import type { ReplaySource } from "./producer-replay.ts";
import type { ProducerState } from "./producer-state.ts";
import { synced } from "./safe-write.ts";
import { Segment } from "./segment.ts";
import type { SnapshotStore } from "./snapshot-store.ts";
import { StorageError } from "./storage-error.ts";
import { findByTimestamp, findMaxTimestamp } from "./timestamp-search.ts";
import type { FoundRecord } from "./timestamp-search.ts";
import type { AbortedTransaction } from "./txn-index-file.ts";
import { findAborted } from "./txn-index.ts";
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

const NEVER = Number.MAX_SAFE_INTEGER;

/** Producers are looked through for expired ones this often, and only while batches come (Kafka's check interval). */
const EXPIRY_CHECK_MS = 600_000;

/** Of either kind of append. */
type NotTaken = Extract<AppendResult, { ok: false }> & FetchedResult;

const UNAVAILABLE: NotTaken = Object.freeze({ ok: false, code: "KAFKA_STORAGE_ERROR", fault: null });
const LATER: NotTaken = Object.freeze({ ok: false, code: "LATER", fault: null });
const TAKEN: FetchedResult = Object.freeze({ code: "OK", fault: null });
const GAP: FetchedResult = Object.freeze({ code: "GAP", fault: null });
const TOO_LARGE: AppendResult = Object.freeze({ ok: false, code: "RECORD_LIST_TOO_LARGE", fault: null });

const NO_EVENTS: LogEvents = { onWritten: () => undefined, onSynced: () => undefined, onSyncFailed: () => undefined };

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
  #lazyReader: LogReader | null = null;
  #lazyWriter: LogWriter | null = null;
  #lazyTruncator: LogTruncation | null = null;
  #lazyTrim: LogTrim | null = null;

  /** The newest one: files are not closed under it. */
  #truncation: Promise<void> | null = null;
  /** A truncation failed, or was given up for want of room. */
  #isHalfCut = false;
  /** The files are closed and may be renamed. */
  #isReleased = false;
  readonly damage: LogDamage | null;
  /** It is being filled again from a peer. */
  repair: Repair | null;
  #rot: FoundDamage | null = null;

  #syncAskedEnd: number;
  #flushTimer: TimerHandle | null = null;
  #nextExpiryAtMs: number;
  /** `segment.ms` less this segment's jitter. */
  #rollAfterMs = NEVER;

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
    });
    this.#epochs = loaded.epochs;
    this.#producers = loaded.producers;
    this.#producersCounted = loaded.producers.size;
    this.#snapshots = loaded.snapshots;
    this.damage = loaded.damage;
    this.repair = loaded.repair;
    this.#syncAskedEnd = loaded.syncedEnd;
    this.#nextExpiryAtMs = host.clock.monotonicNow() + EXPIRY_CHECK_MS;
    this.#sync = new GroupSync(
      { host, directory: this.directory, segments: this.#state.segments, snapshots: loaded.snapshots, owner: this },
      loaded,
    );
    this.#drawJitter();
  }

  get #reader(): LogReader {
    this.#lazyReader ??= new LogReader(this.#state);
    return this.#lazyReader;
  }

  get #writer(): LogWriter {
    this.#lazyWriter ??= new LogWriter({ ...this.#parts, onWritten: (fault) => this.#onWritten(fault) });
    return this.#lazyWriter;
  }

  get #truncator(): LogTruncation {
    this.#lazyTruncator ??= new LogTruncation({
      ...this.#parts,
      writer: this.#writer,
      reader: this.#reader,
      sync: this.#sync,
      snapshots: this.#snapshots,
      newSegment: (baseOffset) => this.#newSegment(baseOffset),
    });
    return this.#lazyTruncator;
  }

  get #trim(): LogTrim {
    this.#lazyTrim ??= new LogTrim({
      ...this.#parts,
      directory: this.directory,
      sync: this.#sync,
      snapshots: this.#snapshots,
      config: () => this.#config,
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
    return this.#rot;
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
    this.#drawJitter();
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
    if (this.#isRollDue(sizeBytes, this.#state.logEndOffset + header.lastOffsetDelta, header, now)) {
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
    if (this.#isRollDue(bytes.length, lastOffset, header, now)) {
      const unready = this.#rollNow();
      if (unready !== null) return unready;
    }
    const result = this.#writer.admitFetched(bytes, header);
    return result.ok ? TAKEN : { code: "KAFKA_STORAGE_ERROR", fault: result.fault };
  }

  writeAppended(): DiskFault | null {
    const fault = this.#writer.endTurn();
    if (this.#writer.turnNowMs >= this.#nextExpiryAtMs) this.#expireProducers();
    this.#countProducers();
    this.#flushByPolicy();
    return fault;
  }

  #onWritten(fault: DiskFault | null): void {
    this.#flushByPolicy();
    this.events.onWritten(fault);
  }

  whenWritten(): Promise<void> {
    return this.#lazyWriter?.settled() ?? Promise.resolve();
  }

  whenSettled(): Promise<void> | null {
    const { isTruncating, isClosed, isOffline, logEndOffset, logStartToKeep } = this.#state;
    if (isTruncating) return this.#truncation;
    if (!this.#isWritten) return this.whenWritten();
    if (logEndOffset >= logStartToKeep || isClosed || isOffline || this.isDamaged) return null;
    // A start would begin there: what came below would be acknowledged, and dropped by it.
    this.restartAt(logStartToKeep).catch(() => undefined);
    return this.#truncation;
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

  /** 3.3(1), (2). */
  #isRollDue(sizeBytes: number, lastOffset: number, header: BatchHeader, now: Ms): boolean {
    const active = this.#state.active;
    if (active.sizeBytes === 0) return false;
    if (active.sizeBytes + sizeBytes > this.#config.segmentBytes) return true;
    if (lastOffset - active.baseOffset > RELATIVE_OFFSET_MAX) return true;
    if (active.isIndexFull(this.#config.segmentIndexBytes)) return true;
    const firstTimestamp = active.firstTimestamp();
    const hasTime = firstTimestamp !== null && firstTimestamp >= 0;
    const ageMs = hasTime ? header.maxTimestamp - firstTimestamp : now - active.createdAt;
    return ageMs > this.#rollAfterMs;
  }

  /** No roll beside a write: its failure would have to undo the roll. */
  #rollNow(): NotTaken | null {
    const writeFault = this.#writer.write();
    if (writeFault === null && !this.#isWritten) return LATER;
    const fault = writeFault ?? this.#roll();
    return fault === null ? null : { ok: false, code: "KAFKA_STORAGE_ERROR", fault };
  }

  /** 3.3(3). On a fault the old segment stays the active one. */
  #roll(baseOffset = this.#state.logEndOffset): DiskFault | null {
    assert(this.#isWritten, "no roll beside a write");
    const sealed = this.#state.active;
    const segment = this.#newSegment(baseOffset);
    // Without room for indexes it goes on: they are written when the segment is finished. So it does without a snapshot.
    attempt(this.#host, () => sealed.finishIndexes());
    const createFault = attempt(this.#host, () => segment.create());
    if (createFault !== null) return createFault;
    attempt(this.#host, () => this.#writeSnapshot());
    sealed.isSealed = true;
    this.#state.segments.push(segment);
    this.#state.active = segment;
    segment.entryVersion = this.#sync.directoryChanged();
    this.#snapshots.prune(new Set(this.#state.segments.map(({ baseOffset }) => baseOffset)));
    this.#sync.finishSealed();
    this.#drawJitter();
    return null;
  }

  #newSegment(baseOffset: Offset): Segment {
    return new Segment({
      files: this.#host.files,
      directory: this.directory,
      baseOffset,
      indexIntervalBytes: this.#config.indexIntervalBytes,
      createdAt: this.#host.clock.wallNow(),
      logger: this.#host.logger,
    });
  }

  async skipTo(offset: Offset, isWanted = (): boolean => true): Promise<boolean> {
    const { generation, logEndOffset } = this.#state;
    assert(offset - logEndOffset > 0, "a gap lies beyond the log end");
    this.#writer.write();
    if (!this.#isWritten) await this.whenWritten();
    const isSynced = await this.flush();
    const hasMoved = generation !== this.#state.generation || logEndOffset !== this.#state.logEndOffset;
    if (!isSynced || hasMoved || !isWanted() || this.#refusesAppends || this.#roll(offset) !== null) return false;
    this.#state.skipTo(offset);
    return true;
  }

  /** Once per segment, the same for the same segment: what matters is that partitions do not roll together. */
  #drawJitter(): void {
    const { segmentMs, segmentJitterMs } = this.#config;
    const spanMs = Math.min(segmentJitterMs, segmentMs);
    this.#rollAfterMs = segmentMs;
    if (spanMs === 0) return;
    const random = new SeededRandom(this.#state.active.baseOffset).fork(`${this.topicId}-${this.partition}`);
    this.#rollAfterMs -= random.below(spanMs);
  }

  #writeSnapshot(): void {
    if (this.#state.logEndOffset > this.#state.logStartOffset)
      this.#snapshots.write(this.#state.logEndOffset, this.#producers);
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
    return this.#searched(() => findProducerBatch(this.#replaySource, wanted, this.#state.writtenEnd));
  }

  get #replaySource(): ReplaySource {
    return { segments: this.#state.segments, snapshots: this.#snapshots, logStartOffset: this.#state.logStartOffset };
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
    this.#assertReadable();
    try {
      return findAborted(this.#state.segments, from, to);
    } catch (error: unknown) {
      if (error instanceof DiskFault && !isPassing(error)) this.#host.onIoFault(error);
      throw error;
    }
  }

  // ---- sync ----

  sync(): void {
    this.#syncAskedEnd = this.#state.writtenEnd;
    this.#sync.request();
  }

  /** 3.4(1): `flush.messages` and `flush.ms`. */
  #flushByPolicy(): void {
    const { flushMessages, flushMs } = this.#config;
    if (this.#state.isClosed || this.#state.isOffline) return;
    if (flushMessages < NEVER && this.#state.writtenEnd - this.#syncAskedEnd >= flushMessages) this.sync();
    if (flushMs >= NEVER || this.#flushTimer !== null || this.#state.writtenEnd <= this.#syncAskedEnd) return;
    this.#flushTimer = this.#host.timers.after(flushMs, () => {
      this.#flushTimer = null;
      if (!this.#state.isClosed && !this.#state.isOffline) this.sync();
    });
  }

  /** True when all that is written is synced and sealed segments are finished; false when a fault is in the way. */
  flush(): Promise<boolean> {
    this.#syncAskedEnd = this.#state.writtenEnd;
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
    return this.#watched(() => this.#reader.read(offset, maxBytes, this.#readLimit(offset, limit)));
  }

  readTail(offset: Offset, maxBytes: number, limit: Offset): ReadResult | null {
    this.#assertReadable();
    return orElsewhere(() => this.#reader.readTail(offset, maxBytes, this.#readLimit(offset, limit)));
  }

  readInto(into: Buffer, at: number, offset: Offset, limit: Offset): Promise<ReadSpan> {
    return this.#watched(() => this.#reader.readInto(into, at, offset, this.#readLimit(offset, limit)));
  }

  readTailInto(into: Buffer, at: number, offset: Offset, limit: Offset): ReadSpan | null {
    this.#assertReadable();
    return orElsewhere(() => this.#reader.readTailInto(into, at, offset, this.#readLimit(offset, limit)));
  }

  readCached(offset: Offset, maxBytes: number, limit: Offset): CachedRecords | null {
    this.#assertReadable();
    return this.#lazyWriter?.tail?.read(offset, maxBytes, this.#readLimit(offset, limit)) ?? null;
  }

  findByTimestamp(timestamp: number, limit: Offset): Promise<FoundRecord | null> {
    return this.#searched(() =>
      findByTimestamp(this.#state, timestamp, this.#state.logStartOffset, this.#readLimit(0, limit)),
    );
  }

  findMaxTimestamp(limit: Offset): Promise<FoundRecord | null> {
    return this.#searched(() => findMaxTimestamp(this.#state, this.#state.logStartOffset, this.#readLimit(0, limit)));
  }

  /** What was found before a truncation need not be there after it (5.5(2)). */
  async #searched<T>(search: () => Promise<T>): Promise<T> {
    const { generation } = this.#state;
    const wasCut = (): boolean => generation !== this.#state.generation;
    try {
      const found = await this.#watched(search);
      if (!wasCut()) return found;
    } catch (error: unknown) {
      // A batch that was cut while it was read is no rotten one.
      if (!(error instanceof ProtoError) || !wasCut()) throw error;
    }
    throw this.#unavailable("the log was cut while it was searched");
  }

  /** A read that meets an I/O error takes the directory offline (3.8(1)), and rejects all the same. */
  async #watched<T>(read: () => Promise<T>): Promise<T> {
    this.#assertReadable();
    const { generation, removals } = this.#state;
    try {
      return await read();
    } catch (error: unknown) {
      if (!(error instanceof DiskFault)) throw error;
      // Files go with a truncation, with retention, and with the log; that is nothing the disk did.
      const { isClosed } = this.#state;
      const hasMoved = isClosed || generation !== this.#state.generation || removals !== this.#state.removals;
      if (error.kind === "ENOENT" && hasMoved) throw this.#unavailable("the log was cut or closed while it was read");
      if (!isPassing(error) && !isClosed) this.#host.onIoFault(error);
      throw error;
    }
  }

  /** Nothing unwritten leaves the log (3.1(9)), nothing that is known to be bad, and nothing at all while it is cut. */
  #readLimit(offset: number, limit: Offset): Offset {
    if (this.#state.isTruncating) return asOffset(0);
    const isBeforeRot = this.#rot !== null && offset < this.#rot.until;
    return asOffset(Math.min(limit, this.#state.writtenEnd, isBeforeRot ? (this.#rot?.offset ?? limit) : limit));
  }

  async verify({ from, to, pace = (): null => null }: VerifyOptions): Promise<FoundDamage | null> {
    if (this.isDamaged || this.#rot !== null) return this.#rot;
    const isGapless = !this.#config.cleanupPolicy.includes("compact");
    const source = { state: this.#state, epochs: this.#epochs, isGapless };
    const found = await this.#watched(() => findDamage(source, { from, to, pace }));
    this.#rot ??= found;
    return this.#rot;
  }

  /** What had to go is gone, durably: from here on the repair is a matter of filling up. */
  async beginFetch(): Promise<void> {
    if (this.repair?.phase !== "cut") return;
    const fetching = { offset: this.repair.offset, phase: "fetch" } as const;
    await writeRepair(this.#host, this.directory, fetching);
    this.repair = fetching;
  }

  rebuildIndexes(offset: Offset): Promise<void> {
    const { segments } = this.#state;
    return this.#watched(() => segments[Math.max(0, slotOf(segments, offset))]?.rebuild() ?? Promise.resolve());
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
    return this.#cutting(() => this.#cutTo(offset));
  }

  restartAt(offset: Offset, promisedLogStart = offset): Promise<void> {
    assert(promisedLogStart >= offset, "a log starts at its first offset or later");
    return this.#cutting(() => this.#restartAt(offset, promisedLogStart));
  }

  async #cutting(cut: () => Promise<void>): Promise<void> {
    assert(!this.#state.isTruncating && !this.#state.isClosed && !this.isDamaged, "the log can be truncated");
    this.#writer.write();
    this.#state.isTruncating = true;
    this.#state.isTouched = true;
    try {
      // The write in flight ends first, and nothing new is queued.
      await (this.#truncation = this.whenWritten().then(cut));
    } catch (error: unknown) {
      // Half cut, the log is nothing that may be appended to: the directory goes offline, a start will mend it. It need not
      // when the log was closed, maybe with its topic deleted, while the truncation waited for room.
      this.#isHalfCut = true;
      const isGivenUp = this.#state.isClosed && isPassingFault(error);
      if (error instanceof DiskFault && !isGivenUp) this.#host.onIoFault(error);
      throw error;
    } finally {
      this.#state.isTruncating = false;
    }
  }

  async #cutTo(offset: Offset): Promise<void> {
    if (offset >= this.#state.logEndOffset) {
      this.#epochs.truncateEnd(offset);
      return;
    }
    await this.#truncator.run(offset);
    if (this.#rot !== null && this.#rot.offset >= this.#state.logEndOffset) this.#rot = null;
    this.#syncAskedEnd = Math.min(this.#syncAskedEnd, this.#state.writtenEnd);
    this.#drawJitter();
  }

  async #restartAt(offset: Offset, promisedLogStart: Offset): Promise<void> {
    const { logStartOffset, logEndOffset, segments } = this.#state;
    const isThere = offset === logStartOffset && offset === logEndOffset && segments[0]?.baseOffset === offset;
    if (isThere && promisedLogStart === offset) return;
    await this.#truncator.restart(offset, promisedLogStart);
    this.#rot = null;
    this.#syncAskedEnd = Math.min(this.#syncAskedEnd, offset);
    this.#drawJitter();
  }

  // ---- the end ----

  /** Clean stop (4.3): everything on stable storage, then the files are closed. False: no marker may say so. */
  async close(): Promise<boolean> {
    // Taken away, and only its name could not be freed.
    if (this.#isReleased) return true;
    this.#lazyWriter?.write();
    this.#state.isClosed = true;
    this.#flushTimer?.cancel();
    await this.whenWritten();
    await this.#truncation?.catch(() => undefined);
    await this.#lazyTrim?.release();
    try {
      // After a clean stop nobody would look at the bytes again, and the damage would be forgotten.
      if (this.isDamaged || this.#isHalfCut || this.#state.isOffline) return false;
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
      this.#writeSnapshot();
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
    this.#flushTimer?.cancel();
    await this.whenWritten();
    await this.#truncation?.catch(() => undefined);
    await this.#lazyTrim?.release();
    this.#isReleased = true;
    this.#lazyWriter?.tail?.clear();
    await this.#sync.quiesce();
    await this.#epochFile?.settled();
    await this.#lazyWriter?.cutSettled().catch(() => undefined);
    for (const { log } of [...this.#state.segments, ...(this.#lazyTruncator?.doomed ?? [])]) {
      await log.retire();
    }
  }

  /** The directory went offline: appends are refused, no sync counts any more. */
  goOffline(): void {
    this.#state.isOffline = true;
    this.#lazyWriter?.tail?.clear();
    this.#sync.fail();
  }

  #assertReadable(): void {
    if (this.#state.isClosed) throw this.#unavailable("the log is closed");
  }

  #unavailable(message: string): StorageError {
    return new StorageError("LOG_UNAVAILABLE", this.directory, message);
  }
}

/** Off the event loop the same read is tried again, and says what is wrong. */
function orElsewhere<T>(readTail: () => T | null): T | null {
  try {
    return readTail();
  } catch (error: unknown) {
    if (error instanceof DiskFault) return null;
    throw error;
  }
}
