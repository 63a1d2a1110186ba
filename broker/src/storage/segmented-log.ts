/**
 * One replica's log: the order of 3.1(4)-(12), rolls (3.3), truncation (5.5), the clean stop (4.3). It keeps the ends; the
 * bytes lie in segments, what is synced is group-sync.ts's, reads are log-reader.ts's, the state at start log-loader.ts's.
 *
 * `append` only queues: offsets, indexes, epochs and producers move at once, and one vectored write per turn and segment
 * follows. When that write fails, the log is cut back to its last whole batch: all of those go back with it, and what is
 * handed over behind it in the same turn is refused. After a cut nothing is appended before the shortened file is synced,
 * or a page of the old tail could come back under a newer one (5.5(3)).
 *
 * Invariants: recovery point <= synced end <= written end <= log end; written end = log end outside of a turn; log start
 * <= high watermark <= log end. Nothing is awaited between a check and its change: whatever awaits refuses appends first.
 */
import { asOffset, asPosition, assert, SeededRandom } from "../base/index.ts";
import type { LeaderEpoch, Ms, Offset, PartitionId, Position } from "../base/index.ts";
import { patchBatch } from "@tidemark/proto";
import type { BatchHeader } from "@tidemark/proto";
import { DiskFault } from "../ports/index.ts";
import type { TimerHandle } from "../ports/index.ts";
import { AppendQueue } from "./append-queue.ts";
import { RELATIVE_OFFSET_MAX } from "./batch-fields.ts";
import type { EpochCache } from "./epoch-cache.ts";
import { EpochFile } from "./epoch-file.ts";
import { isPassing, syncPath } from "./file-io.ts";
import { GroupSync } from "./group-sync.ts";
import type { LogHost } from "./log-host.ts";
import type { LoadedLog } from "./log-loader.ts";
import { LogReader, slotOf } from "./log-reader.ts";
import { findProducerBatch, replayProducers } from "./producer-replay.ts";
import type { ReplaySource } from "./producer-replay.ts";
import type { ProducerState } from "./producer-state.ts";
import { synced } from "./safe-write.ts";
import { Segment } from "./segment.ts";
import type { SegmentMark } from "./segment.ts";
import type { SnapshotStore } from "./snapshot-store.ts";
import { StorageError } from "./storage-error.ts";
import { findByTimestamp, findMaxTimestamp } from "./timestamp-search.ts";
import type { FoundRecord } from "./timestamp-search.ts";
import type {
  AppendResult,
  LogConfig,
  LogEvents,
  PartitionLog,
  ProducerBatch,
  ProducerEntry,
  ReadResult,
  ReadSpan,
} from "./types.ts";

const NEVER = Number.MAX_SAFE_INTEGER;

/** Producers are looked through for expired ones this often, and only while batches come (Kafka's check interval). */
const EXPIRY_CHECK_MS = 600_000;

/** How long the cut of a failed write waits for room, each time. */
const CUT_RETRY_MS = 1_000;

const UNAVAILABLE: AppendResult = Object.freeze({ ok: false, code: "KAFKA_STORAGE_ERROR", fault: null });
const TOO_LARGE: AppendResult = Object.freeze({ ok: false, code: "RECORD_LIST_TOO_LARGE", fault: null });

const NO_EVENTS: LogEvents = { onSynced: () => undefined, onSyncFailed: () => undefined };

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
  readonly #segments: Segment[];
  #active: Segment;
  /** Segments that a truncation has taken out and not yet removed. */
  #doomed: readonly Segment[] = [];
  readonly #epochs: EpochCache;
  readonly #epochFile: EpochFile;
  readonly #producers: ProducerState;
  readonly #snapshots: SnapshotStore;
  readonly #sync: GroupSync;
  readonly #reader: LogReader;
  /** The generation rises with every truncation: what was read or synced before it counts for nothing after. */
  readonly #view: { readonly segments: readonly Segment[]; generation: number };

  #logStartOffset: Offset;
  #logEndOffset: Offset;
  #writtenEnd: Offset;
  /** Invariant: log start <= high watermark <= log end; asserted in the setter. */
  #highWatermark: Offset;

  readonly #queue = new AppendQueue();
  /** A write of this turn failed: what is handed over behind it is refused until the owner has heard of it. */
  #turnFault: DiskFault | null = null;
  #turnNowMs: number;
  /** The active segment before this turn's first batch. */
  #turnMark: SegmentMark | null = null;

  /** A cut file is not synced yet. */
  #isCutPending = false;
  #cutSync: Promise<void> = Promise.resolve();
  /** Runs while a cut waits for room. */
  #cutTimer: TimerHandle | null = null;
  #isTruncating = false;
  /** The newest one: files are not closed under it. */
  #truncation: Promise<void> = Promise.resolve();
  #isClosed = false;
  /** The files are closed and may be renamed. */
  #isReleased = false;
  #isOffline = false;
  /** The checkpointed recovery point of a damaged log, which ends below it; null = not damaged. */
  readonly #damagedRecoveryPoint: Offset | null;

  /** False: nothing happened since a clean stop, and a stop has nothing to write. */
  #isTouched: boolean;
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
    this.#segments = loaded.segments;
    this.#active = lastOf(loaded.segments);
    this.#view = { segments: this.#segments, generation: 0 };
    this.#epochs = loaded.epochs;
    this.#epochFile = new EpochFile(host, options.directory, loaded.epochs);
    this.#producers = loaded.producers;
    this.#snapshots = loaded.snapshots;
    this.#logStartOffset = loaded.logStartOffset;
    this.#logEndOffset = this.#active.endOffset;
    this.#writtenEnd = this.#active.endOffset;
    this.#highWatermark = asOffset(
      Math.min(Math.max(options.highWatermark ?? 0, loaded.logStartOffset), this.#logEndOffset),
    );
    this.#damagedRecoveryPoint = loaded.damagedRecoveryPoint;
    this.#isTouched = loaded.wasRecovered;
    this.#syncAskedEnd = loaded.syncedEnd;
    this.#turnNowMs = host.clock.monotonicNow();
    this.#nextExpiryAtMs = this.#turnNowMs + EXPIRY_CHECK_MS;
    this.#reader = new LogReader(this.#view);
    this.#sync = new GroupSync(
      {
        host,
        directory: this.directory,
        segments: this.#segments,
        syncSnapshot: (offset) => this.#snapshots.sync(offset),
        onSynced: (end) => this.events.onSynced(end),
        onRecoveryPoint: () => host.onRecoveryPointMoved(),
      },
      loaded,
    );
    this.#drawJitter();
  }

  // ---- what it knows ----

  get config(): LogConfig {
    return this.#config;
  }

  get logStartOffset(): Offset {
    return this.#logStartOffset;
  }

  get logEndOffset(): Offset {
    return this.#logEndOffset;
  }

  get writtenEndOffset(): Offset {
    return this.#writtenEnd;
  }

  get syncedEndOffset(): Offset {
    return this.#sync.syncedEnd;
  }

  get recoveryPoint(): Offset {
    return this.#sync.recoveryPoint;
  }

  /** What the checkpoint has to say. That of a damaged log stays, or the next start would take the damage for a torn tail. */
  get recoveryPointToKeep(): Offset {
    return this.#damagedRecoveryPoint ?? this.#sync.recoveryPoint;
  }

  get highWatermark(): Offset {
    return this.#highWatermark;
  }

  set highWatermark(offset: Offset) {
    if (offset === this.#highWatermark) return;
    assert(offset >= this.#logStartOffset && offset <= this.#logEndOffset, "the high watermark lies inside the log");
    this.#highWatermark = offset;
    this.#host.onHighWatermarkMoved();
  }

  get sizeBytes(): number {
    return this.#segments.reduce((sum, segment) => sum + segment.sizeBytes, 0);
  }

  get segmentCount(): number {
    return this.#segments.length;
  }

  get firstSegmentBase(): Offset {
    return firstOf(this.#segments).baseOffset;
  }

  get latestEpoch(): LeaderEpoch {
    return this.#epochs.latest;
  }

  get maxTimestamp(): number {
    return this.#segments.reduce((newest, segment) => Math.max(newest, segment.maxTimestamp), -1);
  }

  get isDamaged(): boolean {
    return this.#damagedRecoveryPoint !== null;
  }

  segments(): readonly { baseOffset: Offset; sizeBytes: Position; path: string }[] {
    return this.#segments.map(({ baseOffset, writtenBytes, log }) => ({
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

  startEpoch(epoch: LeaderEpoch): void {
    assert(epoch >= this.#epochs.latest, `epoch ${epoch} begins after ${this.#epochs.latest}`);
    this.#epochs.add(epoch, this.#logEndOffset);
    this.#isTouched = true;
  }

  endOffsetFor(epoch: LeaderEpoch): { epoch: LeaderEpoch; endOffset: Offset } | null {
    return this.#epochs.endOffsetFor(epoch, this.#logEndOffset);
  }

  /** Lowest start of an epoch entry that the file does not have right; Infinity = it is exact. */
  get epochsDirtyFrom(): number {
    return this.#epochs.dirtyFrom;
  }

  /** Resolves when the epoch file is exact, or `isWanted` says no when its turn has come (epoch-file.ts). */
  writeEpochs(isWanted: () => boolean = () => true): Promise<void> {
    // Offline, a fault may have left the cache half changed, and what the disk has is right.
    return this.#epochFile.write(() => !this.#isReleased && !this.#isOffline && isWanted());
  }

  // ---- append ----

  append(bytes: Buffer, header: BatchHeader, leaderEpoch: LeaderEpoch, now: Ms): AppendResult {
    if (this.#refusesAppends) return UNAVAILABLE;
    const sizeBytes = bytes.length;
    if (sizeBytes > this.#config.segmentBytes) return TOO_LARGE;
    if (this.#isRollDue(sizeBytes, header, now)) {
      const fault = this.#roll();
      if (fault !== null) return { ok: false, code: "KAFKA_STORAGE_ERROR", fault };
    }
    if (this.#queue.isEmpty) {
      const fault = this.#beginTurn();
      if (fault !== null) return { ok: false, code: "KAFKA_STORAGE_ERROR", fault };
    }

    const baseOffset = this.#logEndOffset;
    const lastOffset = asOffset(baseOffset + header.lastOffsetDelta);
    const nextOffset = asOffset(lastOffset + 1);
    const { producerId } = header;
    patchBatch(bytes, 0, baseOffset, leaderEpoch);
    if (leaderEpoch !== this.#epochs.latest) this.#epochs.add(leaderEpoch, baseOffset);
    this.#active.admit(sizeBytes, lastOffset, header.maxTimestamp);
    const producerBefore = producerId < 0 ? undefined : this.#producers.get(producerId);
    if (producerId >= 0) this.#producers.update(header, baseOffset, this.#turnNowMs);
    this.#queue.push(bytes, { sizeBytes, nextOffset, maxTimestamp: header.maxTimestamp, producerId, producerBefore });
    this.#logEndOffset = nextOffset;
    return { ok: true, baseOffset, lastOffset };
  }

  #beginTurn(): DiskFault | null {
    this.#turnNowMs = this.#host.clock.monotonicNow();
    // An idle log has dropped its indexes.
    const fault = this.#active.hasIndexes ? null : this.#attempt(() => this.#active.loadIndexes());
    this.#turnMark = this.#active.mark();
    return fault;
  }

  writeAppended(): DiskFault | null {
    const fault = this.#turnFault ?? this.#writeQueue();
    this.#turnFault = null;
    if (this.#turnNowMs >= this.#nextExpiryAtMs) this.#expireProducers();
    this.#flushByPolicy();
    return fault;
  }

  get #refusesAppends(): boolean {
    return (
      this.#isCutPending ||
      this.#turnFault !== null ||
      this.#isTruncating ||
      this.#isClosed ||
      this.#isOffline ||
      this.#damagedRecoveryPoint !== null
    );
  }

  #writeQueue(): DiskFault | null {
    if (this.#queue.isEmpty) return null;
    this.#isTouched = true;
    const active = this.#active;
    const { fault, bytesDone } = this.#queue.write(active.log, active.writtenBytes);
    if (fault !== null) return this.#cutBack(fault, bytesDone);
    this.#queue.clear();
    this.#writtenEnd = this.#logEndOffset;
    // An index that finds no room is written with its next step.
    this.#attempt(() => active.written());
    return null;
  }

  /** 3.1(12): the log ends behind the last batch that is whole in the file; LEO, indexes and producers go back with it. */
  #cutBack(fault: DiskFault, bytesDone: number): DiskFault {
    const active = this.#active;
    const wholeCount = this.#queue.wholeCount(bytesDone);
    const { batches } = this.#queue;
    assert(this.#turnMark !== null, "a turn that queued has a mark");
    active.restore(this.#turnMark);
    for (const { sizeBytes, nextOffset, maxTimestamp } of batches.slice(0, wholeCount)) {
      active.admit(sizeBytes, nextOffset - 1, maxTimestamp);
    }
    for (const { producerId, producerBefore } of batches.slice(wholeCount).reverse()) {
      if (producerId >= 0) this.#producers.restore(producerId, producerBefore);
    }
    this.#queue.clear();
    this.#turnFault = fault;
    const end = active.endOffset;
    this.#logEndOffset = end;
    this.#writtenEnd = end;
    this.#highWatermark = asOffset(Math.min(this.#highWatermark, end));
    this.#cutEpochsBack(end);
    this.#attempt(() => active.written());
    // A file that could not even be opened is as long as it was.
    if (fault.operation !== "open") this.#cutFile(active);
    if (!isPassing(fault)) this.#host.onIoFault(fault);
    return fault;
  }

  #cutFile(segment: Segment): void {
    this.#isCutPending = true;
    if (this.#attempt(() => this.#host.beginCut()) !== null) return this.#cutFileLater();
    try {
      segment.log.truncateSync(segment.writtenBytes);
    } catch (error: unknown) {
      if (!(error instanceof DiskFault)) throw error;
      this.#host.onIoFault(error);
      return;
    }
    this.#cutSync = this.#syncCutFile(segment);
    this.#host.supervise(this.#cutSync);
  }

  /** No room even for the mark of a cut: until there is, the file stays longer than the log, and nothing is appended. */
  #cutFileLater(): void {
    this.#cutTimer = this.#host.timers.after(CUT_RETRY_MS, () => {
      this.#cutTimer = null;
      if (this.#isClosed || this.#isOffline) return;
      if (this.#isTruncating) this.#cutFileLater();
      else this.#cutFile(this.#active);
    });
  }

  /** The leader that writes here keeps its epoch: it begins at the lower end now. */
  #cutEpochsBack(end: Offset): void {
    const epoch = this.#epochs.latest;
    this.#epochs.truncateEnd(asOffset(end + 1));
    if (epoch > this.#epochs.latest) this.#epochs.add(epoch, end);
  }

  async #syncCutFile(segment: Segment): Promise<void> {
    await synced(
      this.#host,
      this.#host.slots.runAsync(() => syncPath(this.#host.disk, segment.log.path)),
    );
    this.#isCutPending = false;
    this.#host.endCut();
  }

  // ---- roll ----

  /** 3.3(1), (2). */
  #isRollDue(sizeBytes: number, header: BatchHeader, now: Ms): boolean {
    const active = this.#active;
    if (active.sizeBytes === 0) return false;
    if (active.sizeBytes + sizeBytes > this.#config.segmentBytes) return true;
    if (this.#logEndOffset + header.lastOffsetDelta - active.baseOffset > RELATIVE_OFFSET_MAX) return true;
    if (active.isIndexFull(this.#config.segmentIndexBytes)) return true;
    const firstTimestamp = active.firstTimestamp();
    const hasTime = firstTimestamp !== null && firstTimestamp >= 0;
    const ageMs = hasTime ? header.maxTimestamp - firstTimestamp : now - active.createdAt;
    return ageMs > this.#rollAfterMs;
  }

  /** 3.3(3). On a fault the old segment stays the active one. */
  #roll(): DiskFault | null {
    const fault = this.#writeQueue();
    if (fault !== null) return fault;
    const sealed = this.#active;
    const segment = new Segment({
      files: this.#host.files,
      directory: this.directory,
      baseOffset: this.#logEndOffset,
      indexIntervalBytes: this.#config.indexIntervalBytes,
      createdAt: this.#host.clock.wallNow(),
      logger: this.#host.logger,
    });
    // Without room for indexes it goes on: they are written when the segment is finished. So it does without a snapshot.
    this.#attempt(() => sealed.finishIndexes());
    const createFault = this.#attempt(() => segment.create());
    if (createFault !== null) return createFault;
    this.#attempt(() => this.#writeSnapshot());
    sealed.isSealed = true;
    this.#segments.push(segment);
    this.#active = segment;
    segment.entryVersion = this.#sync.directoryChanged();
    this.#snapshots.prune(new Set(this.#segments.map(({ baseOffset }) => baseOffset)));
    this.#sync.finishSealed();
    this.#drawJitter();
    return null;
  }

  /** Once per segment, the same for the same segment: what matters is that partitions do not roll together. */
  #drawJitter(): void {
    const { segmentMs, segmentJitterMs } = this.#config;
    const spanMs = Math.min(segmentJitterMs, segmentMs);
    const random = new SeededRandom(this.#active.baseOffset).fork(`${this.topicId}-${this.partition}`);
    this.#rollAfterMs = segmentMs - (spanMs === 0 ? 0 : random.below(spanMs));
  }

  #writeSnapshot(): void {
    if (this.#logEndOffset > this.#logStartOffset) this.#snapshots.write(this.#logEndOffset, this.#producers);
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
    return this.#searched(() => findProducerBatch(this.#replaySource, wanted, this.#writtenEnd));
  }

  get #replaySource(): ReplaySource {
    return { segments: this.#segments, snapshots: this.#snapshots, logStartOffset: this.#logStartOffset };
  }

  #expireProducers(): void {
    this.#nextExpiryAtMs = this.#turnNowMs + EXPIRY_CHECK_MS;
    this.#producers.expire(this.#turnNowMs - this.#config.producerIdExpirationMs);
  }

  // ---- sync ----

  sync(): void {
    this.#syncAskedEnd = this.#writtenEnd;
    this.#sync.request();
  }

  /** 3.4(1): `flush.messages` and `flush.ms`. */
  #flushByPolicy(): void {
    const { flushMessages, flushMs } = this.#config;
    if (flushMessages < NEVER && this.#writtenEnd - this.#syncAskedEnd >= flushMessages) this.sync();
    if (flushMs >= NEVER || this.#flushTimer !== null || this.#writtenEnd <= this.#syncAskedEnd) return;
    this.#flushTimer = this.#host.timers.after(flushMs, () => {
      this.#flushTimer = null;
      if (!this.#isClosed && !this.#isOffline) this.sync();
    });
  }

  /** True when all that is written is synced and sealed segments are finished; false when a fault is in the way. */
  flush(): Promise<boolean> {
    this.#syncAskedEnd = this.#writtenEnd;
    return this.#sync.flush();
  }

  /** 4.2(10): the log and its directory are synced as recovery left them, whatever counted as synced before. */
  async settle(): Promise<void> {
    await this.#sync.syncCut(this.#active);
    await this.flush();
  }

  /** Background work after a start: sealed segments that were recovered have to be finished like those just rolled. */
  finishSealed(): void {
    if (!this.isDamaged) this.#sync.finishSealed();
  }

  // ---- reads ----

  read(offset: Offset, maxBytes: number, limit: Offset): Promise<ReadResult> {
    return this.#watched(() => this.#reader.read(offset, maxBytes, this.#readLimit(limit)));
  }

  readTail(offset: Offset, maxBytes: number, limit: Offset): ReadResult | null {
    this.#assertReadable();
    return orElsewhere(() => this.#reader.readTail(offset, maxBytes, this.#readLimit(limit)));
  }

  readInto(into: Buffer, at: number, offset: Offset, limit: Offset): Promise<ReadSpan> {
    return this.#watched(() => this.#reader.readInto(into, at, offset, this.#readLimit(limit)));
  }

  readTailInto(into: Buffer, at: number, offset: Offset, limit: Offset): ReadSpan | null {
    this.#assertReadable();
    return orElsewhere(() => this.#reader.readTailInto(into, at, offset, this.#readLimit(limit)));
  }

  findByTimestamp(timestamp: number, limit: Offset): Promise<FoundRecord | null> {
    return this.#searched(() => findByTimestamp(this.#view, timestamp, this.#logStartOffset, this.#readLimit(limit)));
  }

  findMaxTimestamp(limit: Offset): Promise<FoundRecord | null> {
    return this.#searched(() => findMaxTimestamp(this.#view, this.#logStartOffset, this.#readLimit(limit)));
  }

  /** What was found before a truncation need not be there after it (5.5(2)). */
  async #searched<T>(search: () => Promise<T>): Promise<T> {
    const { generation } = this.#view;
    const found = await this.#watched(search);
    if (generation !== this.#view.generation) throw this.#unavailable("the log was cut while it was searched");
    return found;
  }

  /** A read that meets an I/O error takes the directory offline (3.8(1)), and rejects all the same. */
  async #watched<T>(read: () => Promise<T>): Promise<T> {
    this.#assertReadable();
    const { generation } = this.#view;
    try {
      return await read();
    } catch (error: unknown) {
      if (!(error instanceof DiskFault)) throw error;
      // Files go with a truncation, and with the log; that is nothing the disk did.
      const wentAway = error.kind === "ENOENT" && (this.#isClosed || generation !== this.#view.generation);
      if (wentAway) throw this.#unavailable("the log was cut or closed while it was read");
      if (!isPassing(error) && !this.#isClosed) this.#host.onIoFault(error);
      throw error;
    }
  }

  /** Nothing unwritten leaves the log (3.1(9)), and nothing at all while it is cut. */
  #readLimit(limit: Offset): Offset {
    return this.#isTruncating ? asOffset(0) : asOffset(Math.min(limit, this.#writtenEnd));
  }

  // ---- truncation ----

  async raiseLogStart(offset: Offset): Promise<void> {
    assert(offset <= this.#highWatermark, `log start ${offset} would pass the high watermark ${this.#highWatermark}`);
    if (offset > this.#logStartOffset) {
      this.#logStartOffset = offset;
      this.#isTouched = true;
    }
    await this.#host.checkpointLogStarts();
    // Not before: a crash may bring the old log start back, and with it offsets whose epochs are asked for.
    this.#epochs.truncateStart(offset);
  }

  /** 5.5. */
  async truncateTo(offset: Offset): Promise<void> {
    assert(!this.#isTruncating && !this.#isClosed && !this.isDamaged, "the log can be truncated");
    assert(offset >= this.#logStartOffset, `truncation to ${offset}, below the log start ${this.#logStartOffset}`);
    // The write in flight ends first, and nothing new is queued.
    if (this.#turnFault === null) this.#writeQueue();
    this.#isTruncating = true;
    this.#isTouched = true;
    try {
      if (offset >= this.#logEndOffset) this.#epochs.truncateEnd(offset);
      else await (this.#truncation = this.#truncate(offset));
    } catch (error: unknown) {
      // Half cut, the log is nothing that may be appended to: the directory goes offline, a start will mend it.
      if (error instanceof DiskFault) this.#host.onIoFault(error);
      throw error;
    } finally {
      this.#isTruncating = false;
    }
  }

  async #truncate(offset: Offset): Promise<void> {
    const { position, end } = await this.#boundaryAt(offset);
    const slot = Math.max(0, slotOf(this.#segments, end));
    const kept = this.#segments[slot];
    assert(kept !== undefined, "a log has a segment");
    const producers = await replayProducers(this.#replaySource, end, this.#host.clock.monotonicNow());

    // (1), (2): in memory, in one stretch.
    this.#view.generation += 1;
    this.#reader.forget();
    const doomed = this.#segments.splice(slot + 1);
    this.#doomed = doomed;
    this.#active = kept;
    kept.isSealed = false;
    kept.isFinished = false;
    this.#epochs.truncateEnd(end);
    this.#logEndOffset = end;
    this.#writtenEnd = end;
    const isBelowHighWatermark = end < this.#highWatermark;
    this.#highWatermark = asOffset(Math.min(this.#highWatermark, end));
    this.#syncAskedEnd = Math.min(this.#syncAskedEnd, end);
    kept.cut(position, end);
    this.#sync.truncate(end);
    this.#producers.replaceBy(producers);
    this.#drawJitter();

    // (3): first the recovery point, then the files, newest first; then both are made to last.
    await this.#untilThereIsRoom(() => this.#host.checkpointRecoveryPoints());
    // The checkpointed one is a lower bound: above a cut end it would be one no longer, once the log grew again.
    if (isBelowHighWatermark) await this.#untilThereIsRoom(() => this.#host.checkpointHighWatermarks());
    await this.#sync.quiesce();
    await this.#cutSync;
    await this.#untilThereIsRoom(async () => this.#host.beginCut());
    for (let segment = doomed.pop(); segment !== undefined; segment = doomed.pop()) {
      await segment.log.retire();
      segment.remove();
    }
    await kept.log.whenIdle();
    kept.log.truncateSync(position);
    kept.flushIndexes();
    this.#snapshots.deleteAbove(end);
    this.#sync.directoryChanged();
    await this.#sync.syncCut(kept);
    this.#host.endCut();
    this.#sync.release();
    this.#sync.finishSealed();
  }

  /** A truncation cannot be left half done: on a full disk it waits, and appends with it. */
  async #untilThereIsRoom(work: () => Promise<void>): Promise<void> {
    for (;;) {
      try {
        return await work();
      } catch (error: unknown) {
        if (!(error instanceof DiskFault && isPassing(error)) || this.#isClosed || this.#isOffline) throw error;
        await new Promise<void>((resolve) => {
          this.#host.timers.after(CUT_RETRY_MS, resolve);
        });
      }
    }
  }

  /** Where the batch begins that contains `offset`, and its base; or `offset` itself where a batch ends before it. */
  async #boundaryAt(offset: Offset): Promise<{ position: number; end: Offset }> {
    const slot = Math.max(0, slotOf(this.#segments, offset));
    const segment = this.#segments[slot];
    assert(segment !== undefined, "a log has a segment");
    await segment.ready();
    const place = await this.#reader.locate(offset);
    if (place === null || place.segment !== segment) return { position: segment.writtenBytes, end: offset };
    return { position: place.position, end: asOffset(Math.min(offset, place.baseOffset)) };
  }

  // ---- the end ----

  /** Clean stop (4.3): everything on stable storage, then the files are closed. False: no marker may say so. */
  async close(): Promise<boolean> {
    // Taken away, and only its name could not be freed.
    if (this.#isReleased) return true;
    if (this.#turnFault === null) this.#writeQueue();
    this.#isClosed = true;
    this.#flushTimer?.cancel();
    await this.#truncation.catch(() => undefined);
    try {
      // After a clean stop nobody would look at the bytes again, and the damage would be forgotten.
      if (this.isDamaged || this.#isOffline) return false;
      return !this.#isTouched || (await this.#makeAllDurable());
    } catch (error: unknown) {
      if (!(error instanceof DiskFault)) throw error;
      this.#host.onIoFault(error);
      return false;
    } finally {
      await this.releaseFiles();
    }
  }

  /** False: the file is still longer than the log. */
  async #finishCut(): Promise<boolean> {
    if (this.#cutTimer !== null) {
      this.#cutTimer.cancel();
      this.#cutTimer = null;
      this.#cutFile(this.#active);
    }
    await this.#cutSync;
    return !this.#isCutPending;
  }

  async #makeAllDurable(): Promise<boolean> {
    const host = this.#host;
    const active = this.#active;
    if (!(await this.#finishCut())) return false;
    const roomFault = this.#attempt(() => {
      active.finishIndexes();
      this.#writeSnapshot();
    });
    if (roomFault !== null || this.#isOffline) return false;
    this.#snapshots.prune(new Set(this.#segments.map(({ baseOffset }) => baseOffset)));
    this.#sync.directoryChanged();
    if (!(await this.flush())) return false;
    for (const path of [active.offsetIndexPath, active.timeIndexPath]) {
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
    if (this.#isOffline) return false;
    this.#sync.complete();
    return true;
  }

  /** Closes the files when nothing is pending on them; nothing is read or written any more. */
  async releaseFiles(): Promise<void> {
    this.#isClosed = true;
    this.#flushTimer?.cancel();
    await this.#truncation.catch(() => undefined);
    this.#isReleased = true;
    await this.#sync.quiesce();
    await this.#epochFile.settled();
    await this.#cutSync.catch(() => undefined);
    for (const { log } of [...this.#segments, ...this.#doomed]) {
      await log.retire();
    }
  }

  /** The directory went offline: appends are refused, no sync counts any more. */
  goOffline(): void {
    this.#isOffline = true;
    this.#sync.fail();
  }

  /** Runs what may meet a full disk without harm; its fault is returned if it did, any other goes to the host. */
  #attempt(work: () => void): DiskFault | null {
    try {
      work();
      return null;
    } catch (error: unknown) {
      if (!(error instanceof DiskFault)) throw error;
      if (isPassing(error)) return error;
      this.#host.onIoFault(error);
      return error;
    }
  }

  #assertReadable(): void {
    if (this.#isClosed) throw this.#unavailable("the log is closed");
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

function firstOf(segments: readonly Segment[]): Segment {
  const [first] = segments;
  assert(first !== undefined, "a log has a segment");
  return first;
}

function lastOf(segments: readonly Segment[]): Segment {
  const last = segments.at(-1);
  assert(last !== undefined, "a log has a segment");
  return last;
}
