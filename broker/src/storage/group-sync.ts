/**
 * Group commit of one log (15.1(3), (6)): which of its bytes are synced, and who asks for the rest.
 *
 * One datasync is in flight per file and covers all that was written before it began; whoever asks meanwhile shares the
 * next. The synced end is the end of the contiguous synced prefix: a segment counts only when all older ones and its own
 * directory entry are synced. The recovery point follows it inside the active segment, but stays below the segment's end:
 * the next roll could make just that end the base of a segment. It passes a sealed segment only when that is finished:
 * file, both indexes, the producer snapshot at its end and the directory are synced (3.3(3)).
 *
 * Where a topic wants it, a sync that would begin at once waits a while for more writes (`tidemark.flush.window.ms`); nobody
 * waits who wants all of the log on stable storage, as a stop does.
 *
 * A truncation raises the generation (5.5(2)): a sync that began before it counts for nothing, but its failure still does.
 * A failed sync is final (3.4(3)): nothing is tried again, nothing moves any more.
 */
import { asOffset, assert } from "../base/index.ts";
import type { Offset } from "../base/index.ts";
import { DiskFault } from "../ports/index.ts";
import { isNotBegun, isPassing, syncDirectory, syncPath } from "./file-io.ts";
import type { LogHost } from "./log-host.ts";
import { synced } from "./safe-write.ts";
import type { Segment } from "./segment.ts";
import type { SnapshotStore } from "./snapshot-store.ts";
import type { LogConfig, LogEvents } from "./types.ts";

/** After this long, what found no room or no descriptor is tried again. */
const RETRY_MS = 1000;

/** Whose log it is, and who hears of what is synced. */
export interface SyncOwner {
  readonly directory: string;
  readonly events: LogEvents;
  readonly config: Pick<LogConfig, "durability" | "flushWindowMs">;
}

export interface GroupSyncDeps {
  readonly host: LogHost;
  /** Ascending, the active one last; the list of the log itself. */
  readonly segments: readonly Segment[];
  readonly snapshots: SnapshotStore;
  readonly owner: SyncOwner;
}

export interface SyncedState {
  readonly syncedEnd: Offset;
  readonly recoveryPoint: Offset;
  /** Files may have come or gone since the directory was last synced. */
  readonly isDirectoryDirty: boolean;
}

interface Waiter {
  readonly isDone: () => boolean;
  readonly resolve: () => void;
}

const NOBODY: readonly Waiter[] = [];

/** A segment's sync that gathers writes, is queued or running. */
interface Flight {
  /** Somebody asked after it began. */
  isAskedAgain: boolean;
  /** Whoever did will not have it gather. */
  isUrgent: boolean;
  /** While it gathers: ends that. */
  begin: (() => void) | null;
}

export class GroupSync {
  readonly #host: LogHost;
  readonly #segments: readonly Segment[];
  readonly #snapshots: SnapshotStore;
  readonly #owner: SyncOwner;
  #syncedEnd: Offset;
  #recoveryPoint: Offset;
  #generation = 0;
  #hasFailed = false;

  /** Raised by every change of the directory's entries; what a directory sync covers was captured when it began. */
  #directoryVersion: number;
  #directorySynced = 0;
  #directoryFlight: Pick<Flight, "isAskedAgain"> | null = null;
  /** Null: none yet. */
  #flights: Map<Segment, Flight> | null = null;
  #isFinishing = false;
  /** There was no room for an index, or no descriptor: what was not synced for that is tried again after a while. */
  #isWanting = false;
  /** While the log is being cut, no sync begins. */
  #isHeld = false;
  #waiters: readonly Waiter[] = NOBODY;

  constructor(deps: GroupSyncDeps, state: SyncedState) {
    this.#host = deps.host;
    this.#segments = deps.segments;
    this.#snapshots = deps.snapshots;
    this.#owner = deps.owner;
    this.#syncedEnd = state.syncedEnd;
    this.#recoveryPoint = state.recoveryPoint;
    this.#directoryVersion = state.isDirectoryDirty ? 1 : 0;
  }

  get syncedEnd(): Offset {
    return this.#syncedEnd;
  }

  get recoveryPoint(): Offset {
    return this.#recoveryPoint;
  }

  /** Files came or went. Answers the version that has to be synced for it to last. */
  directoryChanged(): number {
    this.#directoryVersion += 1;
    return this.#directoryVersion;
  }

  /** Asks for a sync of everything written; one that is urgent gathers nothing. */
  request({ isUrgent = false } = {}): void {
    if (!this.#mayBegin) return;
    const segments = this.#segments;
    for (let slot = segments.length - 1; slot >= 0; slot -= 1) {
      const segment = segments[slot];
      if (segment === undefined || (segment.isSealed && segment.isFinished)) break;
      this.#askFor(segment, isUrgent);
      if (segment.entryVersion > this.#directorySynced) this.#askForDirectory();
    }
  }

  /** A segment was sealed: the work that lets the recovery point pass it begins in the background. */
  finishSealed(): void {
    if (this.#isFinishing || !this.#mayBegin || this.#oldestUnfinished() === null) return;
    this.#isFinishing = true;
    this.#host.supervise(
      this.#finishAll().finally(() => {
        this.#isFinishing = false;
        this.#settle();
      }),
    );
  }

  /** True when all that was written is synced and sealed segments are finished; false when a fault or a truncation is in the way. */
  async flush(): Promise<boolean> {
    const end = this.#segments.at(-1)?.writtenEnd ?? this.#syncedEnd;
    const version = this.#directoryVersion;
    const generation = this.#generation;
    this.request({ isUrgent: true });
    if (version > this.#directorySynced) this.#askForDirectory();
    this.finishSealed();
    const isDone = (): boolean =>
      this.#syncedEnd >= end && this.#directorySynced >= version && this.#oldestUnfinished() === null;
    // A log that was cut meanwhile may never reach that end again.
    await this.#until(() => this.#hasFailed || this.#isWanting || generation !== this.#generation || isDone());
    return !this.#hasFailed && isDone();
  }

  /** The log is closed and all of it synced, the active segment's indexes included: there is nothing to recover. */
  complete(): void {
    const segments = this.#segments;
    this.#recoveryPoint = segments.at(-1)?.endOffset ?? this.#recoveryPoint;
    assert(this.#recoveryPoint === this.#syncedEnd, "a log is complete when it is synced");
  }

  /**
   * The log ends at `end` now, in memory, and so does its last segment; the recovery point is `recoveryPoint` at most. What
   * is in flight counts for nothing; nothing new begins until `release`.
   */
  truncate(end: Offset, recoveryPoint = end): void {
    this.#isHeld = true;
    this.#generation += 1;
    this.#syncedEnd = asOffset(Math.min(this.#syncedEnd, end));
    this.#recoveryPoint = this.#belowEnd(asOffset(Math.min(this.#recoveryPoint, recoveryPoint)));
  }

  /** Resolves when nothing is in flight. */
  async quiesce(): Promise<void> {
    this.#isHeld = true;
    for (const { begin } of this.#flights?.values() ?? []) begin?.();
    this.#settle();
    await this.#until(() => (this.#flights?.size ?? 0) === 0 && this.#directoryFlight === null && !this.#isFinishing);
  }

  /** Who asked meanwhile was not heard: `syncCut` has to have covered all that was written. An entry may have come behind it. */
  release(): void {
    this.#isHeld = false;
    this.#advance();
  }

  /** Syncs the directory as it is, whatever else is asked for. Rejects with DiskFault. */
  async syncEntries(): Promise<void> {
    const host = this.#host;
    await synced(
      host,
      host.slots.runAsync(() => syncDirectory(host.disk, this.#owner.directory)),
    );
  }

  /** Syncs the file of `segment` and the directory, whatever else is asked for: after files were cut or removed. */
  async syncCut(segment: Segment): Promise<void> {
    const host = this.#host;
    const version = this.#directoryVersion;
    const generation = this.#generation;
    const end = segment.writtenEnd;
    await synced(
      host,
      host.slots.runAsync(() => syncPath(host.disk, segment.log.path)),
    );
    await this.syncEntries();
    // Behind a failed sync of the same pages this one proves nothing (3.4(3)).
    if (!this.#hasFailed) {
      if (generation === this.#generation) segment.syncedEnd = end;
      this.#directorySynced = Math.max(this.#directorySynced, version);
      this.#advance();
    }
    this.#settle();
  }

  /** The directory is offline: whoever waits for a sync waits in vain, so the waiting ends. */
  fail(): void {
    this.#hasFailed = true;
    this.#settle();
  }

  // ---- files ----

  #askFor(segment: Segment, isUrgent: boolean): void {
    if (segment.syncedEnd >= segment.writtenEnd) return;
    const flight = this.#flights?.get(segment);
    if (flight === undefined) return this.#prepare(segment, isUrgent);
    if (flight.begin !== null) {
      if (isUrgent) flight.begin();
      return;
    }
    flight.isAskedAgain = true;
    flight.isUrgent ||= isUrgent;
  }

  #prepare(segment: Segment, isUrgent: boolean): void {
    const host = this.#host;
    const { durability, flushWindowMs } = this.#owner.config;
    const flight: Flight = { isAskedAgain: false, isUrgent: false, begin: null };
    this.#flights ??= new Map();
    this.#flights.set(segment, flight);
    if (isUrgent || durability !== "group-commit" || flushWindowMs === 0) return this.#fly(segment, flight);
    const timer = host.timers.after(flushWindowMs, () => flight.begin?.());
    flight.begin = (): void => {
      timer.cancel();
      flight.begin = null;
      this.#fly(segment, flight);
    };
  }

  #fly(segment: Segment, flight: Flight): void {
    this.#host.slots.run((release) => {
      // Captured only now: what was written while the slot was waited for is covered, too.
      const end = segment.writtenEnd;
      const generation = this.#generation;
      flight.isAskedAgain = false;
      this.#start(
        (done) => {
          this.#host.failpoint("storage.flush.beforeSync");
          segment.log.datasync(done);
        },
        (isSynced) => {
          this.#host.failpoint("storage.flush.afterSync");
          release();
          this.#flights?.delete(segment);
          if (isSynced && generation === this.#generation) {
            segment.syncedEnd = end;
            this.#advance();
          }
          if (flight.isAskedAgain && this.#mayBegin) this.#askFor(segment, flight.isUrgent);
          this.#settle();
        },
      );
    });
  }

  #askForDirectory(): void {
    if (this.#directoryFlight !== null) {
      this.#directoryFlight.isAskedAgain = true;
      return;
    }
    const flight = { isAskedAgain: false };
    this.#directoryFlight = flight;
    const host = this.#host;
    host.slots.run((release) => {
      const version = this.#directoryVersion;
      flight.isAskedAgain = false;
      this.#start(
        (done) => host.disk.syncDirectory(this.#owner.directory, done),
        (isSynced) => {
          release();
          this.#directoryFlight = null;
          if (isSynced) {
            this.#directorySynced = Math.max(this.#directorySynced, version);
            this.#advance();
          }
          if (flight.isAskedAgain && this.#mayBegin) this.#askForDirectory();
          this.#settle();
        },
      );
    });
  }

  get #mayBegin(): boolean {
    return !this.#isHeld && !this.#hasFailed;
  }

  /** Runs one sync. `ended` hears whether it counts: after a failure of any, here or in another log, none does. */
  #start(sync: (done: (fault: DiskFault | null) => void) => void, ended: (isSynced: boolean) => void): void {
    if (this.#hasFailed) return ended(false);
    const done = (fault: DiskFault | null): void => {
      if (fault !== null && isNotBegun(fault)) this.#notBegun(fault);
      else if (fault !== null) this.#failed(fault);
      ended(fault === null && !this.#hasFailed);
    };
    try {
      sync(done);
    } catch (error: unknown) {
      if (!(error instanceof DiskFault)) throw error;
      done(error);
    }
  }

  #notBegun(fault: DiskFault): void {
    if (isPassing(fault)) this.#tryLater();
    else this.#host.onIoFault(fault);
  }

  #tryLater(): void {
    if (this.#isWanting) return;
    this.#isWanting = true;
    this.#settle();
    this.#host.timers.after(RETRY_MS, () => {
      this.#isWanting = false;
      this.request();
      if (this.#mayBegin && this.#directoryVersion > this.#directorySynced) this.#askForDirectory();
      this.finishSealed();
    });
  }

  // ---- sealed segments ----

  async #finishAll(): Promise<void> {
    for (let segment = this.#oldestUnfinished(); segment !== null; segment = this.#oldestUnfinished()) {
      const generation = this.#generation;
      try {
        if (segment.flushIndexes()) this.directoryChanged();
        await this.#finish(segment);
      } catch (error: unknown) {
        if (!(error instanceof DiskFault && isPassing(error))) throw error;
        return this.#tryLater();
      }
      if (!this.#mayBegin || generation !== this.#generation) return;
      segment.isFinished = true;
      segment.dropIndexes();
      this.#advance();
    }
  }

  #oldestUnfinished(): Segment | null {
    const segments = this.#segments;
    let oldest: Segment | null = null;
    for (let slot = segments.length - 1; slot >= 0; slot -= 1) {
      const segment = segments[slot];
      if (segment === undefined || segment.isFinished) break;
      if (segment.isSealed) oldest = segment;
    }
    return oldest;
  }

  async #finish(segment: Segment): Promise<void> {
    const host = this.#host;
    this.#askFor(segment, true);
    for (const sync of [
      ...segment.indexPaths().map((path) => () => syncPath(host.disk, path)),
      () => this.#snapshots.sync(segment.endOffset),
    ]) {
      if (this.#mayBegin) await synced(host, host.slots.runAsync(sync));
    }
    const version = this.#directoryVersion;
    if (version > this.#directorySynced && this.#mayBegin) this.#askForDirectory();
    await this.#until(
      () => !this.#mayBegin || (segment.syncedEnd >= segment.writtenEnd && this.#directorySynced >= version),
    );
  }

  // ---- what follows ----

  /** Moves the synced end and the recovery point as far as they may go. What waits for an entry alone has the directory synced. */
  #advance(): void {
    const segments = this.#segments;
    let slot = segments.length - 1;
    while (slot > 0 && (segments[slot]?.baseOffset ?? 0) > this.#recoveryPoint) slot -= 1;
    let end: number = this.#syncedEnd;
    let recoveryPoint: number = this.#recoveryPoint;
    let mayPass = true;
    let lacksEntry = false;
    for (; slot < segments.length; slot += 1) {
      const segment = segments[slot];
      if (segment === undefined || segment.entryVersion > this.#directorySynced) {
        lacksEntry = segment !== undefined && segment.syncedEnd > end;
        break;
      }
      end = Math.max(end, segment.syncedEnd);
      if (mayPass && segment.isSealed && segment.isFinished) recoveryPoint = Math.max(recoveryPoint, segment.endOffset);
      else if (mayPass && !segment.isSealed) recoveryPoint = Math.max(recoveryPoint, this.#belowEnd(segment.syncedEnd));
      mayPass &&= segment.isFinished;
      if (!segment.isSealed || segment.syncedEnd < segment.endOffset) break;
    }
    if (recoveryPoint > this.#recoveryPoint) {
      assert(recoveryPoint <= end, "the recovery point passed the synced end");
      this.#recoveryPoint = asOffset(recoveryPoint);
      this.#host.onRecoveryPointMoved();
    }
    if (end > this.#syncedEnd) {
      this.#syncedEnd = asOffset(end);
      this.#owner.events.onSynced(this.#syncedEnd);
    }
    // It came while the file was being synced, and whoever asked for that asks no more.
    if (lacksEntry && this.#directoryFlight === null && this.#mayBegin) this.#askForDirectory();
  }

  /** What the recovery point may be where `offset` is synced. */
  #belowEnd(offset: Offset): Offset {
    const active = this.#segments.at(-1);
    // A write in flight that fails leaves the log ending at the written end.
    const isEnd = active !== undefined && offset >= active.writtenEnd && offset > active.baseOffset;
    return isEnd ? asOffset(offset - 1) : offset;
  }

  #failed(fault: DiskFault): void {
    this.#hasFailed = true;
    this.#host.onSyncFailed(fault);
  }

  // ---- waiting ----

  #until(isDone: () => boolean): Promise<void> {
    if (isDone()) return Promise.resolve();
    return new Promise((resolve) => {
      this.#waiters = [...this.#waiters, { isDone, resolve }];
    });
  }

  #settle(): void {
    if (this.#waiters.length === 0) return;
    const waiters = this.#waiters;
    const done = waiters.filter((waiter) => waiter.isDone());
    if (done.length === 0) return;
    this.#waiters = done.length === waiters.length ? NOBODY : waiters.filter((waiter) => !done.includes(waiter));
    for (const { resolve } of done) resolve();
  }
}
