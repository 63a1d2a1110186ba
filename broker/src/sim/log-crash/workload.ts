/**
 * What the owner of a log directory does with it, drawn step by step: appends with their write, syncs, leader epochs, high
 * watermarks, truncations, raised log starts, reads, look-ups, topics made and deleted, faults injected in between. Each
 * step checks what its call answers against the shadow.
 */
import { readBatchHeader } from "@tidemark/proto";
import { patchBatch } from "@tidemark/proto";
import { asLeaderEpoch, asOffset, SharedMemory } from "../../base/index.ts";
import type { SeededRandom } from "../../base/index.ts";
import type { DiskFault } from "../../ports/index.ts";
import type { LogDirectory, PartitionLog } from "../../storage/index.ts";
import { SimulatedCrash } from "../simulated-crash.ts";
import { injectFault } from "./fault-menu.ts";
import type { Life } from "./life.ts";
import { checkDuplicates, checkLog, checkRead, checkTail, checkTimeLookups, movesOf } from "./log-checks.ts";
import { checkRecoveryPoints, checkSynced } from "./medium-checks.ts";
import { DATA_PATH, specOf } from "./run-state.ts";
import type { RunState } from "./run-state.ts";
import { shadowBatch } from "./shadow-log.ts";
import type { ShadowLog } from "./shadow-log.ts";
import { ensure, InvariantViolation } from "../violation.ts";

interface OpenLog {
  readonly shadow: ShadowLog;
  readonly log: PartitionLog;
}

export class Workload {
  readonly #life: Life;
  readonly #state: RunState;
  readonly #random: SeededRandom;
  readonly #directory: LogDirectory;
  readonly #background = new Set<Promise<void>>();
  #failure: unknown;
  /** The life ends, maybe by a stop that does not wait for what is under way. */
  #isEnding = false;

  constructor(life: Life, directory: LogDirectory) {
    this.#life = life;
    this.#state = life.state;
    this.#random = life.state.random;
    this.#directory = directory;
  }

  /** Makes what metadata wants and the start did not find, and begins a leader epoch everywhere. */
  async begin(): Promise<void> {
    for (const shadow of this.#state.shadows.values()) {
      shadow.isBusy = false;
      shadow.trimsCount = 0;
      shadow.isRetained = false;
      shadow.mayHaveTail = false;
      if (this.#life.isOffline) return;
      if (this.#directory.log(shadow.topic, specOf(shadow).partition) === undefined) await this.#create(shadow);
      shadow.leaderEpoch += 1;
    }
    for (const shadow of this.#state.shadows.values()) if (shadow.damagedAt !== null) this.#checkRefuses(shadow);
    for (const { shadow, log } of this.#logs()) {
      this.#follow(shadow, log);
      if (this.#random.chance(0.8)) log.startEpoch(asLeaderEpoch(shadow.leaderEpoch));
    }
  }

  async run(): Promise<void> {
    const steps = this.#random.between(3, 60);
    for (let step = 0; step < steps; step++) {
      await this.#step();
      if (this.#failure !== undefined) throw this.#failure;
      // A directory that is offline is left after a few more calls, which it must survive.
      if (this.#life.isOffline && this.#random.chance(0.5)) return;
    }
  }

  /** Waits for what is under way; then all logs are at rest. Or ends as a process does: with anything in flight. */
  async settle(): Promise<void> {
    this.#state.medium.faults.removeAll();
    for (const lie of this.#state.mutation?.lies ?? []) this.#state.medium.faults.add(lie);
    this.#state.medium.capacityBytes = Number.POSITIVE_INFINITY;
    if (this.#background.size > 0 && this.#random.chance(0.3)) {
      this.#isEnding = true;
      return;
    }
    await Promise.all(this.#background);
    for (const { log } of this.#logs()) await log.whenWritten();
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#isOffline()) return;
    for (const { shadow, log } of this.#logs()) this.#checkAtRest(shadow, log);
    // A life may end with writes in flight, by a stop as well.
    if (this.#state.options.slowWriteMs === 0 || this.#random.chance(0.7)) return;
    for (const open of this.#logs()) this.#append(open);
  }

  async #step(): Promise<void> {
    const random = this.#random;
    const open = this.#logs();
    const chosen = open.length === 0 ? undefined : random.pick(open);
    const draw = random.below(100);
    if (chosen === undefined || draw < 20)
      await this.#life.process.sleep(random.pick([0, 1, 10, 10, random.below(400)]));
    else if (draw < 23) this.#retain(chosen);
    else if (draw < 60) this.#append(chosen);
    else if (draw < 66) chosen.log.sync();
    else if (draw < 72) await this.#look(chosen, ({ shadow, log }) => checkRead(random, shadow, log));
    else if (draw < 75) await this.#look(chosen, ({ shadow, log }) => checkTimeLookups(random, shadow, log));
    else if (draw < 77) await this.#look(chosen, ({ shadow, log }) => checkDuplicates(shadow, log));
    else if (draw < 80) this.#startEpoch(chosen);
    else if (draw < 85) this.#raiseHighWatermark(chosen);
    else if (draw < 88) this.#truncate(chosen);
    else if (draw < 90) this.#raiseLogStart(chosen);
    else if (draw < 92) await this.#changeTopics();
    else if (draw < 95) await this.#checkNow(chosen);
    else if (draw < 98) this.#inject();
    else this.#state.medium.capacityBytes = Number.POSITIVE_INFINITY;
    for (const { shadow, log } of this.#logs()) this.#life.noteSynced(shadow, log);
    if (this.#state.options.tailCacheBytes > 0) this.#checkTails();
  }

  #checkTails(): void {
    if (this.#isOffline()) return;
    for (const { shadow, log } of this.#logs()) this.#state.count("batch kept in memory", checkTail(shadow, log));
  }

  /** Logs the owner may work on now. */
  #logs(): OpenLog[] {
    const open: OpenLog[] = [];
    for (const shadow of this.#state.shadows.values()) {
      // A damaged replica waits for an operator; that it refuses appends is asked once.
      const log =
        shadow.isBusy || shadow.damagedAt !== null
          ? undefined
          : this.#directory.log(shadow.topic, specOf(shadow).partition);
      if (log !== undefined) open.push({ shadow, log });
    }
    return open;
  }

  #isOffline(): boolean {
    if (this.#directory.isOffline) this.#life.isOffline = true;
    if (this.#life.isOffline)
      ensure(this.#life.hadFault, "offline", () => "the directory went offline and nothing was injected");
    return this.#life.isOffline;
  }

  #follow(shadow: ShadowLog, log: PartitionLog): void {
    this.#life.follow(shadow, log, (fault) => this.#noteWrite(shadow, log, fault));
  }

  #append({ shadow, log }: OpenLog): void {
    const count = this.#random.between(1, 4);
    for (let i = 0; i < count; i++) if (!this.#appendOne(shadow, log)) break;
    this.#noteWrite(shadow, log, log.writeAppended());
    const isEager = shadow.config.durability === "group-commit" || shadow.config.durability === "fsync-each";
    if (this.#random.chance(isEager ? 0.9 : 0.05)) log.sync();
  }

  /** A write was made, begun, or has ended. */
  #noteWrite(shadow: ShadowLog, log: PartitionLog, fault: DiskFault | null): void {
    const before = shadow.writtenEnd;
    if (fault === null) {
      const end = log.writtenEndOffset;
      const isRight = end >= before && end <= shadow.endOffset && shadow.boundaryAt(end) === end;
      ensure(isRight && log.logEndOffset === shadow.endOffset, "3.1(9)", () => {
        return `${shadow.name}: written to ${end} of ${log.logEndOffset}, appended to ${shadow.endOffset}`;
      });
      if (end > before) shadow.mayHaveTail = false;
      shadow.noteWritten(end);
    } else {
      shadow.mayHaveTail = true;
      this.#state.count("write cut back");
      ensure(
        this.#life.hadFault,
        "3.1(12)",
        () => `${shadow.name}: a write failed and nothing was injected: ${fault.message}`,
      );
      const end = log.logEndOffset;
      ensure(
        end >= before && end <= shadow.endOffset && shadow.boundaryAt(end) === end && log.writtenEndOffset === end,
        "3.1(12)",
        () => {
          return `${shadow.name}: after ${fault.message} it ends at ${end}, written to ${log.writtenEndOffset}; it was written to ${before}, appended to ${shadow.endOffset}`;
        },
      );
      // A truncation that waits for this write goes on to where it shall end.
      const { cutTo } = shadow;
      shadow.finishCut(end, true);
      shadow.cutTo = cutTo;
      shadow.writtenEnd = Math.min(end, cutTo);
    }
  }

  #appendOne(shadow: ShadowLog, log: PartitionLog): boolean {
    const made = this.#life.batches.make(log, shadow, this.#life.now());
    const { bytes } = made;
    const header = readBatchHeader(bytes, 0);
    const baseOffset = shadow.endOffset;
    const expected = Buffer.from(bytes);
    patchBatch(expected, 0, baseOffset, shadow.leaderEpoch);
    const { alternatives } = shadow;
    shadow.append(shadowBatch(expected, header, baseOffset, shadow.leaderEpoch, made.timestamps));
    this.#state.world.note("append", shadow.name, baseOffset, bytes.length);
    const memory = new SharedMemory(bytes.length, bytes.length, null);
    const result = log.append(bytes, header, asLeaderEpoch(shadow.leaderEpoch), this.#life.now(), memory);
    if (result.ok) {
      ensure(result.baseOffset === baseOffset && result.lastOffset === shadow.endOffset - 1, "3.1(4)", () => {
        return `${shadow.name}: appended at ${result.baseOffset}-${result.lastOffset}, should be ${baseOffset}-${shadow.endOffset - 1}`;
      });
      return true;
    }
    shadow.batches.pop();
    shadow.alternatives = alternatives;
    const isTooLarge = bytes.length > shadow.config.segmentBytes;
    if (result.code === "LATER")
      ensure(
        log.writtenEndOffset < log.logEndOffset,
        "LATER",
        () => `${shadow.name}: put off, and no write is in flight`,
      );
    else if (result.code === "RECORD_LIST_TOO_LARGE")
      ensure(isTooLarge, "3.1(6)", () => `${shadow.name}: ${bytes.length} bytes refused as too large`);
    else
      ensure(
        this.#life.hadFault,
        "append",
        () => `${shadow.name}: refused with ${result.code}, ${result.fault?.message}; nothing was injected`,
      );
    return false;
  }

  #checkRefuses(shadow: ShadowLog): void {
    const log = this.#directory.log(shadow.topic, specOf(shadow).partition);
    if (log === undefined) return;
    const { bytes } = this.#life.batches.make(log, shadow, this.#life.now());
    const result = log.append(bytes, readBatchHeader(bytes, 0), asLeaderEpoch(shadow.leaderEpoch), this.#life.now());
    ensure(
      !result.ok && result.code === "KAFKA_STORAGE_ERROR",
      "15.7",
      () => `${shadow.name} is damaged and takes an append`,
    );
  }

  #startEpoch({ shadow, log }: OpenLog): void {
    shadow.leaderEpoch += this.#random.between(1, 3);
    this.#state.world.note("leader epoch", shadow.name, shadow.leaderEpoch);
    log.startEpoch(asLeaderEpoch(shadow.leaderEpoch));
  }

  #raiseHighWatermark({ shadow, log }: OpenLog): void {
    const end = log.writtenEndOffset;
    const top = shadow.boundaryAt(this.#random.chance(0.5) ? end : this.#random.between(log.highWatermark, end));
    if (top < log.highWatermark) return;
    log.highWatermark = asOffset(top);
    shadow.highWatermarkMax = Math.max(shadow.highWatermarkMax, top);
    if (shadow.isRetained) shadow.logStartMax = Math.max(shadow.logStartMax, top);
  }

  /** As a follower that finds its tail diverging. Other logs go on meanwhile. */
  #truncate({ shadow, log }: OpenLog): void {
    const end = log.logEndOffset;
    const from = this.#random.chance(0.7) ? Math.max(log.logStartOffset, end - 10) : log.logStartOffset;
    const offset = this.#random.between(from, end);
    // A log start inside a batch: cutting that batch is an unclean restart of the log at another offset, not a truncation.
    if (shadow.boundaryAt(offset) < log.logStartOffset) return;
    this.#state.world.note("truncate", shadow.name, offset, end);
    this.#state.count("truncation");
    shadow.beginCut(offset);
    shadow.isBusy = true;
    this.#inBackground(log.truncateTo(asOffset(offset)), (isDone) => {
      // Half cut, it is left alone for the rest of this life.
      if (!isDone) return;
      shadow.isBusy = false;
      shadow.finishCut(offset, false);
      shadow.leaderEpoch += 1;
      this.#state.world.note("truncated", shadow.name, log.logEndOffset);
      if (!this.#isOffline() && !this.#isEnding) checkLog(this.#state, shadow, log);
    });
  }

  /** DeleteRecords. */
  #raiseLogStart({ shadow, log }: OpenLog): void {
    const offset = this.#random.between(log.logStartOffset, log.highWatermark);
    this.#state.world.note("raise log start", shadow.name, offset);
    shadow.logStartMax = Math.max(shadow.logStartMax, offset);
    shadow.trimsCount += 1;
    this.#inBackground(log.raiseLogStart(asOffset(offset)), (isDone) => {
      // Half done, it may be durable or not for the rest of this life.
      if (!isDone) return;
      shadow.trimsCount -= 1;
      shadow.logStart = Math.max(shadow.logStart, offset);
      ensure(
        log.logStartOffset >= shadow.logStart,
        "13(4)",
        () => `${shadow.name}: log start ${log.logStartOffset}, raised to ${shadow.logStart}`,
      );
    });
  }

  /** One look of retention; what it may remove at most is known before. */
  #retain({ shadow, log }: OpenLog): void {
    const { cleanupPolicy } = shadow.config;
    if (this.#random.chance(0.5)) this.#raiseHighWatermark({ shadow, log });
    const removal = log.retain(this.#life.now());
    if (removal === null) return;
    this.#state.world.note("retain", shadow.name, log.logStartOffset);
    this.#state.count("retention");
    // By age or size any segment below the high watermark may be due; else only what DeleteRecords has left.
    const isByLimits = cleanupPolicy.includes("delete");
    if (isByLimits) {
      shadow.logStartMax = Math.max(shadow.logStartMax, log.highWatermark);
      shadow.isRetained = true;
    }
    shadow.trimsCount += 1;
    this.#inBackground(removal, () => {
      shadow.trimsCount -= 1;
      if (isByLimits) shadow.isRetained = false;
      // What a fault has cut off is not promised to last.
      if (this.#isOffline()) return;
      ensure(log.logStartOffset <= log.highWatermark, "3.5(2)", () => {
        return `${shadow.name}: log start ${log.logStartOffset} after a look at high watermark ${log.highWatermark}`;
      });
      // One that is being raised beside it, or found no room in the checkpoint, may not be durable.
      if (shadow.trimsCount === 0 && !this.#life.hadFault)
        shadow.logStart = Math.max(shadow.logStart, log.logStartOffset);
    });
  }

  async #changeTopics(): Promise<void> {
    const random = this.#random;
    if (this.#isOffline()) return;
    const extra = this.#state.shadows.get("u-0");
    if (extra === undefined) {
      await this.#create(this.#state.newShadow("u", 0));
      return;
    }
    if (extra.isBusy || !extra.isCreated) return;
    this.#state.shadows.delete("u-0");
    this.#state.count("topic deleted");
    this.#state.world.note("delete", extra.name);
    const isDone = await this.#attempt(() => this.#directory.deleteLog("u", specOf(extra).partition));
    if (!isDone) return;
    ensure(
      this.#life.disk.sizeOf(`${DATA_PATH}/u-0`) === null,
      "3.6",
      () => "the name of a deleted replica is not free",
    );
    if (random.chance(0.5)) await this.#create(this.#state.newShadow("u", 0));
  }

  async #create(shadow: ShadowLog): Promise<void> {
    this.#state.world.note("create", shadow.name);
    shadow.isBusy = true;
    const isDone = await this.#attempt(async () => {
      const log = await this.#directory.createLog(specOf(shadow));
      ensure(
        log.logEndOffset === 0 && log.topicId === shadow.topicId,
        "createLog",
        () => `${shadow.name}: new, but it ends at ${log.logEndOffset}`,
      );
      this.#follow(shadow, log);
    });
    if (!isDone) return;
    shadow.isBusy = false;
    shadow.isCreated = true;
  }

  /** A read or search. It may find that what it was about to look at has gone, and nothing else may make it fail. */
  async #look(open: OpenLog, work: (open: OpenLog) => Promise<void>): Promise<void> {
    const { shadow, log } = open;
    const hasMoved = movesOf(shadow, log);
    const isOvertaken = (): boolean =>
      hasMoved() || shadow.isBusy || this.#isEnding || this.#state.shadows.get(shadow.name) !== shadow;
    const reading = this.#attempt(async () => {
      try {
        await work(open);
      } catch (error: unknown) {
        const isRefused = error instanceof Error && "code" in error && error.code === "LOG_UNAVAILABLE";
        if (!isRefused || !isOvertaken()) throw error;
        this.#state.count("read overtaken");
      }
    });
    if (this.#random.chance(0.5)) await reading;
    else
      this.#inBackground(
        reading.then(() => undefined),
        () => undefined,
      );
  }

  async #checkNow({ shadow, log }: OpenLog): Promise<void> {
    await log.whenWritten();
    if (this.#isOffline()) return;
    checkLog(this.#state, shadow, log);
    if (shadow.config.durability !== "none") checkSynced(this.#state, shadow, log.syncedEndOffset, "ST10");
    checkRecoveryPoints(this.#state);
  }

  #checkAtRest(shadow: ShadowLog, log: PartitionLog): void {
    checkLog(this.#state, shadow, log);
    this.#life.noteSynced(shadow, log);
  }

  #inject(): void {
    if (!this.#state.options.hasFaults) return;
    const what = injectFault(this.#random, this.#state.medium);
    this.#state.world.note("inject", what);
  }

  /** Awaits a call that may fail for an injected fault; false when it did. */
  async #attempt(work: () => Promise<void>): Promise<boolean> {
    try {
      await work();
      return true;
    } catch (error: unknown) {
      if (error instanceof SimulatedCrash || error instanceof InvariantViolation) throw error;
      this.#life.assertFault(error);
      return false;
    }
  }

  #inBackground(work: Promise<void>, onEnd: (isDone: boolean) => void): void {
    const task = this.#attempt(() => work).then(onEnd);
    const watched = task.catch((error: unknown) => {
      if (!(error instanceof SimulatedCrash)) this.#failure ??= error;
    });
    this.#background.add(watched);
    void watched.then(() => this.#background.delete(watched));
  }
}
