/**
 * One hosted partition that this broker leads: the queue of batches to append, the log they go to, the leader core that
 * says what is committed, and everybody who waits for it.
 *
 * Batches queue up and are worked off once per turn (3.1): check → producer check → append each, then ONE write, then
 * the watermark, then the answers. Between the first check and the hand-over of the last batch nothing is awaited. The one
 * exception is the look-up of 11.1(2): it runs beside, the producer's later batches wait behind it, and all checks are made
 * again afterwards.
 *
 * While the disk is slow the log writes off the loop, and write, watermark and answers follow in a later turn
 * (`onWritten`); what the log cannot take in beside that write stays queued. A batch's bytes are let go when its write has
 * ended, even if it was answered before: out of time, or the leadership lost (P34).
 *
 * Who waits, and for what (8.1, 8.2, 15.1(2)); a duplicate waits exactly as its original would:
 *   acks=none    the write         acks=leader  the write; in `fsync-each` its sync
 *   acks=all     highWatermark > lastOffset
 *
 * Invariant: a batch is answered without error only if it lies below the written end at that moment. What a failed write
 * took back, and every duplicate of it, is answered KAFKA_STORAGE_ERROR (3.1(12)).
 */
import type { ErrorName } from "@tidemark/proto";
import { readBatchHeader, setLogAppendTime } from "@tidemark/proto";
import { asOffset, assert } from "../base/index.ts";
import type { BrokerId, LeaderEpoch, Ms, Offset, PartitionId } from "../base/index.ts";
import { DiskFault } from "../ports/index.ts";
import type { Clock } from "../ports/index.ts";
import { checkProducer, PartitionLeader } from "../replication/index.ts";
import type {
  IsrProposal,
  KnownBatch,
  LeaderEffect,
  Membership,
  PartitionLeaderDeps,
  ReplicaReport,
  ReportVerdict,
} from "../replication/index.ts";
import type { CachedRecords, LogConfig, LogEvents, PartitionLog, ReadSpan } from "../storage/index.ts";
import type { AppendTask } from "./append-task.ts";
import { Traffic } from "./counters.ts";
import type { DiskReserve } from "./disk-reserve.ts";
import { countsSynced } from "./durability.ts";
import { ParkedQueue } from "./parked-queue.ts";
import { PartitionFollowers } from "./partition-followers.ts";
import { ProducerLookUps } from "./producer-look-ups.ts";
import type { LookUpOwner } from "./producer-look-ups.ts";
import type { Purgatory } from "./purgatory.ts";
import type { Turn } from "./turn.ts";

/** Topic settings that decide what may be appended; Kafka's keys in camelCase with their unit. */
export interface PartitionSettings {
  readonly maxMessageBytes: number;
  readonly isLogAppendTime: boolean;
  readonly timestampBeforeMaxMs: number;
  readonly timestampAfterMaxMs: number;
  /** Every record is looked at before the append, not the header alone (11.3(2)). */
  readonly validatesRecords: boolean;
  readonly isInternal: boolean;
}

/** A reader at the tail. */
export interface PartitionWatcher {
  onHighWatermark(): void;
  /** Records were deleted: whoever stands below the new log start has nothing to wait for. */
  onLogStart(): void;
  /** The partition is led here no longer, or is no more; it calls nobody again. */
  onPartitionClosed(code: ErrorName): void;
}

/** A follower that reads along. */
export interface ReplicaWatcher {
  /** The written end moved. */
  onWritten(): void;
  /** The high watermark or the log start moved. */
  onMarks(): void;
  onPartitionClosed(code: ErrorName): void;
}

/** The log, as far as followers read it: up to the written end. */
export type WrittenLog = Pick<PartitionLog, "writtenEndOffset" | "readCached" | "readTailInto" | "readInto">;

export interface PartitionOptions {
  readonly log: PartitionLog;
  readonly settings: PartitionSettings;
  readonly brokerId: BrokerId;
  readonly leaderEpoch: LeaderEpoch;
  readonly membership: Membership;
  /** `replica.lag.time.max.ms`. */
  readonly lagTimeMaxMs: number;
  /** What the topic counts; one for all its partitions. */
  readonly traffic?: Traffic;
}

export interface PartitionDeps {
  readonly clock: Clock;
  readonly turn: Turn;
  readonly purgatory: Purgatory;
  /** What the metadata says of the brokers that follow. */
  readonly brokers: PartitionLeaderDeps;
  /** Whether the disk has room but for its reserve (3.8(2)), and what to say if it has none. */
  readonly reserve: Pick<DiskReserve, "hasRoom" | "fullMessage">;
  /** A write failed for another reason than a full disk (3.8(1)). */
  onDiskFault(fault: DiskFault): void;
  /** Outside the append path (7(6)); the answer comes by `retryProposal` or `onProposalAnswered`. */
  proposeIsr(partition: Partition, proposal: IsrProposal): void;
}

/** Ticks of half a `replica.lag.time.max.ms` in which the oldest unsynced byte may stay the same. */
const TICKS_UNSYNCED_MAX = 2;

export class Partition implements LogEvents, LookUpOwner {
  readonly topic: string;
  readonly partition: PartitionId;
  readonly topicId: string;
  settings: PartitionSettings;
  readonly leaderEpoch: LeaderEpoch;
  readonly traffic: Traffic;
  readonly #log: PartitionLog;
  readonly #deps: PartitionDeps;
  readonly #leader: PartitionLeader;
  /** Synced modes: only synced offsets count (15.1(2)). */
  #countsSynced: boolean;
  #syncsBeforeAck: boolean;

  /** Arrived since the last drain, in order. */
  #queue: AppendTask[] = [];
  /** The other of two arrays that take turns, so that a drain allocates none. */
  #spareQueue: AppendTask[] = [];
  #isDrainAsked = false;
  /** Appended and not written yet, with the duplicates among them; empty between turns but while a write is in flight. */
  readonly #handedOver: AppendTask[] = [];
  /** Made with the first look-up. */
  #lookUps: ProducerLookUps | null = null;
  readonly #forHighWatermark = new ParkedQueue();
  readonly #forSync = new ParkedQueue();
  #watchers: Set<PartitionWatcher> | null = null;
  /** Where the oldest unsynced byte was at the last tick, and in how many more it has been there. */
  #unsyncedFrom = -1;
  #unsyncedTicks = 0;
  /** Null while nobody follows: of most partitions there is but one replica. */
  #followers: PartitionFollowers | null = null;
  /** Why it answers no more; NONE while it leads. */
  #closedCode: ErrorName = "NONE";

  /** Made with the first batch: most partitions of a broker are idle, and there may be thousands. */
  #drain: (() => void) | null = null;
  #onExpired: ((task: AppendTask) => void) | null = null;

  constructor(options: PartitionOptions, deps: PartitionDeps) {
    const { log } = options;
    this.topic = log.topic;
    this.partition = log.partition;
    this.topicId = log.topicId;
    this.settings = options.settings;
    this.leaderEpoch = options.leaderEpoch;
    this.traffic = options.traffic ?? new Traffic();
    this.#log = log;
    this.#deps = deps;
    const { durability } = log.config;
    this.#countsSynced = countsSynced(durability);
    this.#syncsBeforeAck = durability === "fsync-each";
    // 5.1(1): the epoch begins before the first write is taken in.
    log.startEpoch(options.leaderEpoch);
    const now = deps.clock.monotonicNow();
    this.#leader = new PartitionLeader(
      {
        brokerId: options.brokerId,
        leaderEpoch: options.leaderEpoch,
        logStartOffset: log.logStartOffset,
        logEndOffset: log.logEndOffset,
        endOffset: this.#countedEnd(),
        highWatermark: log.highWatermark,
        membership: options.membership,
        countsSynced: this.#countsSynced,
        lagTimeMaxMs: options.lagTimeMaxMs,
      },
      log,
      deps.brokers,
      now,
    );
    this.#perform(this.#leader.onEndOffset(this.#countedEnd(), now));
    log.events = this;
    // What another role has left unsynced; nobody else would ask.
    if (this.#countsSynced && log.syncedEndOffset < log.writtenEndOffset) log.sync();
  }

  // ---- what readers see ----

  get durability(): PartitionLog["config"]["durability"] {
    return this.#log.config.durability;
  }

  get logStartOffset(): Offset {
    return this.#log.logStartOffset;
  }

  get logEndOffset(): Offset {
    return this.#log.logEndOffset;
  }

  get highWatermark(): Offset {
    return this.#leader.highWatermark;
  }

  /** What clients may read ends here. */
  get readEnd(): Offset {
    return this.#leader.highWatermark;
  }

  /** min(high watermark, first offset of the oldest open transaction); without transactions the high watermark. */
  get lastStableOffset(): Offset {
    return this.#leader.highWatermark;
  }

  /** Bytes on stable storage are bad (15.7): what lies before them is served, at their place and behind it the answer is 56. */
  get isDamaged(): boolean {
    return this.#log.isDamaged;
  }

  get sizeBytes(): number {
    return this.#log.sizeBytes;
  }

  get segmentsCount(): number {
    return this.#log.segmentCount;
  }

  get effectiveMinIsr(): number {
    return this.#leader.effectiveMinIsr;
  }

  get isr(): readonly BrokerId[] {
    return this.#leader.isr;
  }

  get closedCode(): ErrorName {
    return this.#closedCode;
  }

  /** Whole batches from `offset` on into `into`, from `at` to its end; null: they are not near the tail, `readInto` gets them. */
  readTailInto(into: Buffer, at: number, offset: Offset): ReadSpan | null {
    return this.#log.readTailInto(into, at, offset, this.#leader.highWatermark);
  }

  /** The same as they were received, if they still lie in memory. Nothing at or beyond the high watermark either. */
  readCached(offset: Offset, maxBytes: number): CachedRecords | null {
    return this.#log.readCached(offset, maxBytes, this.#leader.highWatermark);
  }

  /** `into` is the log's until it resolves. Neither hands out anything at or beyond the high watermark. */
  readInto(into: Buffer, at: number, offset: Offset): Promise<ReadSpan> {
    return this.#log.readInto(into, at, offset, this.#leader.highWatermark);
  }

  findByTimestamp(timestamp: number): Promise<{ offset: Offset; timestamp: number } | null> {
    return this.#log.findByTimestamp(timestamp, this.#leader.highWatermark);
  }

  findMaxTimestamp(): Promise<{ offset: Offset; timestamp: number } | null> {
    return this.#log.findMaxTimestamp(this.#leader.highWatermark);
  }

  watch(watcher: PartitionWatcher): void {
    this.#watchers ??= new Set();
    this.#watchers.add(watcher);
  }

  unwatch(watcher: PartitionWatcher): void {
    this.#watchers?.delete(watcher);
  }

  // ---- what writers ask ----

  /** Takes a checked batch in. Its owner hears of it in this turn's end or later. */
  append(task: AppendTask): void {
    this.#queue.push(task);
    this.#askForDrain();
  }

  /** Nothing queued, looked up, being written or parked. */
  get isQuiet(): boolean {
    return (
      this.#queue.length === 0 &&
      this.#handedOver.length === 0 &&
      (this.#lookUps?.isEmpty ?? true) &&
      this.#forHighWatermark.length === 0 &&
      this.#forSync.length === 0
    );
  }

  onMetadata(membership: Membership): void {
    this.#perform(this.#leader.onMetadata(membership, this.#deps.clock.monotonicNow()));
  }

  /** Settings of the topic, or the defaults below them, have changed: what is appended from here on goes by the new ones. */
  reconfigure(settings: PartitionSettings, config: LogConfig, membership: Membership): void {
    this.settings = settings;
    this.#log.reconfigure(config);
    this.#syncsBeforeAck = config.durability === "fsync-each";
    const isRaised = countsSynced(config.durability) && !this.#countsSynced;
    this.#countsSynced = countsSynced(config.durability);
    if (isRaised && this.#closedCode === "NONE") {
      this.#leader.onModeRaised(this.#countedEnd());
      this.#log.sync();
    }
    this.#perform(this.#leader.onMetadata(membership, this.#deps.clock.monotonicNow()));
  }

  /**
   * DeleteRecords (13(4)): the log begins at `offset` <= high watermark, for readers at once. True when that would survive a
   * crash of any live replica; false: not by the deadline. What was deleted before is done already, once that is on disk.
   */
  async deleteRecordsBefore(offset: Offset, deadline: Ms): Promise<boolean> {
    assert(offset <= this.#leader.highWatermark, "uncommitted records are not deleted");
    const raised = this.#log.raiseLogStart(offset);
    for (const watcher of this.#watchers ?? []) watcher.onLogStart();
    this.#followers?.onMarks();
    await raised;
    if (this.#closedCode !== "NONE") return false;
    if (!this.#isDeletedBelow(offset)) await this.#followersOf().untilLogStart(offset, deadline);
    return this.#isDeletedBelow(offset);
  }

  #isDeletedBelow(offset: Offset): boolean {
    const least = this.#leader.leastLogStart(this.#log.durableLogStartOffset);
    return least !== null && least >= offset;
  }

  // ---- what followers ask ----

  get written(): WrittenLog {
    return this.#log;
  }

  watchAsReplica(watcher: ReplicaWatcher): void {
    this.#followersOf().add(watcher);
  }

  unwatchAsReplica(watcher: ReplicaWatcher): void {
    this.#followers?.remove(watcher);
  }

  /** What a follower tells or asks (5.2), and what it is answered. */
  onReplicaReport(report: ReplicaReport): ReportVerdict {
    const { verdict, effects } = this.#leader.onReplicaReport(report, this.#deps.clock.monotonicNow());
    this.#perform(effects);
    return verdict;
  }

  /** Batches below `to` are on their way to a follower. */
  onSent(follower: BrokerId, generation: number, to: Offset): void {
    this.#leader.onSent(follower, generation, to);
  }

  onReplicaLost(follower: BrokerId): void {
    this.#leader.onStreamLost(follower, this.#deps.clock.monotonicNow());
  }

  #followersOf(): PartitionFollowers {
    this.#followers ??= new PartitionFollowers(this.#deps.purgatory);
    return this.#followers;
  }

  // ---- the ISR ----

  get hasFollowers(): boolean {
    return this.#leader.followers.length > 0;
  }

  /** Whether the check of 7(4) has anything to look at. */
  get mustTick(): boolean {
    return this.hasFollowers || this.#leader.isRecovering;
  }

  /** What the metadata says of brokers changed. */
  onBrokersChanged(): void {
    this.#perform(this.#leader.onBrokersChanged(this.#deps.clock.monotonicNow()));
  }

  /** Every half of `replica.lag.time.max.ms` (7(4)). */
  onTick(): void {
    const now = this.#deps.clock.monotonicNow();
    this.#perform(this.#leader.onTick(now));
    if (this.#countsSynced && this.hasFollowers) this.#checkSync();
  }

  /**
   * 15.1(4): a disk that hangs keeps the others waiting, who could go on without this one. Counted in ticks and not by the
   * clock: a process that stood still for a while hears of its syncs right after.
   */
  #checkSync(): void {
    const { syncedEndOffset, writtenEndOffset } = this.#log;
    const isBehind = syncedEndOffset < writtenEndOffset;
    this.#unsyncedTicks = isBehind && this.#unsyncedFrom === syncedEndOffset ? this.#unsyncedTicks + 1 : 0;
    this.#unsyncedFrom = syncedEndOffset;
    if (this.#unsyncedTicks >= TICKS_UNSYNCED_MAX) {
      this.#deps.onDiskFault(new DiskFault("EIO", "datasync", this.#log.segments().at(-1)?.path ?? ""));
    }
  }

  /** What to send again; null: the proposal is over. */
  retryProposal(proposalId: number): IsrProposal | null {
    return this.#closedCode === "NONE" ? this.#leader.retryProposal(proposalId) : null;
  }

  onProposalAnswered(answer: Parameters<PartitionLeader["onProposalAnswered"]>[0]): void {
    if (this.#closedCode === "NONE")
      this.#perform(this.#leader.onProposalAnswered(answer, this.#deps.clock.monotonicNow()));
  }

  /** Metadata up to here is applied, and what of it concerns this partition was told before. False: no proposal is left. */
  onApplied(metadataOffset: number): boolean {
    if (this.#closedCode !== "NONE") return false;
    this.#perform(this.#leader.onApplied(metadataOffset, this.#deps.clock.monotonicNow()));
    return this.#leader.proposalInFlight !== null;
  }

  /** Ends the leadership: everything that waits is answered `code` in this same stretch (8.2). */
  close(code: ErrorName): void {
    if (this.#closedCode !== "NONE") return;
    this.#closedCode = code;
    this.#refuseUnwritten(code);
    const waiting = [...this.#forHighWatermark.takeAll(), ...this.#forSync.takeAll()];
    waiting.push(...(this.#lookUps?.takeAll() ?? []));
    waiting.push(...this.#queue.splice(0));
    for (const task of waiting) {
      this.#deps.purgatory.release(task);
      this.#refuse(task, code);
    }
    for (const watcher of this.#watchers ?? []) watcher.onPartitionClosed(code);
    this.#watchers = null;
    this.#followers?.close(code);
  }

  /** Answers at once whoever waits for a write. Their bytes go when it has ended, and nobody calls this partition for that. */
  #refuseUnwritten(code: ErrorName): void {
    const tasks = this.#handedOver.splice(0);
    if (tasks.length === 0) return;
    const isInFlight = this.#log.writtenEndOffset < this.#log.logEndOffset;
    for (const task of tasks) {
      this.#deps.purgatory.release(task);
      if (!isInFlight) this.#letGo(task);
      if (!task.isDone) this.#answerWith(task, code);
    }
    if (!isInFlight) return;
    void this.#log.whenWritten().then(() => {
      for (const task of tasks) this.#letGo(task);
    });
  }

  // ---- the turn ----

  #askForDrain(): void {
    if (this.#isDrainAsked) return;
    this.#isDrainAsked = true;
    this.#drain ??= (): void => this.#drainQueue();
    this.#deps.turn.work(this.#drain);
  }

  #drainQueue(): void {
    this.#isDrainAsked = false;
    const queue = this.#queue;
    this.#queue = this.#spareQueue;
    const now = this.#deps.clock.wallNow();
    const startedAt = this.#deps.clock.monotonicNow();
    let takenCount = 0;
    for (const task of queue) {
      task.startedAt = startedAt;
      if (!this.#take(task, now)) break;
      takenCount++;
    }
    if (takenCount < queue.length) this.#putBack(queue.slice(takenCount));
    queue.length = 0;
    this.#spareQueue = queue;
    this.#write();
  }

  /** Before a write that is in flight has ended the log takes no more; `onWritten` goes on with these. */
  #putBack(tasks: readonly AppendTask[]): void {
    this.#queue.unshift(...tasks);
    for (const task of tasks) if (task.purgatorySlot === -1) this.#park(task, "queue");
  }

  /** False: not now. */
  #take(task: AppendTask, now: Ms): boolean {
    this.#deps.purgatory.release(task);
    if (this.#closedCode !== "NONE") return this.#refuse(task, this.#closedCode);
    const { header } = task;
    if (task.acks === "all") {
      const refusal = this.#leader.admitAcksAll();
      if (refusal !== null) return this.#refuse(task, refusal);
    }
    if (header.hasProducerId) {
      if (this.#lookUps?.join(task) === true) return this.#park(task, "lookUp");
      const verdict = checkProducer(this.#log.producer(header.producerId), header);
      if (verdict.kind === "refuse") return this.#refuse(task, verdict.code, sequenceMessage(task, this.#log));
      if (verdict.kind === "duplicate") return this.#takeDuplicate(task, verdict.batch);
      if (verdict.kind === "lookUp") return this.#takeOlder(task);
    }
    return this.#append(task, now);
  }

  #append(task: AppendTask, now: Ms): boolean {
    const { reserve } = this.#deps;
    if (!reserve.hasRoom(task.header.sizeBytes)) {
      task.isUnwritten = true;
      return this.#refuse(task, "KAFKA_STORAGE_ERROR", reserve.fullMessage);
    }
    if (this.settings.isLogAppendTime) {
      setLogAppendTime(task.bytes, 0, now);
      task.header = readBatchHeader(task.bytes, 0);
      task.logAppendTime = now;
    }
    const result = this.#log.append(task.bytes, task.header, this.leaderEpoch, now, task.memory);
    if (!result.ok) {
      if (result.code === "LATER") return false;
      this.#refuse(task, result.code, messageOf(result.fault));
      if (result.fault !== null) this.#onFault(result.fault);
      return true;
    }
    task.baseOffset = result.baseOffset;
    task.lastOffset = result.lastOffset;
    this.#handedOver.push(task);
    return true;
  }

  /** A sequence that this process has not seen: only the log can tell a duplicate from a batch that never was. */
  #takeOlder(task: AppendTask): true {
    const { lookedUp } = task;
    if (lookedUp === undefined) return this.#lookUp(task);
    if (lookedUp !== null) return this.#takeDuplicate(task, lookedUp);
    return this.#refuse(task, "OUT_OF_ORDER_SEQUENCE_NUMBER", sequenceMessage(task, this.#log));
  }

  /** Writes nothing; the rest of its way is that of the original, whose write may still fail (P73). */
  #takeDuplicate(task: AppendTask, original: KnownBatch): true {
    task.baseOffset = original.baseOffset;
    task.lastOffset = original.lastOffset;
    task.isDuplicate = true;
    if (this.settings.isLogAppendTime) task.logAppendTime = original.timestamp;
    this.#handedOver.push(task);
    return true;
  }

  #write(): void {
    if (this.#handedOver.length === 0) return;
    this.#leader.onAppended(this.#log.logEndOffset, this.#deps.clock.monotonicNow());
    this.#onWriteEnd(this.#log.writeAppended());
  }

  /** Of the log: a write off the loop has ended. */
  onWritten(fault: DiskFault | null): void {
    if (this.#closedCode !== "NONE") return;
    this.#onWriteEnd(fault);
    if (this.#queue.length > 0) this.#askForDrain();
  }

  /** Moves what follows the written end, and deals with every batch whose fate is known. */
  #onWriteEnd(fault: DiskFault | null): void {
    if (fault !== null) {
      this.#leader.onCut(this.#log.logEndOffset);
      this.#onFault(fault);
    }
    // A fault, of this write or of a roll before it, ends the leadership in this very stretch: nobody is parked any more.
    if (this.#closedCode !== "NONE") return this.#refuseUnwritten(this.#closedCode);
    if (this.#countsSynced) this.#log.sync();
    this.#perform(this.#leader.onEndOffset(this.#countedEnd(), this.#deps.clock.monotonicNow()));

    const tasks = this.#handedOver;
    const writtenEnd = this.#log.writtenEndOffset;
    this.#followers?.onWritten(writtenEnd);
    let unwrittenCount = 0;
    for (const task of tasks) {
      if (task.lastOffset >= writtenEnd && fault === null) {
        // Its write is in flight, or waits for the one that is.
        tasks[unwrittenCount++] = task;
        if (!task.isDone && task.purgatorySlot === -1) this.#park(task, "write");
        continue;
      }
      this.#deps.purgatory.release(task);
      this.#letGo(task);
      if (task.isDone) continue;
      if (task.lastOffset < writtenEnd) this.#settle(task);
      else this.#answerWith(task, "KAFKA_STORAGE_ERROR", messageOf(fault));
    }
    while (tasks.length > unwrittenCount) tasks.pop();
  }

  /** Answers a written batch, or parks it for what its acks wait for. */
  #settle(task: AppendTask): void {
    if (task.acks === "all") {
      if (task.lastOffset < this.#leader.highWatermark) return this.#answerCommitted(task);
      this.#forHighWatermark.push(task);
      this.#park(task, "highWatermark");
    } else if (task.acks === "leader" && this.#syncsBeforeAck && task.lastOffset >= this.#log.syncedEndOffset) {
      this.#forSync.push(task);
      this.#park(task, "sync");
    } else {
      this.#answer(task);
    }
  }

  #park(task: AppendTask, waitsFor: AppendTask["waitsFor"]): true {
    this.#onExpired ??= (late): void => this.#expire(late);
    task.onExpired = this.#onExpired;
    task.waitsFor = waitsFor;
    this.#deps.purgatory.park(task);
    return true;
  }

  // ---- the look-up of 11.1(2) ----

  #lookUp(task: AppendTask): true {
    this.#lookUps ??= new ProducerLookUps(this.#log, this);
    this.#lookUps.begin(task);
    return this.#park(task, "lookUp");
  }

  /** Of a look-up: its task goes through all checks again, now with its finding, and the producer's later batches behind it. */
  onLookedUp(tasks: AppendTask[]): void {
    this.#queue.unshift(...tasks);
    this.#askForDrain();
  }

  /** Of a look-up. */
  onLookUpFailed(tasks: AppendTask[]): void {
    for (const task of tasks) {
      this.#deps.purgatory.release(task);
      this.#refuse(task, "KAFKA_STORAGE_ERROR");
    }
  }

  // ---- what moves the tide ----

  /** Of the log. */
  onSyncFailed(fault: DiskFault): void {
    this.#deps.onDiskFault(fault);
  }

  /** Of the log. */
  onSynced(): void {
    if (this.#closedCode !== "NONE") return;
    if (this.#countsSynced)
      this.#perform(this.#leader.onEndOffset(this.#countedEnd(), this.#deps.clock.monotonicNow()));
    const syncedEnd = this.#log.syncedEndOffset;
    for (let task = this.#forSync.takeBelow(syncedEnd); task !== null; task = this.#forSync.takeBelow(syncedEnd)) {
      this.#deps.purgatory.release(task);
      this.#answer(task);
    }
  }

  #perform(effects: readonly LeaderEffect[]): void {
    // The log may be another's by now.
    if (this.#closedCode !== "NONE") return;
    for (const effect of effects) {
      if (effect.kind === "advanceHighWatermark") this.#advanceTo(effect.to);
      else if (effect.kind === "proposeIsr") this.#deps.proposeIsr(this, effect.proposal);
      else this.#followers?.onLeastLogStart(this.#leader.leastLogStart(this.#log.durableLogStartOffset) ?? -1);
    }
  }

  #advanceTo(highWatermark: Offset): void {
    assert(highWatermark <= this.#log.writtenEndOffset, "the high watermark passed the written end");
    this.#log.highWatermark = highWatermark;
    const waiting = this.#forHighWatermark;
    for (let task = waiting.takeBelow(highWatermark); task !== null; task = waiting.takeBelow(highWatermark)) {
      this.#deps.purgatory.release(task);
      this.#answerCommitted(task);
    }
    for (const watcher of this.#watchers ?? []) watcher.onHighWatermark();
    this.#followers?.onMarks();
  }

  /** What this replica vouches for: written, in the synced modes synced, and never beyond what is written. */
  #countedEnd(): Offset {
    const written = this.#log.writtenEndOffset;
    return this.#countsSynced ? asOffset(Math.min(this.#log.syncedEndOffset, written)) : written;
  }

  #onFault(fault: DiskFault): void {
    // A full disk, or a want of file descriptors, fails what it failed and no more (3.8(2)).
    if (fault.kind !== "ENOSPC" && fault.kind !== "EMFILE") this.#deps.onDiskFault(fault);
  }

  #expire(task: AppendTask): void {
    if (task.waitsFor === "write") {
      // Its bytes stay until the write has ended.
      this.#answerWith(task, "REQUEST_TIMED_OUT");
      return;
    }
    if (task.waitsFor === "highWatermark") this.#forHighWatermark.remove(task);
    else if (task.waitsFor === "sync") this.#forSync.remove(task);
    else if (task.waitsFor === "lookUp") this.#lookUps?.remove(task);
    else {
      assert(this.#queue.includes(task), "a batch stands where it waits");
      this.#queue.splice(this.#queue.indexOf(task), 1);
    }
    this.#refuse(task, "REQUEST_TIMED_OUT");
  }

  // ---- answers ----

  #answerCommitted(task: AppendTask): void {
    const refusal = this.#leader.committed();
    if (refusal !== null) this.#refuse(task, refusal);
    else this.#answer(task);
  }

  #refuse(task: AppendTask, code: ErrorName, message = ""): true {
    this.#letGo(task);
    this.#answerWith(task, code, message);
    return true;
  }

  #answerWith(task: AppendTask, code: ErrorName, message = ""): void {
    task.code = code;
    task.message = message;
    this.#answer(task);
  }

  #letGo(task: AppendTask): void {
    if (task.isTaken) return;
    task.isTaken = true;
    task.releaseBytes();
    task.owner.onAppendTaken(task);
  }

  #answer(task: AppendTask): void {
    assert(!task.isDone, "a batch was answered twice");
    task.isDone = true;
    task.owner.onAppendDone(task);
  }
}

/** What a producer is told of a write that failed and was cut back. */
function messageOf(fault: DiskFault | null): string {
  if (fault === null) return "";
  return fault.kind === "ENOSPC" ? "the disk is full: the batch was not written" : `the write failed: ${fault.kind}`;
}

function sequenceMessage(task: AppendTask, log: PartitionLog): string {
  const { header } = task;
  const known = log.producer(header.producerId);
  const expected =
    known === undefined
      ? ""
      : `; the newest batch here has epoch ${known.producerEpoch} and ends at sequence ${known.lastSequence}`;
  return `producer ${header.producerId}, epoch ${header.producerEpoch}, sequences ${header.baseSequence} to ${header.lastSequence}${expected}`;
}
