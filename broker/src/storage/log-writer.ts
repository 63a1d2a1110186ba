/**
 * The writing end of one log (3.1(9)-(12)): the queue of a turn, its one vectored write, and the way back when that write
 * fails.
 *
 * `admit` only queues: offsets, indexes, epochs and producers move at once. When the write fails, the log is cut back to
 * its last whole batch: all of those go back with it, and what is handed over behind it in the same turn is refused. After
 * a cut nothing is appended before the shortened file is synced, or a page of the old tail could come back under a newer
 * one (5.5(3)).
 *
 * Invariant: written end = log end outside of a turn.
 */
import { asOffset, assert } from "../base/index.ts";
import type { LeaderEpoch, Offset } from "../base/index.ts";
import { patchBatch } from "@tidemark/proto";
import type { BatchHeader } from "@tidemark/proto";
import { DiskFault } from "../ports/index.ts";
import type { TimerHandle } from "../ports/index.ts";
import { AppendQueue } from "./append-queue.ts";
import type { EpochCache } from "./epoch-cache.ts";
import { isPassing, syncPath } from "./file-io.ts";
import { attempt } from "./log-host.ts";
import type { LogHost } from "./log-host.ts";
import type { LogState } from "./log-state.ts";
import type { ProducerState } from "./producer-state.ts";
import { synced } from "./safe-write.ts";
import type { Segment, SegmentMark } from "./segment.ts";
import type { AppendResult } from "./types.ts";

/** How long the cut of a failed write waits for room, each time. */
const CUT_RETRY_MS = 1_000;

export interface LogWriterDeps {
  readonly host: LogHost;
  readonly state: LogState;
  readonly epochs: EpochCache;
  readonly producers: ProducerState;
}

export class LogWriter {
  readonly #host: LogHost;
  readonly #state: LogState;
  readonly #epochs: EpochCache;
  readonly #producers: ProducerState;

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

  constructor(deps: LogWriterDeps) {
    this.#host = deps.host;
    this.#state = deps.state;
    this.#epochs = deps.epochs;
    this.#producers = deps.producers;
    this.#turnNowMs = deps.host.clock.monotonicNow();
  }

  /** Monotonic time of the turn's first batch. */
  get turnNowMs(): number {
    return this.#turnNowMs;
  }

  /** Nothing is appended now: behind a failed write, and until what it left is cut off for good. */
  get refuses(): boolean {
    return this.#isCutPending || this.#turnFault !== null;
  }

  /** Takes a batch in at the log's end. The caller has seen to it that it may be appended, and rolled if due. */
  admit(bytes: Buffer, header: BatchHeader, leaderEpoch: LeaderEpoch): AppendResult {
    if (this.#queue.isEmpty) {
      const fault = this.#beginTurn();
      if (fault !== null) return { ok: false, code: "KAFKA_STORAGE_ERROR", fault };
    }
    const state = this.#state;
    const sizeBytes = bytes.length;
    const baseOffset = state.logEndOffset;
    const lastOffset = asOffset(baseOffset + header.lastOffsetDelta);
    const nextOffset = asOffset(lastOffset + 1);
    const { producerId } = header;
    patchBatch(bytes, 0, baseOffset, leaderEpoch);
    if (leaderEpoch !== this.#epochs.latest) this.#epochs.add(leaderEpoch, baseOffset);
    state.active.admit(sizeBytes, lastOffset, header.maxTimestamp);
    const producerBefore = producerId < 0 ? undefined : this.#producers.get(producerId);
    if (producerId >= 0) this.#producers.update(header, baseOffset, this.#turnNowMs);
    this.#queue.push(bytes, { sizeBytes, nextOffset, maxTimestamp: header.maxTimestamp, producerId, producerBefore });
    state.logEndOffset = nextOffset;
    return { ok: true, baseOffset, lastOffset };
  }

  #beginTurn(): DiskFault | null {
    this.#turnNowMs = this.#host.clock.monotonicNow();
    const { active } = this.#state;
    // An idle log has dropped its indexes.
    const fault = active.hasIndexes ? null : attempt(this.#host, () => active.loadIndexes());
    this.#turnMark = active.mark();
    return fault;
  }

  /** Writes what the turn queued; answers the turn's fault, that of an earlier write in it included. */
  endTurn(): DiskFault | null {
    const fault = this.#turnFault ?? this.write();
    this.#turnFault = null;
    return fault;
  }

  /** Writes what is queued, in the middle of a turn. Behind a fault of this turn nothing is. */
  write(): DiskFault | null {
    if (this.#queue.isEmpty) return null;
    const state = this.#state;
    const { active } = state;
    state.isTouched = true;
    const { fault, bytesDone } = this.#queue.write(active.log, active.writtenBytes);
    if (fault !== null) return this.#cutBack(fault, bytesDone);
    this.#queue.clear();
    state.writtenEnd = state.logEndOffset;
    // An index that finds no room is written with its next step.
    attempt(this.#host, () => active.written());
    return null;
  }

  // ---- the way back ----

  /** 3.1(12): the log ends behind the last batch that is whole in the file; LEO, indexes and producers go back with it. */
  #cutBack(fault: DiskFault, bytesDone: number): DiskFault {
    const { active } = this.#state;
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
    this.#state.endAt(active.endOffset);
    this.#cutEpochsBack(active.endOffset);
    attempt(this.#host, () => active.written());
    // A file that could not even be opened is as long as it was.
    if (fault.operation !== "open") this.#cutFile(active);
    if (!isPassing(fault)) this.#host.onIoFault(fault);
    return fault;
  }

  /** The leader that writes here keeps its epoch: it begins at the lower end now. */
  #cutEpochsBack(end: Offset): void {
    const epoch = this.#epochs.latest;
    this.#epochs.truncateEnd(asOffset(end + 1));
    if (epoch > this.#epochs.latest) this.#epochs.add(epoch, end);
  }

  #cutFile(segment: Segment): void {
    this.#isCutPending = true;
    if (attempt(this.#host, () => this.#host.beginCut()) !== null) return this.#cutFileLater();
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
