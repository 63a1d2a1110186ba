/**
 * The steps of a truncation (5.5): everything in memory in one stretch, then the lowered recovery point, then the files,
 * newest first, then both made to last. Nothing is appended or served between the steps; log and writer see to that.
 */
import { asOffset, assert } from "../base/index.ts";
import type { Offset } from "../base/index.ts";
import { DiskFault } from "../ports/index.ts";
import { lastOffsetAt } from "./batch-fields.ts";
import type { EpochCache } from "./epoch-cache.ts";
import { isPassing } from "./file-io.ts";
import type { GroupSync } from "./group-sync.ts";
import { scanHeaders } from "./header-scan.ts";
import { attempt } from "./log-host.ts";
import type { LogHost } from "./log-host.ts";
import { slotOf } from "./log-reader.ts";
import type { LogReader } from "./log-reader.ts";
import type { LogState } from "./log-state.ts";
import type { LogWriter } from "./log-writer.ts";
import { replayProducers } from "./producer-replay.ts";
import type { ReplaySource } from "./producer-replay.ts";
import { ProducerState } from "./producer-state.ts";
import type { Segment } from "./segment.ts";
import type { SnapshotStore } from "./snapshot-store.ts";
import { BadBytesError } from "./storage-error.ts";

/** How long a truncation waits for room, each time. */
const ROOM_RETRY_MS = 1_000;

export interface LogTruncationDeps {
  readonly host: LogHost;
  readonly state: LogState;
  readonly writer: LogWriter;
  readonly reader: LogReader;
  readonly sync: GroupSync;
  readonly epochs: EpochCache;
  readonly producers: ProducerState;
  readonly snapshots: SnapshotStore;
  newSegment(baseOffset: Offset): Segment;
  /** Files of segments that were let go, and still have their names, are removed. */
  removeUnrenamed(): Promise<void>;
  /** The epoch file as the log has it. */
  writeEpochs(): Promise<void>;
}

export class LogTruncation {
  readonly #deps: LogTruncationDeps;
  /** Segments that are taken out and not yet removed. */
  #doomed: readonly Segment[] = [];

  constructor(deps: LogTruncationDeps) {
    this.#deps = deps;
  }

  get doomed(): readonly Segment[] {
    return this.#doomed;
  }

  /** The log, below `offset` only. Rejects with DiskFault, and it may be half cut then; with BadBytesError, and nothing has happened. */
  async run(offset: Offset): Promise<void> {
    const { host, state, writer, sync, snapshots } = this.#deps;
    const { position, end, isGap } = await this.#boundaryAt(offset);
    // The batch that goes is the one inside of which the log starts (13(4)), or is to start: nothing is left.
    const start = state.logStartToKeep;
    if (end < start) return this.restart(start, start);
    const slot = Math.max(0, slotOf(state.segments, end));
    const kept = state.segments[slot];
    assert(kept !== undefined, "a log has a segment");
    const source: ReplaySource = { segments: state.segments, snapshots, logStartOffset: state.logStartOffset };
    const producers = await replayProducers(source, end, host.clock.monotonicNow());

    // (1), (2): in memory, in one stretch.
    const leap = isGap && end < state.highWatermark ? this.#deps.newSegment(offset) : null;
    const logEnd = leap === null ? end : offset;
    const isBelowHighWatermark = logEnd < state.highWatermark;
    const doomed = state.segments.splice(slot + 1);
    this.#doomed = doomed;
    state.generation += 1;
    state.active = kept;
    kept.isSealed = leap !== null;
    kept.isFinished = false;
    if (leap !== null) {
      state.segments.push(leap);
      state.active = leap;
      state.isGapless = false;
    }
    state.endAt(logEnd);
    this.#deps.reader.forget();
    writer.tail?.clear();
    this.#deps.epochs.truncateEnd(logEnd);
    kept.cut(position, end);
    sync.truncate(end);
    this.#deps.producers.replaceBy(producers);

    // (3): first the recovery point, then the files, newest first; then both are made to last.
    await this.#lowerCheckpoints(isBelowHighWatermark);
    await this.#removeDoomed(doomed);
    await kept.log.whenIdle();
    await this.#untilThereIsRoom(async () => kept.log.truncateSync(position));
    host.failpoint("storage.truncate.afterCut");
    // What finds no room is written with the next step of the indexes; until then recovery would make them anew.
    attempt(host, () => kept.flushIndexes());
    snapshots.deleteAbove(end);
    sync.directoryChanged();
    if (leap === null) await this.#makeToLast(kept);
    else await this.#leapTo(leap, kept);
    sync.finishSealed();
  }

  /**
   * The log goes on behind the gap in a segment of its own, as after a leap of the leader's. Until the recovery point on disk has
   * reached it, a start ends the log before the gap.
   */
  async #leapTo(leap: Segment, kept: Segment): Promise<void> {
    const { host, state, sync } = this.#deps;
    await this.#untilThereIsRoom(() => sync.syncCut(kept));
    await this.#untilThereIsRoom(async () => leap.create());
    leap.entryVersion = sync.directoryChanged();
    await this.#makeToLast(leap);
    if (!(await sync.flush()) || state.isOffline) return;
    await this.#untilThereIsRoom(() => this.#deps.writeEpochs());
    await this.#untilThereIsRoom(() => host.checkpointRecoveryPoints());
  }

  /**
   * Nothing that is here, and an empty log that starts at `offset`, below or above what was (5.3(5), 5.3(8)); the log start
   * on disk is `promisedLogStart`, which may lie above. Rejects as `run` does.
   *
   * Until it is done the recovery point on disk is 0: what an interruption leaves is neither damaged nor has an epoch, and
   * ends below the log start on disk, if that has moved up, where a start drops the rest (4.2(7)).
   */
  async restart(offset: Offset, promisedLogStart: Offset): Promise<void> {
    const { host, state, writer, sync, snapshots } = this.#deps;
    const segment = this.#deps.newSegment(offset);
    const isBelowHighWatermark = offset < state.highWatermark;
    const doomed = state.segments.splice(0);
    this.#doomed = doomed;
    state.generation += 1;
    state.segments.push(segment);
    state.active = segment;
    state.startAnewAt(offset, promisedLogStart);
    this.#deps.reader.forget();
    writer.tail?.clear();
    this.#deps.epochs.clear();
    sync.truncate(offset, asOffset(0));
    this.#deps.producers.replaceBy(new ProducerState());

    await this.#lowerCheckpoints(isBelowHighWatermark);
    await this.#untilThereIsRoom(() => host.checkpointLogStarts());
    await this.#removeDoomed(doomed);
    await this.#untilThereIsRoom(() => this.#deps.removeUnrenamed());
    snapshots.deleteAbove(-1);
    // The old files have left for good before the new one comes: it may have the name of one of them.
    await this.#untilThereIsRoom(() => sync.syncEntries());
    await this.#untilThereIsRoom(async () => segment.create());
    segment.entryVersion = sync.directoryChanged();
    await this.#makeToLast(segment);
    state.durableBase = offset;
    state.durableLogStart = promisedLogStart;
  }

  async #lowerCheckpoints(isBelowHighWatermark: boolean): Promise<void> {
    const { host, writer, sync } = this.#deps;
    await this.#untilThereIsRoom(() => host.checkpointRecoveryPoints());
    // The checkpointed one is a lower bound: above a cut end it would be one no longer, once the log grew again.
    if (isBelowHighWatermark) await this.#untilThereIsRoom(() => host.checkpointHighWatermarks());
    host.failpoint("storage.truncate.afterCheckpoint");
    await sync.quiesce();
    await writer.cutSettled();
  }

  async #removeDoomed(doomed: Segment[]): Promise<void> {
    await this.#untilThereIsRoom(async () => this.#deps.host.beginCut());
    for (let segment = doomed.pop(); segment !== undefined; segment = doomed.pop()) {
      await segment.log.retire();
      segment.remove();
      this.#deps.host.failpoint("storage.truncate.afterRemove");
    }
  }

  async #makeToLast(active: Segment): Promise<void> {
    const { host, sync } = this.#deps;
    await this.#untilThereIsRoom(() => sync.syncCut(active));
    host.endCut();
    sync.release();
  }

  /** A truncation cannot be left half done: on a full disk it waits, and appends with it. */
  async #untilThereIsRoom(work: () => Promise<void>): Promise<void> {
    const { host, state } = this.#deps;
    for (;;) {
      try {
        return await work();
      } catch (error: unknown) {
        if (!(error instanceof DiskFault && isPassing(error)) || state.isClosed || state.isOffline) throw error;
        await new Promise<void>((resolve) => {
          host.timers.after(ROOM_RETRY_MS, resolve);
        });
      }
    }
  }

  /**
   * Where the batch begins that contains `offset`, or lies beyond it, and where the log ends without that: where the batch before ends. Of
   * one history no log ends inside of another's batch, nor in a gap that the other has not: then the base offset of this one, which its CRC
   * does not cover, has rotted, and between it and the batch before there may be records. A gap that is one is fetched again as it was.
   *
   * `isGap`: what lies between that end and `offset` is one, by a witness that does not rot with it. In a log that may have gaps a
   * batch begins just where the leader ends, or the gap lies before a segment, whose name says so.
   */
  async #boundaryAt(offset: Offset): Promise<{ position: number; end: Offset; isGap: boolean }> {
    const { segments, isGapless } = this.#deps.state;
    const segment = segments[Math.max(0, slotOf(segments, offset))];
    assert(segment !== undefined, "a log has a segment");
    await segment.ready();
    const place = await this.#deps.reader.locate(offset);
    const isHere = place?.segment === segment;
    const position = isHere ? place.position : segment.writtenBytes;
    const end = await this.#endBefore(segment, position, isHere ? place.baseOffset : offset);
    // An index that has rotted may lead to a batch behind the place.
    if (end > offset) throw new BadBytesError(segment.log.path, segment.baseOffset);
    const isLawful = !isHere || (place.baseOffset === offset && (!isGapless || segment.hasGaps));
    return { position, end, isGap: isLawful && end < offset };
  }

  async #endBefore(segment: Segment, position: number, baseOffset: number): Promise<Offset> {
    let end: number = segment.baseOffset;
    const floor = segment.offsets.floorPosition(Math.max(0, baseOffset - 1 - segment.baseOffset));
    const scan = await scanHeaders(segment.log, Math.min(floor, position), position, (bytes, at) => {
      end = lastOffsetAt(bytes, at) + 1;
      return true;
    });
    // Cut there the log would have bytes and no end. Nor does it end before them by itself: who is in sync leaves the ISR first (15.7).
    const hasEnd = scan.isWhole && scan.position === position && (end > segment.baseOffset || position === 0);
    if (!hasEnd) throw new BadBytesError(segment.log.path, segment.baseOffset);
    return asOffset(end);
  }
}
