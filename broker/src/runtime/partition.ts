/**
 * One hosted partition that this broker leads: the log, the leader core that says what is committed, and everybody who hears
 * of it.
 *
 * The batches on their way, and who waits for them, are partition-appends.ts; the followers that are not the core's partition-followers.ts.
 * Both are made when there is something for them: most partitions of a broker are idle, and there may be thousands.
 */
import type { ErrorName } from "@tidemark/proto";
import { asOffset, assert } from "../base/index.ts";
import type { BrokerId, LeaderEpoch, Ms, Offset, PartitionId } from "../base/index.ts";
import { DiskFault } from "../ports/index.ts";
import type { Clock } from "../ports/index.ts";
import { PartitionLeader } from "../replication/index.ts";
import type {
  IsrProposal,
  LeaderEffect,
  LeaderView,
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
import { PartitionAppends } from "./partition-appends.ts";
import type { AppendsOwner } from "./partition-appends.ts";
import { PartitionFollowers } from "./partition-followers.ts";
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
  /** Its follower was sent everything below. */
  readonly sentTo: Offset;
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
  /** What is read at `offset` is no batch, or came to a reader with a wrong sum. */
  onSuspect(log: PartitionLog, offset: Offset): void;
  /** Outside the append path (7(6)); the answer comes by `retryProposal` or `onProposalAnswered`. */
  proposeIsr(partition: Partition, proposal: IsrProposal): void;
}

/** Ticks of half a `replica.lag.time.max.ms` in which the oldest unsynced byte may stay the same. */
const TICKS_UNSYNCED_MAX = 2;

export class Partition implements LogEvents, AppendsOwner {
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

  /** Null before the first batch. */
  #appends: PartitionAppends | null = null;
  #watchers: Set<PartitionWatcher> | null = null;
  /** Where the oldest unsynced byte was at the last tick, and in how many more it has been there. */
  #unsyncedFrom = -1;
  #unsyncedTicks = 0;
  /** Null while nobody follows: of most partitions there is but one replica. */
  #followers: PartitionFollowers | null = null;
  /** Why it answers no more; NONE while it leads. */
  #closedCode: ErrorName = "NONE";

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
    this.#countsSynced = countsSynced(log.config.durability);
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
    log.highWatermark = this.#leader.highWatermark;
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

  /** Bytes in the middle are bad: the rest is served, and appends go on (15.7(4)). */
  get isRotten(): boolean {
    return this.#log.rot !== null;
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

  /** How far the other replicas are behind; of one that has not reported in this epoch all that there is. */
  *followerLags(): Generator<{ readonly brokerId: BrokerId; readonly records: number; readonly seconds: number }> {
    const { logEndOffset, logStartOffset } = this.#log;
    const now = this.#deps.clock.monotonicNow();
    for (const { brokerId, endOffset, behindSinceMs } of this.#leader.followers) {
      const records = logEndOffset - Math.max(endOffset, logStartOffset);
      const isAtEnd = endOffset === logEndOffset;
      yield { brokerId, records, seconds: isAtEnd ? 0 : Math.max(0, now - behindSinceMs) / 1_000 };
    }
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
    return this.#searched(this.#log.findByTimestamp(timestamp, this.#leader.highWatermark));
  }

  findMaxTimestamp(): Promise<{ offset: Offset; timestamp: number } | null> {
    return this.#searched(this.#log.findMaxTimestamp(this.#leader.highWatermark));
  }

  async #searched<T>(search: Promise<T>): Promise<T> {
    try {
      return await search;
    } catch (cause: unknown) {
      this.onReadFault();
      throw cause;
    }
  }

  /** Who reads could make nothing of what lies at `offset` (15.7(1)). */
  suspect(offset: Offset): void {
    this.#deps.onSuspect(this.#log, offset);
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
    this.#appends ??= new PartitionAppends(this, this.#log, this.#leader, this.#deps);
    this.#appends.append(task);
  }

  /** Nothing queued, looked up, being written or parked, but for what other replicas lack. */
  get isQuiet(): boolean {
    return this.#appends?.isQuiet(this.#countedEnd()) ?? true;
  }

  onMetadata(membership: Membership): void {
    this.#perform(this.#leader.onMetadata(membership, this.#deps.clock.monotonicNow()));
  }

  /** Settings of the topic, or the defaults below them, have changed: what is appended from here on goes by the new ones. */
  reconfigure(settings: PartitionSettings, config: LogConfig, membership: Membership): void {
    this.settings = settings;
    this.#log.reconfigure(config);
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
    return this.lowWatermark >= offset;
  }

  /** What lies below stays deleted over a crash, on every live replica (13(4)); -1: one of them has not said. */
  get lowWatermark(): number {
    return this.#leader.leastLogStart(this.#log.durableLogStartOffset) ?? -1;
  }

  // ---- what followers ask ----

  get written(): WrittenLog {
    return this.#log;
  }

  watchAsReplica(watcher: ReplicaWatcher): void {
    const followers = this.#followersOf();
    followers.add(watcher);
    this.#log.onFollowersAt(followers.leastSentTo);
  }

  unwatchAsReplica(watcher: ReplicaWatcher): void {
    if (this.#followers?.remove(watcher) === true) this.#log.onFollowersAt(this.#followers.leastSentTo);
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
    this.#log.onFollowersAt(this.#followers?.leastSentTo ?? null);
  }

  onReplicaLost(follower: BrokerId): void {
    this.#leader.onStreamLost(follower, this.#deps.clock.monotonicNow());
  }

  #followersOf(): PartitionFollowers {
    this.#followers ??= new PartitionFollowers(this.#deps.purgatory);
    return this.#followers;
  }

  // ---- the ISR ----

  /** For whoever asks why (15.6). */
  view(): LeaderView {
    return this.#leader.view(this.#deps.clock.monotonicNow());
  }

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
    this.#appends?.close(code);
    for (const watcher of this.#watchers ?? []) watcher.onPartitionClosed(code);
    this.#watchers = null;
    this.#followers?.close(code);
    this.#log.onFollowersAt(null);
  }

  // ---- what moves the tide ----

  /** Of the log: a write off the loop has ended. */
  onWritten(fault: DiskFault | null): void {
    if (this.#closedCode !== "NONE") return;
    if (this.#appends === null) this.onWriteEnd(fault);
    else this.#appends.onWritten(fault);
  }

  /** Of the appends. */
  onWriteEnd(fault: DiskFault | null): void {
    if (fault !== null) {
      this.#leader.onCut(this.#log.logEndOffset);
      this.onFault(fault);
    }
    if (this.#closedCode !== "NONE") return;
    if (this.#countsSynced) this.#log.sync();
    this.#perform(this.#leader.onEndOffset(this.#countedEnd(), this.#deps.clock.monotonicNow()));
    this.#followers?.onWritten(this.#log.writtenEndOffset);
  }

  /** Of the log. */
  onSyncFailed(fault: DiskFault): void {
    this.#deps.onDiskFault(fault);
  }

  /** Of the log: what retention deletes here followers need not wait for the next record to hear of. */
  onLogStart(): void {
    if (this.#closedCode === "NONE") this.#followers?.onMarks();
  }

  /** Of the log. */
  onSynced(): void {
    if (this.#closedCode !== "NONE") return;
    if (this.#countsSynced)
      this.#perform(this.#leader.onEndOffset(this.#countedEnd(), this.#deps.clock.monotonicNow()));
    this.#appends?.onSynced(this.#log.syncedEndOffset);
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
    this.#appends?.onHighWatermark(highWatermark);
    for (const watcher of this.#watchers ?? []) watcher.onHighWatermark();
    this.#followers?.onMarks();
  }

  /** What this replica vouches for: written, in the synced modes synced, and never beyond what is written. */
  #countedEnd(): Offset {
    const written = this.#log.writtenEndOffset;
    return this.#countsSynced ? asOffset(Math.min(this.#log.syncedEndOffset, written)) : written;
  }

  /** Of the appends, and of whoever searches: what the log knows to be bad since is told of. */
  onReadFault(): void {
    const { rot } = this.#log;
    if (rot !== null && this.#closedCode === "NONE") this.#deps.onSuspect(this.#log, rot.offset);
  }

  /** Of the appends. */
  onFault(fault: DiskFault): void {
    // A full disk, or a want of file descriptors, fails what it failed and no more (3.8(2)).
    if (fault.kind !== "ENOSPC" && fault.kind !== "EMFILE") this.#deps.onDiskFault(fault);
  }
}
