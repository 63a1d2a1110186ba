/**
 * Whoever reads a log while it is written, cut and shortened: the limits of what may leave it, what a fault on the way means, and
 * what a scrub has found to be rotten. The bytes themselves are log-reader.ts's.
 */
import { ProtoError } from "@tidemark/proto";
import { asOffset } from "../base/index.ts";
import type { Offset } from "../base/index.ts";
import { DiskFault } from "../ports/index.ts";
import type { EpochCache } from "./epoch-cache.ts";
import { isPassing } from "./file-io.ts";
import type { LogHost } from "./log-host.ts";
import { LogReader, slotOf } from "./log-reader.ts";
import type { LogState } from "./log-state.ts";
import { endOf, findDamage, unreadable } from "./log-verification.ts";
import { rangeOfProducerBatch, searchProducerBatch, type WantedBatch } from "./producer-replay.ts";
import type { Segment } from "./segment.ts";
import type { SnapshotStore } from "./snapshot-store.ts";
import { StorageError } from "./storage-error.ts";
import { findByTimestamp, findMaxTimestamp } from "./timestamp-search.ts";
import type { FoundRecord } from "./timestamp-search.ts";
import type { AbortedTransaction } from "./txn-index-file.ts";
import { findAborted } from "./txn-index.ts";
import type { FoundDamage, ProducerBatch, ReadResult, ReadSpan, VerifyOptions } from "./types.ts";

export interface LogReadsDeps {
  readonly host: LogHost;
  readonly directory: string;
  readonly state: LogState;
  readonly epochs: EpochCache;
  readonly snapshots: SnapshotStore;
  /** A read has met what the disk does not give. */
  readonly onRot: (offset: Offset) => void;
}

export class LogReads {
  readonly #deps: LogReadsDeps;
  readonly #state: LogState;
  readonly reader: LogReader;
  #rot: FoundDamage | null = null;
  /** Told of. One that is filled again under the same name is another one, and the disk may refuse that, too. */
  readonly #refused = new WeakSet<Segment>();

  constructor(deps: LogReadsDeps) {
    this.#deps = deps;
    this.#state = deps.state;
    const { state, epochs, host } = deps;
    const source = {
      segments: state.segments,
      get generation() {
        return state.generation;
      },
      isOfEpoch: (epoch: number, baseOffset: number) => epochs.holds(epoch, baseOffset),
      isGapless: (segment: Segment) => state.isGapless && !segment.hasGaps,
    };
    this.reader = new LogReader(source, host.readSlots);
  }

  // ---- batches ----

  read(offset: Offset, maxBytes: number, limit: Offset): Promise<ReadResult> {
    return this.#watched(() => this.reader.read(offset, maxBytes, this.limit(offset, limit)));
  }

  /** Null: not near the tail, or the disk refuses; off the event loop the same read is tried again, and says what is wrong. */
  readTail(offset: Offset, maxBytes: number, limit: Offset): ReadResult | null {
    this.assertReadable();
    try {
      return this.reader.readTail(offset, maxBytes, this.limit(offset, limit));
    } catch (error: unknown) {
      if (error instanceof DiskFault) return null;
      throw error;
    }
  }

  /** Where the disk does not give a closed segment it answers as where there is no batch: somebody looks closer then. */
  async readInto(into: Buffer, at: number, offset: Offset, limit: Offset): Promise<ReadSpan> {
    try {
      return await this.#watched(() => this.reader.readInto(into, at, offset, this.limit(offset, limit)));
    } catch (error: unknown) {
      const { rot } = this;
      const isThere = rot !== null && rot.offset <= offset && offset < rot.until;
      if (!isThere || !(error instanceof DiskFault)) throw error;
      return { bytes: 0, nextOffset: offset, firstBatchBytes: 0 };
    }
  }

  /** Null as `readTail`. */
  readTailInto(into: Buffer, at: number, offset: Offset, limit: Offset): ReadSpan | null {
    this.assertReadable();
    try {
      return this.reader.readTailInto(into, at, offset, this.limit(offset, limit));
    } catch (error: unknown) {
      if (error instanceof DiskFault) return null;
      throw error;
    }
  }

  /** Nothing unwritten leaves the log (3.1(9)), nothing that is known to be bad, and nothing at all while it is cut. */
  limit(offset: number, limit: Offset): Offset {
    if (this.#state.isTruncating) return asOffset(0);
    const { rot } = this;
    const isBeforeRot = rot !== null && offset < rot.until;
    return asOffset(Math.min(limit, this.#state.writtenEnd, isBeforeRot ? rot.offset : limit));
  }

  assertReadable(): void {
    if (this.#state.isClosed) throw this.#unavailable("the log is closed");
  }

  // ---- searches ----

  /** What is found before known rot is right; that there is nothing, with rot in the way, nobody can say. */
  findByTimestamp(timestamp: number, limit: Offset): Promise<FoundRecord | null> {
    return this.#searched(async () => {
      const found = await findByTimestamp(this.#state, timestamp, this.#state.logStartOffset, this.limit(0, limit));
      if (found === null) this.#assertNoRotIn(this.#state.logStartOffset, limit);
      return found;
    });
  }

  findMaxTimestamp(limit: Offset): Promise<FoundRecord | null> {
    return this.#searched(async () => {
      this.#assertNoRotIn(this.#state.logStartOffset, limit);
      return findMaxTimestamp(this.#state, this.#state.logStartOffset, this.limit(0, limit));
    });
  }

  /**
   * Known rot is passed over: a disk that hangs before it refuses would hold up every look-up. That there is no such batch, with something
   * bad where it might be, nobody can say.
   */
  findProducerBatch(wanted: WantedBatch): Promise<ProducerBatch | null> {
    return this.#searched(async () => {
      const { segments, logStartOffset, writtenEnd } = this.#state;
      const source = { segments, snapshots: this.#deps.snapshots, logStartOffset };
      const { from, to } = rangeOfProducerBatch(source, wanted, writtenEnd);
      const { rot } = this;
      const isInTheWay = rot !== null && rot.offset < to && from < rot.until;
      const before = await searchProducerBatch(segments, wanted, { from, to: isInTheWay ? rot.offset : to });
      if (before.batch !== null) return before.batch;
      if (!isInTheWay && before.isWhole) return null;
      const behind = isInTheWay && (await searchProducerBatch(segments, wanted, { from: rot.until, to })).batch;
      if (behind) return behind;
      // What it was is told of, and mended.
      if (!before.isWhole) await this.verify({ from: asOffset(from), to: asOffset(to) });
      throw this.#unavailable("records on the way are damaged");
    });
  }

  #assertNoRotIn(from: Offset, to: Offset): void {
    const { rot } = this;
    if (rot !== null && rot.offset < to && from < rot.until) throw this.#unavailable("records on the way are damaged");
  }

  abortedTransactions(from: Offset, to: Offset): AbortedTransaction[] {
    this.assertReadable();
    try {
      return findAborted(this.#state.segments, from, to);
    } catch (error: unknown) {
      if (error instanceof DiskFault && !isPassing(error)) this.#deps.host.onIoFault(error);
      throw error;
    }
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

  /**
   * A read that meets an I/O error takes the directory offline (3.8(1)), but for one of a closed segment, which is damage (decision
   * 0034); it rejects all the same.
   */
  async #watched<T>(read: () => Promise<T>): Promise<T> {
    this.assertReadable();
    const { generation, removals } = this.#state;
    try {
      return await read();
    } catch (error: unknown) {
      if (!(error instanceof DiskFault)) throw error;
      // Files go with a truncation, with retention, and with the log; that is nothing the disk did.
      const { isClosed } = this.#state;
      const hasMoved = isClosed || generation !== this.#state.generation || removals !== this.#state.removals;
      const isRefused = error.kind === "EIO" && error.operation === "read" && error.path.endsWith(".log");
      const segment = this.#state.segments.find(({ log }) => log.path === error.path);
      const isGone = error.kind === "ENOENT" || (isRefused && segment === undefined);
      if (isGone && hasMoved) throw this.#unavailable("the log was cut or closed while it was read");
      if (isPassing(error) || isClosed) throw error;
      if (isRefused && segment?.isSealed === true) this.#onUnreadable(error, segment);
      else this.#deps.host.onIoFault(error);
      throw error;
    }
  }

  #onUnreadable(fault: DiskFault, segment: Segment): void {
    this.#tellRefused(fault, segment);
    this.#noteRot(unreadable(segment, endOf(this.#state, segment)));
    if (this.rot !== null) this.#deps.onRot(this.rot.offset);
  }

  #tellRefused(fault: DiskFault, segment: Segment): void {
    if (this.#refused.has(segment)) return;
    this.#refused.add(segment);
    this.#deps.host.onUnreadable(fault);
  }

  #unavailable(message: string): StorageError {
    return new StorageError("LOG_UNAVAILABLE", this.#deps.directory, message);
  }

  // ---- what is rotten ----

  /** The first that was found, until it is cut away or all of it lies below the log start. */
  get rot(): FoundDamage | null {
    if (this.#rot !== null && this.#rot.until <= this.#state.logStartOffset) this.#rot = null;
    return this.#rot;
  }

  async verify({ from, to, pace = (): null => null }: VerifyOptions): Promise<FoundDamage | null> {
    const end = asOffset(Math.min(to, this.rot?.offset ?? to));
    if (from >= end) return this.rot;
    const { epochs } = this.#deps;
    const onUnreadable = (fault: DiskFault, segment: Segment): void => this.#tellRefused(fault, segment);
    const source = { state: this.#state, epochs, onUnreadable };
    const found = await this.#watched(() => findDamage(source, { from, to: end, pace }));
    if (found !== null) this.#noteRot(found);
    return this.rot;
  }

  #noteRot(found: FoundDamage): void {
    if (found.offset < (this.rot?.offset ?? Number.POSITIVE_INFINITY)) this.#rot = found;
  }

  /** What lay from `offset` on is cut. */
  onCut(offset: number): void {
    if (this.#rot !== null && this.#rot.offset >= offset) this.#rot = null;
  }

  rebuildIndexes(offset: Offset): Promise<void> {
    const { segments } = this.#state;
    return this.#watched(() => segments[Math.max(0, slotOf(segments, offset))]?.rebuild() ?? Promise.resolve());
  }
}
