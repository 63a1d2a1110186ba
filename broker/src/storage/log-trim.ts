/**
 * The old end of one log: what retention finds due (3.5), and what a raised log start leaves behind (13(4)).
 *
 * One way for both: the log start is raised and made durable, then segments wholly below it leave the map, then their files
 * go (3.6). A power failure may undo any of the renames alone; the segments that come back lie below the durable log start,
 * and the next start removes them instead of finding a hole. The entry in the checkpoint stays until the directory was
 * synced without them (`durableBase`).
 *
 * Only finished segments go: nothing is being synced of them, and the recovery point has passed them. Nothing is touched
 * while the log is cut (5.5).
 */
import { asOffset, assert } from "../base/index.ts";
import type { Ms, Offset } from "../base/index.ts";
import { DiskFault } from "../ports/index.ts";
import { DeletedSegments } from "./deleted-segments.ts";
import type { EpochCache } from "./epoch-cache.ts";
import { isPassing, syncDirectory } from "./file-io.ts";
import type { GroupSync } from "./group-sync.ts";
import type { LogHost } from "./log-host.ts";
import type { LogState } from "./log-state.ts";
import { decideRetention } from "./retention.ts";
import type { RetentionVerdict } from "./retention.ts";
import { synced } from "./safe-write.ts";
import type { Segment } from "./segment.ts";
import type { SnapshotStore } from "./snapshot-store.ts";
import type { LogConfig } from "./types.ts";

export interface LogTrimDeps {
  readonly host: LogHost;
  readonly directory: string;
  readonly state: LogState;
  readonly sync: GroupSync;
  readonly epochs: EpochCache;
  readonly snapshots: SnapshotStore;
  readonly config: () => LogConfig;
  /** The durable log start has moved. */
  readonly onRaised: () => void;
  /** Closes the active segment and begins the next one; false: it could not be, or may not be now. */
  readonly roll: () => boolean;
}

export class LogTrim {
  readonly #deps: LogTrimDeps;
  readonly #deleted: DeletedSegments;
  #run: Promise<void> = Promise.resolve();
  #isRunning = false;

  constructor(deps: LogTrimDeps) {
    this.#deps = deps;
    this.#deleted = new DeletedSegments(deps.host);
  }

  /** 3.5, at wall time `now`. Null: nothing is due, or it is not the time for it. Never rejects for a fault. */
  retain(now: Ms): Promise<void> | null {
    if (this.#isRunning || this.#isAtRest || this.#verdict(now).kind === "keep") return null;
    return this.#begin(() => this.#retain(now));
  }

  /**
   * DeleteRecords: the log starts at `offset`, durably when this resolves; rejects with DiskFault. Segments wholly below
   * go in the background.
   */
  async raiseLogStart(offset: Offset): Promise<void> {
    const { host, state, epochs } = this.#deps;
    assert(offset <= state.highWatermark, `log start ${offset} would pass the high watermark ${state.highWatermark}`);
    if (offset > state.logStartOffset) {
      state.logStartOffset = offset;
      state.isTouched = true;
    }
    const raisedTo = state.logStartOffset;
    await host.checkpointLogStarts();
    host.failpoint("storage.retain.afterLogStart");
    // The log was begun anew, further back.
    if (state.logStartOffset < raisedTo) return;
    const hasMoved = raisedTo > state.durableLogStart;
    state.durableLogStart = asOffset(Math.max(state.durableLogStart, raisedTo));
    // Not before: a crash may bring the old log start back, and with it offsets whose epochs are asked for.
    epochs.truncateStart(offset);
    if (hasMoved) this.#deps.onRaised();
    const oldest = state.segments[0];
    const isDue = oldest !== undefined && oldest !== state.active && oldest.endOffset <= state.durableLogStart;
    if (isDue && !this.#isRunning && !this.#isAtRest) host.supervise(this.#begin(() => this.#removeBelowStart()));
  }

  /** The log begins anew, maybe where a segment lay that was let go. Rejects with DiskFault. */
  removeUnrenamed(): Promise<void> {
    return this.#deleted.removeUnrenamed();
  }

  /**
   * Resolves when nothing is under way; nothing begins any more, and the files of what has left are closed. Syncs have to go
   * on until then.
   */
  async release(): Promise<void> {
    assert(this.#deps.state.isClosed, "a log that is let go is closed");
    await this.#run;
    await this.#deleted.release();
  }

  get #isAtRest(): boolean {
    const { isClosed, isOffline, isTruncating } = this.#deps.state;
    return isClosed || isOffline || isTruncating;
  }

  #verdict(now: Ms): RetentionVerdict {
    return retentionVerdict(this.#deps.state, this.#deps.config(), now);
  }

  #begin(work: () => Promise<void>): Promise<void> {
    this.#isRunning = true;
    const { generation } = this.#deps.state;
    const run = work()
      .catch((error: unknown) => this.#onFault(error, generation))
      .finally(() => {
        this.#isRunning = false;
      });
    this.#run = run.catch(() => undefined);
    return run;
  }

  /** The next pass tries again, unless the disk is broken (3.8(1)). */
  #onFault(error: unknown, generation: number): void {
    if (!(error instanceof DiskFault)) throw error;
    const { host, directory, state } = this.#deps;
    if (host.offlineFault() !== null) return;
    // A truncation has removed what was being looked at.
    if (error.kind === "ENOENT" && generation !== state.generation) return;
    if (!isPassing(error)) host.onIoFault(error);
    else host.logger.warn("old segments could not be removed", { directory, err: error });
  }

  async #retain(now: Ms): Promise<void> {
    const { host, state, sync, roll } = this.#deps;
    while (!this.#isAtRest) {
      const verdict = this.#verdict(now);
      if (verdict.kind === "keep") return;
      if (verdict.kind === "look") {
        if (!(await state.segments[verdict.slot]?.lookAtLargestTimestamp())) return;
        await host.timers.yieldTurn();
        continue;
      }
      const due = state.segments.slice(0, verdict.count);
      const newest = due.at(-1);
      assert(newest !== undefined, "a verdict names segments");
      if (newest === state.active && !roll()) return;
      if (!newest.isFinished) {
        if (!(await sync.flush())) return;
        // Meanwhile the log may have been cut, or its settings changed.
        continue;
      }
      try {
        await this.raiseLogStart(newest.endOffset > state.logStartOffset ? newest.endOffset : state.logStartOffset);
      } catch (error: unknown) {
        if (!(error instanceof DiskFault && isPassing(error))) throw error;
        return this.#removeOneByOne();
      }
      host.logger.info("old segments are removed", {
        directory: this.#deps.directory,
        count: due.length,
        logStartOffset: state.logStartOffset,
      });
      return this.#removeBelowStart();
    }
  }

  /** Finished segments at the old end that lie wholly below `start`. Never the active one. */
  #countBelow(start: Offset): number {
    const { segments } = this.#deps.state;
    let count = 0;
    for (let segment = segments[0]; segment !== undefined && count < segments.length - 1; segment = segments[count]) {
      if (segment.endOffset > start || !segment.isFinished) break;
      count += 1;
    }
    return count;
  }

  #takeOut(count: number): Segment[] {
    const { state, snapshots } = this.#deps;
    for (const { baseOffset } of state.segments.slice(0, count)) {
      if (snapshots.has(baseOffset)) snapshots.delete(baseOffset);
    }
    state.removals += 1;
    state.isTouched = true;
    return state.segments.splice(0, count);
  }

  async #removeBelowStart(): Promise<void> {
    const { config, sync } = this.#deps;
    // A segment that was sealed a moment ago is not finished yet.
    if (!(await sync.flush())) return;
    const count = this.#isAtRest ? 0 : this.#countBelow(this.#deps.state.durableLogStart);
    if (count === 0) return;
    const base = this.#deps.state.segments[count]?.baseOffset ?? 0;
    const gone = this.#takeOut(count);
    const onRenamed = (): void => {
      if (!this.#isAtRest) this.#deps.host.supervise(this.#syncedWithout(base));
    };
    if (await this.#deleted.discard(gone, config().fileDeleteDelayMs, onRenamed)) await this.#syncedWithout(base);
  }

  /**
   * The disk is so full that no checkpoint finds room, and this is what makes some: one after another, each durably gone
   * before the next, so that no crash leaves a hole.
   */
  async #removeOneByOne(): Promise<void> {
    while (!this.#isAtRest && this.#countBelow(this.#deps.state.logStartOffset) > 0) {
      const base = this.#deps.state.segments[1]?.baseOffset ?? 0;
      for (const segment of this.#takeOut(1)) await this.#deleted.remove(segment);
      await this.#syncedWithout(base);
    }
  }

  async #syncedWithout(base: number): Promise<void> {
    const { host, directory, state } = this.#deps;
    await synced(
      host,
      host.slots.runAsync(() => syncDirectory(host.disk, directory)),
    );
    // Begun anew meanwhile, it may have files further down.
    if ((state.segments[0]?.baseOffset ?? 0) >= base) state.durableBase = Math.max(state.durableBase, base);
  }
}

export function retentionVerdict(state: LogState, config: LogConfig, now: Ms): RetentionVerdict {
  const { segments, logStartOffset, highWatermark } = state;
  return decideRetention(segments, config, { now, logStartOffset, highWatermark });
}
