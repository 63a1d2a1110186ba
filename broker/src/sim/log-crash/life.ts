/**
 * One life of the process that owns the log directory: it opens, works for a while and ends. The code under test runs in
 * the simulated world only; this class drives the world event by event and sees to it that nothing hangs, that nothing
 * fails without a cause, and that what is promised is looked at after every event.
 */
import { asMs, asOffset } from "../../base/index.ts";
import { DiskFault, FAILPOINTS, type FailpointName } from "../../ports/index.ts";
import type { Disk, Logger } from "../../ports/index.ts";
import type { LogDirectory, OpenLogDirectory, PartitionLog } from "../../storage/index.ts";
import { ensureGoing } from "../seed-run.ts";
import { SimFailpoints } from "../sim-failpoints.ts";
import type { SimProcess } from "../sim-world.ts";
import { SimulatedCrash } from "../simulated-crash.ts";
import { injectFault } from "./fault-menu.ts";
import { textAt } from "./log-image.ts";
import { checkDuplicates, checkLog, checkNothingIsLeft, checkRead } from "./log-checks.ts";
import { BatchMaker } from "./make-batch.ts";
import {
  checkKeptAside,
  checkRecoveryPoints,
  checkSynced,
  CLEAN_MARKER,
  segmentsToKeep,
  SYNC_FAILED,
} from "./medium-checks.ts";
import { OrderObserver } from "./order-observer.ts";
import { DATA_PATH, specOf } from "./run-state.ts";
import type { RunState } from "./run-state.ts";
import type { ShadowLog } from "./shadow-log.ts";
import { ensure, InvariantViolation } from "../violation.ts";
import { Workload } from "./workload.ts";

export const LIFE_END = {
  /** A clean stop that ended and left its marker. */
  CLEAN: "stopped",
  /** A clean stop that ended without a marker, after a failed sync or offline. */
  UNCLEAN: "stopped without marker",
  CRASHED: "crashed",
  /** Ended between two operations. */
  KILLED: "killed",
  /** A fault that was injected made the start fail. */
  REFUSED: "refused to start",
} as const;
export type LifeEnd = (typeof LIFE_END)[keyof typeof LIFE_END];

/** Those that a data directory passes by itself. */
export const DIRECTORY_FAILPOINTS = (Object.keys(FAILPOINTS) as FailpointName[]).filter((name) =>
  /^(?:storage|checkpoint)\.|^shutdown\..*Marker$/u.test(name),
);

/** Virtual time after which a life that has not ended is stuck. */
const LIFE_MS_MAX = 3_600_000;
/** Events after which a life is going round in circles. */
const LIFE_EVENTS_MAX = 200_000;

export interface LifeOptions {
  /** Nothing is injected and nothing crashes: the start must succeed and so must the stop. */
  readonly isLast?: boolean;
}

export class Life {
  readonly state: RunState;
  readonly process: SimProcess;
  readonly disk: Disk;
  readonly batches: BatchMaker;
  isOffline = false;
  hasSyncFailed = false;
  readonly #open: OpenLogDirectory;
  readonly #isLast: boolean;
  readonly #observer: OrderObserver;
  readonly #faultsBefore: number;
  readonly #failpoints: SimFailpoints;
  /** First broken promise found inside a callback of the log, where a throw might be caught. */
  #broken: unknown;

  constructor(state: RunState, open: OpenLogDirectory, options: LifeOptions = {}) {
    this.state = state;
    this.#open = open;
    this.#isLast = options.isLast === true;
    this.process = state.world.startProcess();
    this.disk = state.medium.mount(this.process);
    const { producers, tailCacheBytes } = state.options;
    this.batches = new BatchMaker(state.random, { producers, hasLarge: tailCacheBytes > 0 });
    this.#faultsBefore = state.medium.faults.failuresCount;
    this.#failpoints = new SimFailpoints(state.world, (name) => {
      state.world.note("dies at", name);
      state.count(`died at ${name}`);
      state.medium.crash();
    });
    this.#observer = new OrderObserver(state, (check) => {
      this.#guarded(check);
    });
  }

  /** Some operation of this life was made to fail. */
  get hadFault(): boolean {
    return this.state.medium.faults.failuresCount > this.#faultsBefore;
  }

  /**
   * A sync failed and the mark of it could not be made, or the life ended while it was, or before it heard of the failure: a second
   * fault, against which nothing helps if only the process is gone (3.4(3)).
   */
  get leftNoMark(): boolean {
    const { medium, world } = this.state;
    const { hasTriedToMark, syncFailedAtMs } = this.#observer;
    const hasEndedUnheard = medium.isDown && syncFailedAtMs === world.nowMs;
    return (hasTriedToMark || hasEndedUnheard) && medium.fileAt(SYNC_FAILED) === undefined;
  }

  async run(): Promise<LifeEnd> {
    const { state } = this;
    const { random, medium, mutation } = state;
    medium.observer = this.#observer;
    for (const lie of mutation?.lies ?? []) medium.faults.add(lie);
    if (!this.#isLast) {
      const when = random.float();
      if (when < 0.2) medium.crashAfterOperations(random.between(1, 30));
      else if (when < 0.6) medium.crashAfterOperations(random.between(1, 400));
      if (state.options.hasFaults && random.chance(0.15)) state.world.note("inject", injectFault(random, medium));
      this.#armFailpoint();
    }
    return this.#drive(this.#program());
  }

  /** From a stream of its own: seeds that failed before draw what they drew then. */
  #armFailpoint(): void {
    const { state } = this;
    const random = state.random.fork(`failpoint ${state.life}`);
    const name = state.dieAt ?? (random.chance(0.15) ? random.pick(DIRECTORY_FAILPOINTS) : null);
    if (name === null) return;
    const most = state.dieAt === null ? random.pick([1, 5, 40]) : 2;
    const nth = random.between(1, most);
    state.world.note("will die at", name, nth);
    this.#failpoints.arm({ name, nth, action: { kind: "crash" } });
  }

  async #program(): Promise<LifeEnd> {
    const directory = await this.#openDirectory();
    if (directory === null) return LIFE_END.REFUSED;
    const workload = new Workload(this, directory);
    await workload.begin();
    if (!this.#isLast) await workload.run();
    await workload.settle();
    if (!this.#isLast && this.state.random.chance(0.4)) return LIFE_END.KILLED;
    return this.#close(directory);
  }

  /** Null when it refused for a fault that was injected. */
  async #openDirectory(): Promise<LogDirectory | null> {
    const { state } = this;
    const { medium } = state;
    const marker = textAt(medium, CLEAN_MARKER);
    const hadSyncFailed = medium.fileAt(SYNC_FAILED) !== undefined;
    const keeps = segmentsToKeep(state);
    let directory: LogDirectory;
    try {
      directory = await this.#open({
        path: DATA_PATH,
        disk: this.disk,
        failpoint: this.#failpoints.of(this.process),
        clock: this.process,
        timers: this.process,
        logger: this.#logger(),
        replicas: [...state.shadows.values()].map(specOf),
        recoveryCheckpointIntervalMs: state.options.checkpointIntervalMs,
        logStartCheckpointIntervalMs: state.options.checkpointIntervalMs,
        highWatermarkCheckpointIntervalMs: state.options.checkpointIntervalMs,
        openFilesMax: state.options.pooledFilesMax,
        tailCacheBytes: state.options.tailCacheBytes,
        onOffline: () => {
          this.isOffline = true;
        },
      });
    } catch (error: unknown) {
      if (error instanceof SimulatedCrash || error instanceof InvariantViolation || !this.hadFault) throw error;
      this.assertFault(error);
      return null;
    }
    this.#checkReport(directory, hadSyncFailed ? null : marker);
    state.markerEpoch = null;
    for (const [shadow, paths] of this.isOffline ? [] : (keeps ?? [])) {
      const log = directory.log(shadow.topic, specOf(shadow).partition);
      if (log !== undefined) checkKeptAside(state, shadow, paths, log);
    }
    if (!this.isOffline) await this.#checkOpened(directory, hadSyncFailed);
    return directory;
  }

  #checkReport({ report }: LogDirectory, marker: string | null): void {
    const epoch = marker === null ? null : epochOf(marker);
    // A marker that a power failure left without its bytes was made when everything was synced; whether to trust it is open.
    const isTorn = marker !== null && epoch === null;
    ensure(
      isTorn || report.clean === (marker !== null),
      "ST7",
      () => `the start says clean: ${report.clean}, the marker is ${marker}`,
    );
    ensure(
      report.previousBrokerEpoch === (epoch ?? -1),
      "9(4)",
      () => `the marker is ${marker}, the report says ${report.previousBrokerEpoch}`,
    );
    ensure(
      epoch === null || epoch === this.state.markerEpoch,
      "9(4)",
      () => `the marker is ${marker}, the last stop was given ${this.state.markerEpoch}`,
    );
  }

  /** What a start has found is what stands on the medium; in the synced modes, and after a failed sync, it is safe. */
  async #checkOpened(directory: LogDirectory, hadSyncFailed: boolean): Promise<void> {
    for (const shadow of this.state.shadows.values()) {
      const log = directory.log(shadow.topic, specOf(shadow).partition);
      if (log === undefined) {
        ensure(!shadow.isCreated, "created replicas survive", () => `${shadow.name} is not there after the start`);
        continue;
      }
      ensure(
        log.topicId === shadow.topicId,
        "RE14",
        () => `${shadow.name} has topic id ${log.topicId}, should have ${shadow.topicId}`,
      );
      shadow.isCreated = true;
      shadow.logStart = Math.max(shadow.logStart, log.logStartOffset);
      if (this.isOffline) continue;
      if (shadow.damagedAt !== null) {
        ensure(log.isDamaged && log.logEndOffset === shadow.damagedAt, "15.7", () => {
          return `${shadow.name}: damaged at ${shadow.damagedAt}; it says ${log.isDamaged ? "so" : "nothing"} and ends at ${log.logEndOffset}`;
        });
        await checkRead(this.state.random, shadow, log);
        continue;
      }
      ensure(!log.isDamaged, "15.7", () => `${shadow.name} is said to be damaged`);
      if (shadow.endOffset < log.logStartOffset) shadow.beginAnewAt(log.logStartOffset);
      checkLog(this.state, shadow, log);
      checkNothingIsLeft(this.state, shadow, log);
      ensure(log.highWatermark <= Math.max(shadow.highWatermarkMax, log.logStartOffset), "high watermark", () => {
        return `${shadow.name}: high watermark ${log.highWatermark} after the start, never above ${shadow.highWatermarkMax} before`;
      });
      const isSyncedMode = shadow.config.durability === "group-commit" || shadow.config.durability === "fsync-each";
      if (isSyncedMode)
        ensure(
          log.syncedEndOffset === log.logEndOffset,
          "4.2(10)",
          () => `${shadow.name}: synced to ${log.syncedEndOffset} of ${log.logEndOffset} after the start`,
        );
      if (isSyncedMode || hadSyncFailed) checkSynced(this.state, shadow, shadow.endOffset, "ST10");
      this.noteSynced(shadow, log);
      try {
        await checkDuplicates(shadow, log);
      } catch (error: unknown) {
        if (error instanceof SimulatedCrash || error instanceof InvariantViolation) throw error;
        this.assertFault(error);
      }
    }
  }

  async #close(directory: LogDirectory): Promise<LifeEnd> {
    const { state } = this;
    const { random, medium } = state;
    if (!this.#isLast && random.chance(0.3)) medium.crashAfterOperations(random.between(1, 60));
    const brokerEpoch = random.below(1000);
    state.markerEpoch = brokerEpoch;
    state.world.note("stop", "", brokerEpoch);
    let failed = false;
    try {
      await directory.close(brokerEpoch);
    } catch (error: unknown) {
      if (error instanceof SimulatedCrash || error instanceof InvariantViolation) throw error;
      this.assertFault(error);
      failed = true;
    }
    if (!failed)
      ensure(medium.openFilesCount === 0, "BO3", () => `${medium.openFilesCount} files are open after the stop`);
    const marker = textAt(medium, CLEAN_MARKER);
    if (this.hasSyncFailed || medium.fileAt(SYNC_FAILED) !== undefined) {
      ensure(marker === null, "ST7", () => `a marker ${marker} after a failed sync`);
    }
    if (marker === null) {
      const isAnyDamaged = [...state.shadows.values()].some((shadow) => shadow.damagedAt !== null);
      ensure(this.hadFault || isAnyDamaged, "ST7", () => "no marker after a clean stop");
      return LIFE_END.UNCLEAN;
    }
    ensure(marker === `{"version":0,"brokerEpoch":${brokerEpoch}}`, "ST7", () => `the marker says ${marker}`);
    for (const shadow of state.shadows.values()) {
      if (shadow.isCreated && shadow.damagedAt === null) checkSynced(state, shadow, shadow.endOffset, "ST7");
      shadow.durableEnd = shadow.endOffset;
    }
    return LIFE_END.CLEAN;
  }

  /** An operation of the log failed: with the fault that was injected, or a refusal that follows from it. */
  assertFault(error: unknown): void {
    const isKnown =
      error instanceof DiskFault || (error instanceof Error && "code" in error && error.name === "StorageError");
    if (!isKnown || !this.hadFault) throw error;
    this.state.count(`refused ${error instanceof DiskFault ? error.kind : error.name}`);
  }

  /** Follows how far the log says it is synced, and looks whether that is so. */
  noteSynced(shadow: ShadowLog, log: PartitionLog): void {
    const end = log.syncedEndOffset;
    if (shadow.config.durability === "none" || end <= shadow.durableEnd || !shadow.isCreated) return;
    checkSynced(this.state, shadow, end, "ST10", shadow.durableEnd);
    shadow.durableEnd = end;
  }

  /** As `noteSynced`, for a call that the log makes; `onWritten` hears of writes off the loop. */
  follow(shadow: ShadowLog, log: PartitionLog, onWritten: (fault: DiskFault | null) => void): void {
    log.events = {
      onWritten: (fault) => {
        this.state.world.note("written", `${shadow.name} ${fault?.message ?? ""}`, log.writtenEndOffset);
        this.state.count("write off the loop");
        this.#guarded(() => {
          onWritten(fault);
        });
      },
      onSynced: (end) => {
        this.state.world.note("synced", shadow.name, end);
        this.#guarded(() => {
          ensure(
            end <= log.writtenEndOffset,
            "ST10",
            () => `${shadow.name}: synced to ${end}, written to ${log.writtenEndOffset}`,
          );
          ensure(
            log.syncedEndOffset === asOffset(end),
            "ST10",
            () => `${shadow.name}: told synced to ${end}, answers ${log.syncedEndOffset}`,
          );
          if (!shadow.isBusy) this.noteSynced(shadow, log);
        });
      },
      onLogStart: () => undefined,
      onSyncFailed: (fault) => {
        this.state.world.note("sync failed", `${shadow.name} ${fault.message}`);
        this.hasSyncFailed = true;
        this.isOffline = true;
      },
    };
  }

  now(): ReturnType<typeof asMs> {
    return this.process.wallNow();
  }

  /** Runs the world until the program ends or dies. */
  async #drive(program: Promise<LifeEnd>): Promise<LifeEnd> {
    const { world, medium } = this.state;
    const outcome: { end?: LifeEnd; error?: unknown; isSettled: boolean } = { isSettled: false };
    program.then(
      (end) => {
        outcome.end = end;
        outcome.isSettled = true;
      },
      (error: unknown) => {
        outcome.error = error;
        outcome.isSettled = true;
      },
    );
    const deadlineMs = world.nowMs + LIFE_MS_MAX;
    await world.settle();
    let events = 0;
    while (!outcome.isSettled && !medium.isDown) {
      this.#assertWhole();
      ensure(
        ++events < LIFE_EVENTS_MAX,
        "RE15",
        () => `${events} events and no end after ${world.nowMs.toFixed(0)} ms`,
      );
      if (await world.step(deadlineMs)) continue;
      if (!outcome.isSettled && !medium.isDown)
        throw new InvariantViolation("RE15", `nothing moves after ${world.nowMs.toFixed(0)} ms`);
    }
    this.#assertWhole();
    if (outcome.end !== undefined) return outcome.end;
    if (outcome.error !== undefined && !(outcome.error instanceof SimulatedCrash)) throw outcome.error;
    return LIFE_END.CRASHED;
  }

  #assertWhole(): void {
    ensureGoing(this.state.world.trace);
    if (this.#broken !== undefined) throw this.#broken;
    if (this.state.unhandled !== undefined) throw this.state.unhandled;
    if (!this.#observer.haveRecoveryPointsChanged || this.state.medium.isDown) return;
    this.#observer.haveRecoveryPointsChanged = false;
    checkRecoveryPoints(this.state);
  }

  #guarded(check: () => void): void {
    try {
      check();
    } catch (error: unknown) {
      this.#broken ??= error;
    }
  }

  #logger(): Logger {
    const ignore = (): void => undefined;
    const tell = (message: string, fields?: Readonly<Record<string, unknown>>): void => {
      this.state.world.note("log line", `${message} ${textOf(fields?.["path"])}`);
    };
    const logger: Logger = { debug: ignore, info: ignore, warn: tell, error: tell, child: () => logger };
    return logger;
  }
}

/** Broker epoch of a clean-shutdown marker; null when it is not whole. */
function epochOf(marker: string): number | null {
  const found = /^\{"version":0,"brokerEpoch":(-?\d+)\}$/.exec(marker);
  return found === null ? null : Number(found[1]);
}

function textOf(field: unknown): string {
  return typeof field === "string" ? field : "";
}
