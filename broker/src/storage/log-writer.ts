/**
 * The writing end of one log (3.1(9)-(12)): batches wait in a queue for one vectored write, made at the end of a turn on
 * the event loop or, while the disk is slow, off it (write-pace.ts), and go back when that write fails.
 *
 * `admit` only queues: offsets, indexes, epochs and producers move at once, the written end when the write has ended. Off
 * the loop one write is in flight; what comes meanwhile waits in the queue for the next. When a write fails, the log is cut
 * back to its last whole batch: all of those go back with it, and so does everything queued behind it; what is handed over
 * in the rest of the turn is refused. After a cut nothing is appended before the shortened file is synced, or a page of the
 * old tail could come back under a newer one (5.5(3)).
 *
 * Invariants: one write at a time; while one is in flight the active segment stays the active one, open and uncut
 * (`isIdle`, `settled` are there to be asked); written end = log end when idle. Buffers of queued batches are the log's
 * until then (P34).
 */
import { asLeaderEpoch, asOffset, assert } from "../base/index.ts";
import type { LeaderEpoch, Offset, SharedMemory } from "../base/index.ts";
import { patchBatch } from "@tidemark/proto";
import type { BatchHeader } from "@tidemark/proto";
import { DiskFault } from "../ports/index.ts";
import type { TimerHandle } from "../ports/index.ts";
import { AppendQueue } from "./append-queue.ts";
import type { WriteOutcome } from "./append-queue.ts";
import type { EpochCache } from "./epoch-cache.ts";
import { isPassing, syncPath } from "./file-io.ts";
import { attempt } from "./log-host.ts";
import type { LogHost } from "./log-host.ts";
import type { LogState } from "./log-state.ts";
import type { ProducerState } from "./producer-state.ts";
import { synced } from "./safe-write.ts";
import type { Segment } from "./segment.ts";
import { LogTail } from "./tail-cache.ts";
import { markerAt } from "./transaction-marker.ts";
import type { AppendResult } from "./types.ts";

/** How long the cut of a failed write waits for room, each time. */
const CUT_RETRY_MS = 1_000;

export interface LogWriterDeps {
  readonly host: LogHost;
  readonly state: LogState;
  readonly epochs: EpochCache;
  readonly producers: ProducerState;
  /** A write off the loop has ended: the written end moved, or the log was cut back for `fault`. */
  onWritten(fault: DiskFault | null): void;
}

export class LogWriter {
  readonly #deps: LogWriterDeps;
  readonly #host: LogHost;
  readonly #state: LogState;
  readonly #epochs: EpochCache;
  readonly #producers: ProducerState;

  /** What waits for the next write. */
  #queue = new AppendQueue();
  /** The other of two queues that take turns: empty, or what the write in flight writes. */
  #other: AppendQueue | null = null;
  /** A write off the loop waits for its slot or is in flight. */
  #isFlying = false;
  #settleWaiters: (() => void)[] = [];
  /** What followers, or all readers at the tail, get without a read; null: nothing is kept. */
  #tail: LogTail | null;
  /** A write of this turn failed: what is handed over behind it is refused until the owner has heard of it. */
  #turnFault: DiskFault | null = null;
  #turnNowMs: number;

  /** What was admitted last was this replica's own: a leader keeps its epoch when a write of it fails. */
  #keepsEpoch = true;
  /** A cut file is not synced yet. */
  #isCutPending = false;
  #cutSync: Promise<void> = Promise.resolve();
  /** Runs while a cut waits for room. */
  #cutTimer: TimerHandle | null = null;

  constructor(deps: LogWriterDeps) {
    this.#deps = deps;
    this.#host = deps.host;
    this.#state = deps.state;
    this.#epochs = deps.epochs;
    this.#producers = deps.producers;
    this.#turnNowMs = deps.host.clock.monotonicNow();
    const { tails } = deps.host;
    this.#tail = tails.keepsForReaders ? new LogTail(tails) : null;
  }

  get tail(): LogTail | null {
    return this.#tail;
  }

  /** See PartitionLog. What followers were sent is kept only where it is kept for readers too. */
  onFollowersAt(offset: Offset | null): void {
    const { tails } = this.#host;
    if (tails.keepsForReaders) return;
    if (offset === null) this.#tail?.clear();
    else this.#tail?.dropBelow(offset);
    this.#tail = offset === null ? null : (this.#tail ?? new LogTail(tails));
  }

  /** Monotonic time of the first batch that waits, or of the last that did. */
  get turnNowMs(): number {
    return this.#turnNowMs;
  }

  /** Nothing is appended now: behind a failed write, and until what it left is cut off for good. */
  get refuses(): boolean {
    return this.#isCutPending || this.#turnFault !== null;
  }

  /** No write is in flight, nothing waits for one. */
  get isIdle(): boolean {
    return !this.#isFlying && this.#queue.isEmpty;
  }

  /**
   * Takes a batch in at the log's end, with the place and epoch that its leader gives it here. The caller has seen to it
   * that it may be appended, and rolled if due.
   */
  admit(bytes: Buffer, header: BatchHeader, leaderEpoch: LeaderEpoch, memory: SharedMemory | null): AppendResult {
    const fault = this.#prepare(header);
    if (fault !== null) return { ok: false, code: "KAFKA_STORAGE_ERROR", fault };
    const baseOffset = this.#state.logEndOffset;
    patchBatch(bytes, 0, baseOffset, leaderEpoch);
    this.#keepsEpoch = true;
    return this.#admitAt(baseOffset, leaderEpoch, bytes, header, memory);
  }

  /** Takes a batch in byte for byte, at the offset and in the epoch that it says itself (3.2). */
  admitFetched(bytes: Buffer, header: BatchHeader): AppendResult {
    const fault = this.#prepare(header);
    if (fault !== null) return { ok: false, code: "KAFKA_STORAGE_ERROR", fault };
    this.#keepsEpoch = false;
    return this.#admitAt(asOffset(header.baseOffset), asLeaderEpoch(header.partitionLeaderEpoch), bytes, header, null);
  }

  #prepare(header: BatchHeader): DiskFault | null {
    if (this.#queue.isEmpty) {
      const fault = this.#beginQueue();
      if (fault !== null) return fault;
    }
    return header.isControl ? attempt(this.#host, () => this.#state.active.loadAborted()) : null;
  }

  #admitAt(
    baseOffset: Offset,
    leaderEpoch: LeaderEpoch,
    bytes: Buffer,
    header: BatchHeader,
    memory: SharedMemory | null,
  ): AppendResult {
    const state = this.#state;
    const sizeBytes = bytes.length;
    const lastOffset = asOffset(baseOffset + header.lastOffsetDelta);
    const nextOffset = asOffset(lastOffset + 1);
    const { producerId } = header;
    if (leaderEpoch !== this.#epochs.latest) this.#epochs.add(leaderEpoch, baseOffset);
    state.active.admit(sizeBytes, lastOffset, header.maxTimestamp);
    const producerBefore = producerId < 0 ? undefined : this.#producers.get(producerId);
    if (producerId >= 0) {
      const marker = header.isControl ? markerAt(bytes, 0) : null;
      const aborted = this.#producers.update(header, baseOffset, this.#turnNowMs, marker);
      if (aborted !== null) state.active.addAborted(aborted);
    }
    const { maxTimestamp } = header;
    this.#queue.push(bytes, { sizeBytes, nextOffset, maxTimestamp, producerId, producerBefore, memory });
    state.logEndOffset = nextOffset;
    return { ok: true, baseOffset, lastOffset };
  }

  #beginQueue(): DiskFault | null {
    this.#turnNowMs = this.#host.clock.monotonicNow();
    const { active } = this.#state;
    // An idle log has dropped its indexes.
    const fault = active.hasIndexes ? null : attempt(this.#host, () => active.loadIndexes());
    this.#queue.mark = active.mark();
    return fault;
  }

  /** Has the turn's batches written; answers the turn's fault, that of an earlier write in it included. */
  endTurn(): DiskFault | null {
    const fault = this.#turnFault ?? this.write();
    this.#turnFault = null;
    return fault;
  }

  /** Writes what is queued, or sees to it that it is written: then `settled` tells when. */
  write(): DiskFault | null {
    if (this.#isFlying || this.#queue.isEmpty) return null;
    const { clock, pace } = this.#host;
    this.#state.isTouched = true;
    if (pace.isSlow) {
      this.#writeOffLoop();
      return null;
    }
    const { active } = this.#state;
    this.#host.failpoint("storage.append.beforeWrite");
    const startedAtMs = clock.monotonicNow();
    const { fault, bytesDone } = this.#queue.write(active.log, active.writtenBytes);
    pace.wroteOnLoop(clock.monotonicNow() - startedAtMs, this.#queue.sizeBytes);
    if (fault !== null) return this.#cutBack(fault, this.#queue, bytesDone);
    this.#landed(this.#queue);
    return null;
  }

  /** Resolves when nothing of the log waits to be written any more. The caller sees to it that nothing new is queued. */
  settled(): Promise<void> {
    if (this.isIdle) return Promise.resolve();
    return new Promise((resolve) => {
      this.#settleWaiters.push(resolve);
    });
  }

  // ---- off the loop ----

  #writeOffLoop(): void {
    this.#isFlying = true;
    this.#host.writeSlots.run((release) => {
      // Only now: what came while the slot was waited for goes with it.
      const flight = this.#queue;
      this.#queue = this.#other ?? new AppendQueue();
      this.#other = flight;
      const { clock, pace } = this.#host;
      const { active } = this.#state;
      this.#host.failpoint("storage.append.beforeWrite");
      const startedAtMs = clock.monotonicNow();
      let hasReturned = false;
      const land = (outcome: WriteOutcome): void => {
        release();
        pace.wroteOffLoop(clock.monotonicNow() - startedAtMs, flight.sizeBytes);
        this.#onFlightEnd(flight, outcome);
      };
      flight.writeOffLoop(active.log, active.writtenBytes, (outcome) => {
        // A file that cannot be opened says so at once, and nobody is called from inside a call of his own.
        if (hasReturned) land(outcome);
        else this.#host.timers.after(0, () => land(outcome));
      });
      hasReturned = true;
    });
  }

  #onFlightEnd(flight: AppendQueue, { fault, bytesDone }: WriteOutcome): void {
    this.#isFlying = false;
    let failed = fault;
    if (fault !== null) this.#cutBack(fault, flight, bytesDone);
    else {
      this.#landed(flight);
      failed = this.#writeNext();
    }
    // The owner hears of it now.
    this.#turnFault = null;
    this.#deps.onWritten(failed);
    if (!this.isIdle) return;
    const waiters = this.#settleWaiters;
    this.#settleWaiters = [];
    for (const resolve of waiters) resolve();
  }

  #writeNext(): DiskFault | null {
    const offline = this.#host.offlineFault();
    if (offline === null || this.#queue.isEmpty) return this.write();
    // Nothing is written any more; the file is as long as the log it goes back to.
    return this.#cutBack(new DiskFault(offline.kind, "open", this.#state.active.log.path), this.#queue, 0);
  }

  // ---- what a write leaves ----

  #landed(queue: AppendQueue): void {
    this.#host.failpoint("storage.append.afterWrite");
    const { active } = this.#state;
    const { endOffset } = queue;
    const position = active.writtenBytes + queue.sizeBytes;
    if (this.#tail !== null) this.#remember(queue, this.#tail);
    queue.clear();
    this.#state.writtenEnd = endOffset;
    // An index that finds no room is written with its next step.
    attempt(this.#host, () => active.writtenTo(position, endOffset));
  }

  #remember({ batches, buffers }: AppendQueue, tail: LogTail): void {
    let baseOffset = this.#state.writtenEnd;
    for (const [slot, { nextOffset, memory }] of batches.entries()) {
      const bytes = buffers[slot];
      if (bytes !== undefined) tail.add(bytes, baseOffset, nextOffset, memory);
      baseOffset = nextOffset;
    }
  }

  /**
   * 3.1(12): the log ends behind the last batch of `failed` that is whole in the file; LEO, indexes and producers go back
   * with it, and with them whatever is queued behind.
   */
  #cutBack(fault: DiskFault, failed: AppendQueue, bytesDone: number): DiskFault {
    const { active } = this.#state;
    const wholeCount = failed.wholeCount(bytesDone);
    assert(failed.mark !== null, "a queue that is written has a mark");
    active.restore(failed.mark);
    for (const { sizeBytes, nextOffset, maxTimestamp } of failed.batches.slice(0, wholeCount)) {
      active.admit(sizeBytes, nextOffset - 1, maxTimestamp);
    }
    active.dropAbortedBehindEnd();
    const behind = failed === this.#queue ? [] : this.#queue.batches;
    for (const { producerId, producerBefore } of [...failed.batches.slice(wholeCount), ...behind].reverse()) {
      if (producerId >= 0) this.#producers.restore(producerId, producerBefore);
    }
    failed.clear();
    this.#queue.clear();
    this.#turnFault = fault;
    const { sizeBytes, endOffset } = active;
    this.#state.endAt(endOffset);
    this.#cutEpochsBack(endOffset);
    attempt(this.#host, () => active.writtenTo(sizeBytes, endOffset));
    // A file that could not even be opened is as long as it was.
    if (fault.operation !== "open") this.#cutFile(active);
    if (!isPassing(fault)) this.#host.onIoFault(fault);
    return fault;
  }

  /** A leader that writes here keeps its epoch: it begins at the lower end now. A follower's came with the batches. */
  #cutEpochsBack(end: Offset): void {
    if (!this.#keepsEpoch) return this.#epochs.truncateEnd(end);
    const epoch = this.#epochs.latest;
    this.#epochs.truncateEnd(asOffset(end + 1));
    if (epoch > this.#epochs.latest) this.#epochs.add(epoch, end);
  }

  #cutFile(segment: Segment): void {
    this.#isCutPending = true;
    if (attempt(this.#host, () => this.#host.beginCut()) !== null) return this.#cutFileLater();
    if (attempt(this.#host, () => segment.log.truncateSync(segment.writtenBytes)) !== null) {
      attempt(this.#host, () => this.#host.endCut());
      return this.#cutFileLater();
    }
    this.#cutSync = this.#syncCutFile(segment);
    this.#host.supervise(this.#cutSync);
  }

  /** No room even for the mark of a cut, or no descriptor for the file: until there is, the file stays longer than the log, and nothing is appended. */
  #cutFileLater(): void {
    this.#cutTimer = this.#host.timers.after(CUT_RETRY_MS, () => {
      this.#cutTimer = null;
      const { isClosed, isOffline, isTruncating, active } = this.#state;
      if (isClosed || isOffline) return;
      if (isTruncating) this.#cutFileLater();
      else this.#cutFile(active);
    });
  }

  async #syncCutFile(segment: Segment): Promise<void> {
    await synced(
      this.#host,
      this.#host.slots.runAsync(() => syncPath(this.#host.disk, segment.log.path)),
    );
    this.#isCutPending = false;
    this.#host.endCut();
  }

  /** Resolves when no sync of a cut file is under way. Rejects with DiskFault if it failed. */
  cutSettled(): Promise<void> {
    return this.#cutSync;
  }

  /** The same, and a cut that waits for room is tried once more. False: the file is still longer than the log. */
  async finishCut(): Promise<boolean> {
    if (this.#cutTimer !== null) {
      this.#cutTimer.cancel();
      this.#cutTimer = null;
      this.#cutFile(this.#state.active);
    }
    await this.#cutSync;
    return !this.#isCutPending;
  }
}
