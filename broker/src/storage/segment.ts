/**
 * One segment: `B.log` with batches back to back, and its two sparse indexes. It knows how far it is appended (queued
 * bytes included), how far written, and, for group-sync.ts, how far synced.
 *
 * Index entries wait in memory and reach their files in large steps, and whole when the segment is sealed or the log
 * closed: they are trusted only below the recovery point, which passes a segment after its indexes were synced (3.3(3)).
 * Indexes that are on file may be dropped from memory at any time; they are loaded again when somebody asks.
 *
 * Invariants: writtenBytes <= sizeBytes and writtenEnd <= endOffset, equal when nothing is queued; syncedEnd <= writtenEnd.
 */
import { asOffset, assert } from "../base/index.ts";
import type { Ms, Offset } from "../base/index.ts";
import { BATCH_HEADER_BYTES, NO_TIMESTAMP } from "@tidemark/proto";
import type { Disk, Logger } from "../ports/index.ts";
import { lastOffsetAt, maxTimestampAt, RELATIVE_OFFSET_MAX } from "./batch-fields.ts";
import { DAMAGED_SUFFIX, offsetName } from "./directory-names.ts";
import { readFullySync, readWholeFile, removeFile, writeTail } from "./file-io.ts";
import { PooledFile } from "./file-pool.ts";
import type { FileOwner, FilePool } from "./file-pool.ts";
import { scanHeaders, scanHeadersSync, type ScanEnd } from "./header-scan.ts";
import { IndexRebuild } from "./index-rebuild.ts";
import { OFFSET_INDEX_ENTRY_BYTES, OffsetIndex } from "./offset-index.ts";
import { readLastTimeEntry, TIME_INDEX_ENTRY_BYTES, TimeIndex } from "./time-index.ts";
import { TXN_INDEX_SUFFIX } from "./txn-index-file.ts";
import type { AbortedTransaction } from "./txn-index-file.ts";
import { TxnIndex } from "./txn-index.ts";

export const LOG_SUFFIX = ".log";
export const OFFSET_INDEX_SUFFIX = ".index";
export const TIME_INDEX_SUFFIX = ".timeindex";
/** Every file of a segment; the log first, so that an interrupted removal leaves indexes, which are tidied. */
export const SEGMENT_SUFFIXES: readonly string[] = [
  LOG_SUFFIX,
  OFFSET_INDEX_SUFFIX,
  TIME_INDEX_SUFFIX,
  TXN_INDEX_SUFFIX,
];

const DELETED_SUFFIX = ".deleted";

/** Offset index entries that may wait in memory: 2 MiB of log at the default interval. */
const WAITING_ENTRIES_MAX = 512;

interface Indexes {
  readonly offsets: OffsetIndex;
  readonly times: TimeIndex;
}

/** Where a segment stood, before batches were admitted that may have to go back. */
export interface SegmentMark {
  readonly sizeBytes: number;
  readonly endOffset: Offset;
  readonly offsetsCount: number;
  readonly timesCount: number;
  readonly bytesSinceEntry: number;
  readonly maxTimestamp: number;
  readonly maxTimestampOffset: number;
  readonly firstTimestamp: number | null | undefined;
}

export interface SegmentOptions {
  readonly files: FilePool;
  /** Of the replica. */
  readonly directory: string;
  readonly baseOffset: Offset;
  readonly indexIntervalBytes: number;
  /** Wall clock; of the load for a file that was there before. */
  readonly createdAt: Ms;
  readonly logger: Logger;
}

/** Of a segment at offset 0, one for all of them: most partitions have no other. */
const FIRST_LOG_NAME = offsetName(0) + LOG_SUFFIX;

function logNameOf(baseOffset: number): string {
  return baseOffset === 0 ? FIRST_LOG_NAME : offsetName(baseOffset) + LOG_SUFFIX;
}

export class Segment implements FileOwner {
  readonly baseOffset: Offset;
  readonly log: PooledFile;
  readonly createdAt: Ms;
  readonly #disk: Disk;
  readonly #logger: Logger;
  readonly #directory: string;
  /** Behind every suffix: nothing, or that of a segment which was let go. */
  #asideSuffix = "";
  readonly #indexIntervalBytes: number;

  /** Queued bytes included. */
  sizeBytes = 0;
  writtenBytes = 0;
  /** Next offset, queued batches included. */
  endOffset: Offset;
  writtenEnd: Offset;

  /** No more batches come; its end is the base of the next one. */
  isSealed = false;
  /** Bytes below are synced. Whether the entry is: `entryVersion` (group-sync.ts). */
  syncedEnd: Offset;
  /** Version of the directory that has to be synced before this segment counts; 0 = long since. */
  entryVersion = 0;
  /** Every batch was read back, and offsets between two of them are not there: the cleaner's work, in an earlier life. */
  hasGaps = false;
  /** Sealed, and the file, both indexes and the snapshot at its end are synced: the recovery point may pass. */
  isFinished = false;

  #indexes: Indexes | null = null;
  /** Entries of the indexes that are in the files, too. */
  #offsetsOnFile = 0;
  #timesOnFile = 0;
  /** The files have entries behind those, which no longer hold. */
  #hasStaleTail = false;
  /** Loaded when somebody asks; few segments have any. */
  #aborted: TxnIndex | null = null;
  #bytesSinceEntry = 0;
  /** Largest timestamp and the last offset of its batch; -1 = none, or not known while `#isMaxKnown` is false. */
  #maxTimestamp = NO_TIMESTAMP;
  #maxTimestampOffset: number;
  #isMaxKnown = true;
  /** The log itself has said so, or been asked. */
  #isMaxSure = true;
  /** It can say no more than up to bytes that are no batch. */
  #isBrokenOff = false;
  /** maxTimestamp of the first batch; null = no batch, undefined = not read yet. */
  #firstTimestamp: number | null | undefined = null;

  constructor(options: SegmentOptions) {
    this.#disk = options.files.disk;
    this.#logger = options.logger;
    this.#directory = options.directory;
    this.#indexIntervalBytes = options.indexIntervalBytes;
    this.baseOffset = options.baseOffset;
    this.createdAt = options.createdAt;
    this.endOffset = options.baseOffset;
    this.writtenEnd = options.baseOffset;
    this.syncedEnd = options.baseOffset;
    this.#maxTimestampOffset = options.baseOffset;
    this.log = new PooledFile(options.files, options.directory, logNameOf(options.baseOffset), this);
  }

  /** Path without suffix. */
  get #stem(): string {
    return `${this.#directory}/${offsetName(this.baseOffset)}`;
  }

  get offsetIndexPath(): string {
    return this.#stem + OFFSET_INDEX_SUFFIX + this.#asideSuffix;
  }

  get timeIndexPath(): string {
    return this.#stem + TIME_INDEX_SUFFIX + this.#asideSuffix;
  }

  get txnIndexPath(): string {
    return this.#stem + TXN_INDEX_SUFFIX + this.#asideSuffix;
  }

  /** Index files that have to be synced with the log; that of aborted transactions only where there is one. */
  indexPaths(): string[] {
    const paths = [this.offsetIndexPath, this.timeIndexPath];
    if (this.#disk.sizeOf(this.txnIndexPath) !== null) paths.push(this.txnIndexPath);
    return paths;
  }

  /** Makes the files of a new segment. Throws DiskFault; then nothing is left of it. */
  create(): void {
    try {
      this.log.create();
      assert(this.log.sizeBytes === 0, `${this.log.path} is new and has bytes`);
      this.#indexes = { offsets: OffsetIndex.empty(), times: TimeIndex.empty() };
      this.#forgetFiles();
    } catch (error: unknown) {
      this.remove();
      throw error;
    }
  }

  /** Takes over what the directory says of a closed segment: its size, and its end from its successor. */
  adopt(sizeBytes: number, endOffset: Offset): void {
    this.sizeBytes = sizeBytes;
    this.writtenBytes = sizeBytes;
    this.endOffset = endOffset;
    this.writtenEnd = endOffset;
    this.#firstTimestamp = sizeBytes === 0 ? null : undefined;
    this.#isMaxKnown = sizeBytes === 0;
    this.#isMaxSure = this.#isMaxKnown;
  }

  // ---- growing ----

  /** A batch is queued, or found by recovery, at the end. The index entry, if one is due, points at it. */
  admit(batchBytes: number, lastOffset: number, maxTimestamp: number): void {
    if (this.#firstTimestamp === null) this.#firstTimestamp = maxTimestamp;
    if (maxTimestamp > this.#maxTimestamp) {
      this.#maxTimestamp = maxTimestamp;
      this.#maxTimestampOffset = lastOffset;
    }
    if (this.#bytesSinceEntry > this.#indexIntervalBytes) {
      const indexes = this.#indexes ?? this.#loadOrRebuild();
      indexes.offsets.add(lastOffset - this.baseOffset, this.sizeBytes);
      indexes.times.maybeAdd(this.#maxTimestamp, this.#maxTimestampOffset - this.baseOffset);
      this.#bytesSinceEntry = 0;
    }
    this.#bytesSinceEntry += batchBytes;
    this.sizeBytes += batchBytes;
    this.endOffset = asOffset(lastOffset + 1);
  }

  /** What `restore` needs to take back all that is admitted after it. */
  mark(): SegmentMark {
    return {
      sizeBytes: this.sizeBytes,
      endOffset: this.endOffset,
      offsetsCount: this.#indexes?.offsets.count ?? this.#offsetsOnFile,
      timesCount: this.#indexes?.times.count ?? this.#timesOnFile,
      bytesSinceEntry: this.#bytesSinceEntry,
      maxTimestamp: this.#maxTimestamp,
      maxTimestampOffset: this.#maxTimestampOffset,
      firstTimestamp: this.#firstTimestamp,
    };
  }

  restore(mark: SegmentMark): void {
    this.sizeBytes = mark.sizeBytes;
    this.endOffset = mark.endOffset;
    this.#indexes?.offsets.keep(mark.offsetsCount);
    this.#indexes?.times.keep(mark.timesCount);
    this.#keepOnFile(mark.offsetsCount, mark.timesCount);
    this.#bytesSinceEntry = mark.bytesSinceEntry;
    this.#maxTimestamp = mark.maxTimestamp;
    this.#maxTimestampOffset = mark.maxTimestampOffset;
    this.#firstTimestamp = mark.firstTimestamp;
  }

  /** Everything below `position` is in the file, which is where the batch at `endOffset` begins. */
  writtenTo(position: number, endOffset: Offset): void {
    this.writtenBytes = position;
    this.writtenEnd = endOffset;
    const indexes = this.#indexes;
    if (indexes !== null && indexes.offsets.count - this.#offsetsOnFile >= WAITING_ENTRIES_MAX) this.flushIndexes();
  }

  /** Whether an index has no room for one more entry (3.3(1)). An empty segment is never full (KAFKA-6388). */
  isIndexFull(indexBytesMax: number): boolean {
    if (this.sizeBytes === 0) return false;
    const offsetEntriesMax = Math.floor(indexBytesMax / OFFSET_INDEX_ENTRY_BYTES);
    const timeEntriesMax = Math.floor(indexBytesMax / TIME_INDEX_ENTRY_BYTES);
    const offsetsCount = this.#indexes === null ? this.#offsetsOnFile : this.#indexes.offsets.count;
    const timesCount = this.#indexes === null ? this.#timesOnFile : this.#indexes.times.count;
    // The time index keeps a place for the entry that is added when the segment is sealed.
    return offsetsCount >= offsetEntriesMax || timesCount >= timeEntriesMax - 1;
  }

  /** maxTimestamp of the first batch; null if there is no batch. Known without a read while the segment is active. */
  firstTimestamp(): number | null {
    if (this.#firstTimestamp === undefined) {
      const bytes = Buffer.allocUnsafe(BATCH_HEADER_BYTES);
      const isThere = readFullySync(this.log, bytes, 0) === BATCH_HEADER_BYTES;
      this.#firstTimestamp = isThere ? maxTimestampAt(bytes, 0) : null;
    }
    return this.#firstTimestamp;
  }

  /** Largest timestamp; -1 = none, or a closed segment whose index nobody has loaded yet. */
  get maxTimestamp(): number {
    return this.#maxTimestamp;
  }

  /** The same; null while it is not known. */
  get largestTimestamp(): number | null {
    return this.#isMaxKnown ? this.#maxTimestamp : null;
  }

  get isTimestampSure(): boolean {
    return this.#isMaxSure;
  }

  get isBrokenOff(): boolean {
    return this.#isBrokenOff;
  }

  /** Makes `largestTimestamp` known, and where it is known, sure. False: not now, since the segment changes. Rejects with DiskFault. */
  async lookAtLargestTimestamp(): Promise<boolean> {
    if (this.#isMaxKnown) return this.#isMaxSure || this.#confirmLargestTimestamp();
    await this.#readLargestTimestamp();
    return this.#isMaxKnown;
  }

  /**
   * A closed segment's time index ends with its largest timestamp, so one entry is read and not the index.
   * What cannot be the last entry of this segment has the index loaded, or made anew.
   */
  async #readLargestTimestamp(): Promise<void> {
    const entry = readLastTimeEntry(this.#disk, this.timeIndexPath);
    if (entry !== null && entry.timestamp > 0 && this.baseOffset + entry.relativeOffset < this.endOffset) {
      this.#maxTimestamp = entry.timestamp;
      this.#maxTimestampOffset = this.baseOffset + entry.relativeOffset;
      this.#isMaxKnown = true;
      return;
    }
    await this.ready();
    this.dropIndexes();
  }

  /**
   * Before a segment goes for its age. No checksum protects an index, and a bit of it would make committed records old for all
   * replicas, which take over the log start of their leader. So the batch that the last entry names must have that timestamp, and
   * the newest batches, up to the end, none beyond it; else both indexes are made anew.
   */
  async #confirmLargestTimestamp(): Promise<boolean> {
    await this.ready();
    // What is admitted and not written yet stands in the indexes and not in the file.
    if (!this.#isMaxSure && this.writtenBytes === this.sizeBytes) {
      const asked = this.#maxTimestamp;
      const isRight = await this.#isMaxOfLog();
      if (!isRight) await this.rebuild();
      else if (this.#maxTimestamp === asked) this.#isMaxSure = true;
    }
    this.dropIndexes();
    return this.#isMaxSure;
  }

  async #isMaxOfLog(): Promise<boolean> {
    const { offsets, writtenBytes } = this;
    // It may grow between two reads, and its indexes with it.
    const { lastPosition } = offsets;
    let named: number | null = null;
    let newest = NO_TIMESTAMP;
    await scanHeaders(
      this.log,
      offsets.floorPosition(this.#maxTimestampOffset - this.baseOffset),
      writtenBytes,
      (bytes, at) => {
        if (lastOffsetAt(bytes, at) < this.#maxTimestampOffset) return true;
        named = maxTimestampAt(bytes, at);
        return false;
      },
    );
    const tail = await scanHeaders(this.log, lastPosition, writtenBytes, (bytes, at) => {
      newest = Math.max(newest, maxTimestampAt(bytes, at));
      return true;
    });
    return tail.isWhole && named === this.#maxTimestamp && newest <= this.#maxTimestamp;
  }

  // ---- aborted transactions ----

  /** Throws DiskFault. After it, adding one does not. */
  loadAborted(): void {
    this.#loadAborted();
  }

  /** The marker just admitted ends an aborted transaction. */
  addAborted(transaction: AbortedTransaction): void {
    this.#loadAborted().add(transaction);
  }

  /** Those whose markers stand here. Throws DiskFault. */
  get abortedTransactions(): readonly AbortedTransaction[] {
    return this.#loadAborted().entries;
  }

  /** Batches that were admitted went back: so do their markers. */
  dropAbortedBehindEnd(): void {
    this.#aborted?.truncate(this.endOffset);
  }

  #loadAborted(): TxnIndex {
    this.#aborted ??= TxnIndex.load(this.#disk, this.txnIndexPath);
    return this.#aborted;
  }

  // ---- indexes ----

  /** Loads the indexes, and makes them anew from the log when they are missing or corrupt. Rejects with DiskFault. */
  async ready(): Promise<void> {
    while (this.#indexes === null && this.#load() === null) {
      const { writtenBytes } = this;
      const rebuild = this.#startRebuild();
      const scan = await scanHeaders(this.log, 0, writtenBytes, rebuild.visit);
      // Else it has grown or was cut, by somebody who had indexes of his own and has dropped them again.
      if (writtenBytes === this.writtenBytes) this.#endRebuild(rebuild.scratch, scan);
    }
  }

  /** Makes both indexes anew, whatever the files say. A segment that grows all the time keeps what it has. Rejects with DiskFault. */
  async rebuild(): Promise<void> {
    const { writtenBytes } = this;
    const { scratch, visit } = this.#startRebuild();
    const scan = await scanHeaders(this.log, 0, writtenBytes, visit);
    if (writtenBytes !== this.writtenBytes || writtenBytes !== this.sizeBytes) return;
    this.#indexes = null;
    this.#endRebuild(scratch, scan);
  }

  get hasIndexes(): boolean {
    return this.#indexes !== null;
  }

  /** As `ready`, at once: for the active segment, before a batch is admitted. Throws DiskFault. */
  loadIndexes(): void {
    if (this.#indexes === null) this.#loadOrRebuild();
  }

  get offsets(): OffsetIndex {
    return (this.#indexes ?? this.#loadOrRebuild()).offsets;
  }

  get times(): TimeIndex {
    return (this.#indexes ?? this.#loadOrRebuild()).times;
  }

  /** Frees the memory of indexes that are wholly on file. Those of queued batches may have to go back: they stay. */
  dropIndexes(): void {
    if (this.#aborted?.isOnFile === true) this.#aborted = null;
    const indexes = this.#indexes;
    if (indexes === null || this.#hasStaleTail || this.writtenBytes < this.sizeBytes) return;
    if (indexes.offsets.count === this.#offsetsOnFile && indexes.times.count === this.#timesOnFile)
      this.#indexes = null;
  }

  /** For the pool: of the indexes in memory, as they lie on file. */
  get heldBytes(): number {
    const indexes = this.#indexes;
    if (indexes === null) return 0;
    return indexes.offsets.count * OFFSET_INDEX_ENTRY_BYTES + indexes.times.count * TIME_INDEX_ENTRY_BYTES;
  }

  /** Of the pool: nobody reads or writes the file. */
  onEvicted(): void {
    this.dropIndexes();
  }

  /** Begins the indexes and all that is known of the batches anew: recovery admits every batch again. */
  reset(): void {
    this.#aborted = TxnIndex.empty(this.#disk, this.txnIndexPath);
    this.#indexes = { offsets: OffsetIndex.empty(), times: TimeIndex.empty() };
    this.#forgetFiles();
    this.#bytesSinceEntry = 0;
    this.#maxTimestamp = NO_TIMESTAMP;
    this.#maxTimestampOffset = this.baseOffset;
    this.#isMaxKnown = true;
    this.#isMaxSure = true;
    this.#isBrokenOff = false;
    this.#firstTimestamp = null;
    this.sizeBytes = 0;
    this.endOffset = this.baseOffset;
  }

  /**
   * Writes what waits of both indexes; true if there was anything, and maybe a new file. Throws DiskFault; nothing is lost
   * by that, the next step writes it.
   */
  flushIndexes(): boolean {
    let hasWritten = this.#aborted?.flush() ?? false;
    const indexes = this.#indexes;
    if (indexes === null) return hasWritten;
    const { offsets, times } = indexes;
    // A file without entries is written too: a missing one would be taken for lost.
    if (this.#hasStaleTail || this.#offsetsOnFile < offsets.count || offsets.count === 0) {
      const from = this.#offsetsOnFile;
      writeTail(this.#disk, this.offsetIndexPath, offsets.encode(from), from * OFFSET_INDEX_ENTRY_BYTES);
      this.#offsetsOnFile = offsets.count;
      hasWritten = true;
    }
    if (this.#hasStaleTail || this.#timesOnFile < times.count || times.count === 0) {
      const from = this.#timesOnFile;
      writeTail(this.#disk, this.timeIndexPath, times.encode(from), from * TIME_INDEX_ENTRY_BYTES);
      this.#timesOnFile = times.count;
      hasWritten = true;
    }
    this.#hasStaleTail = false;
    return hasWritten;
  }

  /** Completes both index files: a closed segment's time index ends with its largest timestamp. Throws DiskFault. */
  finishIndexes(): void {
    const indexes = this.#indexes ?? this.#loadOrRebuild();
    indexes.times.maybeAdd(this.#maxTimestamp, this.#maxTimestampOffset - this.baseOffset);
    this.flushIndexes();
  }

  // ---- shrinking ----

  /** In memory, what was admitted goes back to `position`, where a batch begins whose base offset is `endOffset`. */
  cut(position: number, endOffset: Offset): void {
    const indexes = this.#indexes ?? this.#loadOrRebuild();
    indexes.offsets.truncate(position);
    indexes.times.truncate(endOffset - this.baseOffset);
    this.#loadAborted().truncate(endOffset);
    this.sizeBytes = position;
    this.endOffset = endOffset;
    this.writtenBytes = Math.min(this.writtenBytes, position);
    this.writtenEnd = asOffset(Math.min(this.writtenEnd, endOffset));
    this.syncedEnd = asOffset(Math.min(this.syncedEnd, endOffset));
    this.#keepOnFile(indexes.offsets.count, indexes.times.count);
    if (position === 0) this.#firstTimestamp = null;
    else this.firstTimestamp();
    this.#recallTail(indexes, position);
  }

  /** Of the entries on file only so many still hold. */
  #keepOnFile(offsetsCount: number, timesCount: number): void {
    if (this.#offsetsOnFile <= offsetsCount && this.#timesOnFile <= timesCount) return;
    this.#offsetsOnFile = Math.min(this.#offsetsOnFile, offsetsCount);
    this.#timesOnFile = Math.min(this.#timesOnFile, timesCount);
    this.#hasStaleTail = true;
  }

  /** Removes the files. Nothing may be pending on them. */
  remove(): void {
    this.log.closeSync();
    for (const suffix of SEGMENT_SUFFIXES) removeFile(this.#disk, this.#stem + suffix);
  }

  /**
   * 3.6: renames the files `.deleted`, the log first. Who reads goes on under the new names. Rejects with DiskFault; asked
   * again, it goes on where it ended.
   */
  async moveAside(): Promise<void> {
    await this.log.moveTo(logNameOf(this.baseOffset) + DELETED_SUFFIX);
    this.#asideSuffix = DELETED_SUFFIX;
    for (const suffix of SEGMENT_SUFFIXES) {
      const path = this.#stem + suffix;
      if (suffix !== LOG_SUFFIX && this.#disk.sizeOf(path) !== null) this.#disk.rename(path, path + DELETED_SUFFIX);
    }
  }

  /** Closes and removes what `moveAside` has renamed. Rejects with DiskFault; it may be asked again. */
  async removeAside(): Promise<void> {
    await this.log.retire();
    for (const suffix of SEGMENT_SUFFIXES) removeFile(this.#disk, this.#stem + suffix + DELETED_SUFFIX);
  }

  /** Keeps the log aside as `.damaged` for the operator (2.1(3)); the indexes go. */
  setAside(): void {
    this.log.closeSync();
    this.#disk.rename(this.log.path, this.log.path + DAMAGED_SUFFIX);
    this.remove();
  }

  /**
   * After a clean stop: walks the headers behind the newest index entry and takes over what they say. False when index
   * and log do not fit together; then recovery has to look at every batch.
   */
  openTail(): boolean {
    if (this.writtenBytes === 0 && this.#hasEmptyIndexes()) return true;
    const indexes = this.#load();
    if (indexes === null || indexes.offsets.lastPosition >= Math.max(1, this.writtenBytes)) return false;
    const end = this.#recallTail(indexes, this.writtenBytes);
    if (end === null) return false;
    this.#isMaxSure = false;
    this.endOffset = asOffset(end);
    this.writtenEnd = this.endOffset;
    this.firstTimestamp();
    return true;
  }

  /**
   * Recomputes what only the batches since the newest index entry say (largest timestamp, bytes since) up to position
   * `to`. Answers the offset they end at; null when they do not end at `to`.
   */
  #recallTail(indexes: Indexes, to: number): number | null {
    const { offsets, times } = indexes;
    const from = offsets.lastPosition;
    this.#maxTimestamp = times.lastTimestamp;
    this.#maxTimestampOffset = this.baseOffset + times.lastRelativeOffset;
    this.#isMaxKnown = true;
    this.#bytesSinceEntry = to - from;
    let end: number = this.baseOffset;
    const scan = scanHeadersSync(this.log, from, to, (bytes, at, position) => {
      const lastOffset = lastOffsetAt(bytes, at);
      if (!Number.isSafeInteger(lastOffset) || lastOffset < end) return false;
      end = lastOffset + 1;
      const timestamp = maxTimestampAt(bytes, at);
      if (position === 0) this.#firstTimestamp = timestamp;
      if (timestamp > this.#maxTimestamp) {
        this.#maxTimestamp = timestamp;
        this.#maxTimestampOffset = lastOffset;
      }
      return true;
    });
    return scan.isWhole && scan.position === to ? end : null;
  }

  /** Of idle partitions there may be thousands: a look at the size is all that an empty file is worth. */
  #hasEmptyIndexes(): boolean {
    return this.#disk.sizeOf(this.offsetIndexPath) === 0 && this.#disk.sizeOf(this.timeIndexPath) === 0;
  }

  /** Reads both index files; null when one is missing or corrupt. */
  #load(): Indexes | null {
    const offsetBytes = readWholeFile(this.#disk, this.offsetIndexPath);
    const timeBytes = readWholeFile(this.#disk, this.timeIndexPath);
    const offsets = offsetBytes === null ? null : OffsetIndex.parse(offsetBytes);
    const times = timeBytes === null ? null : TimeIndex.parse(timeBytes);
    if (offsets === null || times === null || !this.#mayBelong(offsets, times)) return null;
    this.#indexes = { offsets, times };
    this.#offsetsOnFile = offsets.count;
    this.#timesOnFile = times.count;
    if (!this.#isMaxKnown) {
      this.#maxTimestamp = times.lastTimestamp;
      this.#maxTimestampOffset = this.baseOffset + times.lastRelativeOffset;
      this.#isMaxKnown = true;
    }
    return this.#indexes;
  }

  /** Neither index may name what lies behind the log; the end of a segment that grows is not known to its loader. */
  #mayBelong(offsets: OffsetIndex, times: TimeIndex): boolean {
    if (offsets.lastPosition >= Math.max(1, this.sizeBytes)) return false;
    const lastRelativeOffset = this.isSealed ? this.endOffset - this.baseOffset - 1 : RELATIVE_OFFSET_MAX;
    const named = Math.max(
      times.lastRelativeOffset,
      offsets.count === 0 ? 0 : offsets.relativeOffsetAt(offsets.count - 1),
    );
    return named <= Math.max(0, lastRelativeOffset);
  }

  #loadOrRebuild(): Indexes {
    const loaded = this.#load();
    if (loaded !== null) return loaded;
    const { scratch, visit } = this.#startRebuild();
    return this.#endRebuild(scratch, scanHeadersSync(this.log, 0, this.writtenBytes, visit));
  }

  /** Indexes are made anew on the side: this segment may be read, and even grow, meanwhile. */
  #startRebuild(): { scratch: IndexRebuild; visit: (bytes: Buffer, at: number, position: number) => boolean } {
    const scratch = new IndexRebuild(this.baseOffset, this.#indexIntervalBytes);
    return { scratch, visit: (bytes, at, position) => scratch.visit(bytes, at, position) };
  }

  #endRebuild(scratch: IndexRebuild, { isWhole }: ScanEnd): Indexes {
    // Somebody else may have been faster.
    if (this.#indexes !== null) return this.#indexes;
    this.#indexes = { offsets: scratch.offsets, times: scratch.times };
    this.#maxTimestamp = scratch.maxTimestamp;
    this.#maxTimestampOffset = scratch.maxTimestampOffset;
    this.#isMaxKnown = true;
    this.#isMaxSure = true;
    this.#isBrokenOff = !isWhole;
    if (this.isSealed) scratch.times.maybeAdd(scratch.maxTimestamp, scratch.maxTimestampOffset - this.baseOffset);
    this.#forgetFiles();
    this.#logger.warn("an index was missing or corrupt and was made anew", { path: this.offsetIndexPath });
    // Below the recovery point a file is trusted for being synced. Written now it would not be: it stays in memory.
    if (!this.isFinished) this.flushIndexes();
    return this.#indexes;
  }

  /** Whatever the index files hold, it is replaced when they are written next. */
  #forgetFiles(): void {
    this.#offsetsOnFile = 0;
    this.#timesOnFile = 0;
    this.#hasStaleTail = true;
  }
}
