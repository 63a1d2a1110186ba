/**
 * One hosted partition that another broker leads, in one leader epoch: what its leader sends goes into the log byte for
 * byte (3.2), the log is cut where it parts from the leader's (5.3, 5.5), and how far it is goes back (5.4).
 *
 * The core decides, this performs. What arrives is worked off in order, one frame at a time; while the log is being cut, or
 * takes nothing in beside a write that is in flight, the rest waits here. Bytes count against the stream's credit until they
 * are written or dropped: a disk that hangs stops the leader.
 *
 * Invariants: a batch enters the log only after its CRC, counts, offsets and epoch were found good; nothing is appended
 * beside a cut; what is told as appended is written, in the synced modes synced (15.1(2)).
 *
 * A log that may not be cut (5.3(6)), or could not be, stays as it is: this partition stops, others go on. Where bad bytes were in the
 * way somebody looks at them, and the cut is tried again: what was bad may be an index, which that look makes anew.
 */
import { BATCH_HEADER_BYTES, baseOffsetAt, errorRow, validateStoredBatch } from "@tidemark/proto";
import type { BatchHeader } from "@tidemark/proto";
import type { ReplicaData, ReplicaReport } from "@tidemark/proto/replication";
import { asLeaderEpoch, asOffset } from "../base/index.ts";
import type { LeaderEpoch, Offset, PartitionId, SharedMemory } from "../base/index.ts";
import { DiskFault } from "../ports/index.ts";
import type { Clock, Logger, TimerHandle, Timers } from "../ports/index.ts";
import { PartitionFollower } from "../replication/index.ts";
import type {
  FollowerEffect,
  FrameAnswer,
  LeaderFrame,
  RecordsAnswer,
  ReplicaRefusal,
  RetryCause,
} from "../replication/index.ts";
import { BadBytesError, type LogConfig, type LogEvents, type PartitionLog } from "../storage/index.ts";
import type { DiskReserve } from "./disk-reserve.ts";
import { countsSynced } from "./durability.ts";

const NO_RECORDS = Buffer.alloc(0);

/** Memory that is kept for each byte that waits, beyond which the byte is copied out of its frame. */
const PINNED_RATIO_MAX = 2;

/** Until a cut that was refused is tried again: at first, and at most. */
const CUT_RETRY_MS = 1_000;
const CUT_RETRY_MS_MAX = 60_000;

/** Until a full disk is looked at again (3.8(2)). */
const ROOM_RETRY_MS = 1_000;

export interface FollowedPartitionOptions {
  readonly log: PartitionLog;
  readonly leaderId: number;
  readonly leaderEpoch: LeaderEpoch;
  /** Leader epoch of the last unclean choice (9(3)); -1 = none. */
  readonly uncleanEpoch: number;
  /** The last one used for this partition in this process; 0 at first. */
  readonly generation: number;
  /** A cut ran into bytes in the segment of `offset` that are no batches: whoever looks finds damage, or mends the index. */
  onBadBytes(offset: Offset): void;
}

export interface FollowedPartitionDeps {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
  readonly reserve: Pick<DiskReserve, "hasRoom">;
  /** `replica.fetch.backoff.ms`. */
  backoffMs(): number;
  /** A write failed for another reason than a full disk (3.8(1)). */
  onDiskFault(fault: DiskFault): void;
}

/** The place of a partition in the stream from its leader. */
export interface FollowerSeat {
  /** There is something to report: asked for with `takeReport` at the end of the turn. */
  onReportDue(): void;
  /** So many bytes of records are written, or dropped. */
  onTaken(bytes: number): void;
}

/** One partition's part of one frame. */
interface Delivery {
  readonly frame: LeaderFrame<Buffer>;
  readonly bytes: number;
  /** Where the records lie, held until nobody looks at them; null: in memory of their own. */
  readonly memory: SharedMemory | null;
}

/** In the log's hands, up to here. */
interface Unwritten {
  readonly delivery: Delivery;
  readonly endOffset: Offset;
}

type Effects = readonly FollowerEffect<Buffer>[];
type Report = Omit<ReplicaReport, "slot" | "topicId" | "partition">;

export class FollowedPartition implements LogEvents {
  readonly topic: string;
  readonly partition: PartitionId;
  readonly topicId: string;
  readonly leaderId: number;
  readonly leaderEpoch: LeaderEpoch;
  readonly #log: PartitionLog;
  readonly #deps: FollowedPartitionDeps;
  readonly #onBadBytes: (offset: Offset) => void;
  readonly #core: PartitionFollower<Buffer>;
  #seat: FollowerSeat | null = null;
  #isStreamOpen = false;
  /** Arrived and not worked on yet. Null: never any; most frames are worked on as they come. */
  #inbox: Delivery[] | null = null;
  /** Handed to the log beside a write that is in flight, in order; null as above. */
  #unwritten: Unwritten[] | null = null;
  /** The next frame is not looked at yet. */
  #isBusy = false;
  /** The log is being cut, or begins a segment: whatever else ends meanwhile, nothing is appended. */
  #isCutting = false;
  /** What is being worked on. */
  #inHand: Delivery | null = null;
  /** Its records, as far as they wait to be appended: from byte `at` on. */
  #unfinished: { readonly answer: RecordsAnswer<Buffer>; readonly at: number; readonly startAt: Offset | null } | null =
    null;
  #countsSynced: boolean;

  /** Of the leader's log, as last told. */
  #leaderEnd = 0;
  /** Of the leader, beyond what is written here. */
  #marks: { readonly highWatermark: Offset; readonly logStartOffset: Offset } | null = null;

  /** Where the last bad batch was to go, and how often one has come for it. */
  #badAt = -1;
  #badCount = 0;

  /** To be asked with the next report. */
  #ask: { readonly generation: number; readonly readFrom: Offset; readonly epochBefore: LeaderEpoch } | null = null;
  /** As last told in this generation; -1 = not yet. */
  #appendedToTold = -1;
  #logStartTold = -1;
  #timer: TimerHandle | null = null;
  /** A raise of the log start is under way, or is tried again. */
  #isRaising = false;
  /** The wait behind a cut that was refused; 0 = the last one was not. */
  #cutRetryMs = 0;
  #isStopped = false;
  #isClosed = false;

  constructor(options: FollowedPartitionOptions, deps: FollowedPartitionDeps) {
    const { log, leaderEpoch, uncleanEpoch, generation } = options;
    this.topic = log.topic;
    this.partition = log.partition;
    this.topicId = log.topicId;
    this.leaderId = options.leaderId;
    this.leaderEpoch = leaderEpoch;
    this.#log = log;
    this.#deps = deps;
    this.#onBadBytes = (offset) => options.onBadBytes(offset);
    this.#core = new PartitionFollower({ leaderEpoch, uncleanEpoch, generation }, log);
    this.#countsSynced = countsSynced(log.config.durability);
    log.events = this;
    this.#sync();
    // A raise that found no room under another role: as long as it cannot be told as durable, nobody lets this replica join (7(5)).
    if (log.durableLogStartOffset < log.logStartOffset) this.#raiseLogStart(log.logStartOffset);
  }

  get generation(): number {
    return this.#core.generation;
  }

  /** It keeps its bytes and does not follow: an operator has to look (5.3(6)), its disk is gone, or no cut was possible yet. */
  get isStopped(): boolean {
    return this.#isStopped || this.#cutRetryMs > 0;
  }

  /** Records behind the leader, as far as it has told. */
  get lag(): number {
    return Math.max(0, this.#leaderEnd - this.#log.writtenEndOffset);
  }

  /** Of what the leader has, as last told, something has not come yet. */
  get isBehind(): boolean {
    return this.#log.logEndOffset < this.#leaderEnd;
  }

  // ---- life ----

  onMetadata(uncleanEpoch: number): void {
    this.#core.onMetadata(uncleanEpoch);
    this.#perform(this.#core.onRetry());
  }

  /** Settings of the topic changed. */
  reconfigure(config: LogConfig): void {
    this.#log.reconfigure(config);
    const isRaised = countsSynced(config.durability) && !this.#countsSynced;
    this.#countsSynced = countsSynced(config.durability);
    if (!isRaised) return;
    // 15.1(5): what was told as written has to be told again as synced.
    this.#appendedToTold = -1;
    this.#sync();
    this.#onMoved();
  }

  /** Nothing arrives and nothing is reported any more. What the log has under way goes on (PartitionLog.whenSettled). */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#unfinished = null;
    this.#letGo();
    this.#dropWaiting();
    // The log tells its next owner of its writes.
    if ((this.#unwritten?.length ?? 0) > 0) void this.#log.whenWritten().then(() => this.#takenUpTo(null));
  }

  // ---- the stream ----

  onStreamOpened(seat: FollowerSeat): void {
    this.#seat = seat;
    this.#isStreamOpen = true;
    // Where to ask from is known when the cut has ended.
    if (!this.#isCutting) this.#perform(this.#core.onStreamOpened());
  }

  onStreamLost(): void {
    this.#isStreamOpen = false;
    this.#ask = null;
    this.#core.onStreamLost();
    // 5.3(2): the next stream begins at the log end, so what came on this one and waits must not move that any more.
    this.#unfinished = null;
    this.#goOn();
  }

  /** One item of a frame. Its records lie in `memory`. */
  onData(item: ReplicaData, memory: SharedMemory): void {
    if (item.errorCode === 0 && item.diverging === null) this.#leaderEnd = item.logEndOffset;
    const delivery = this.#deliveryOf(item, memory);
    if (this.#isClosed) return this.#taken(delivery);
    if (this.#isStopped) return this.#done(delivery);
    if (!this.#isBusy && (this.#inbox?.length ?? 0) === 0) return this.#work(delivery);
    this.#inbox ??= [];
    this.#inbox.push(delivery);
    this.#workOff();
  }

  /** What has to wait keeps its own bytes: a small batch would keep a frame, and with each further one another. */
  #deliveryOf(item: ReplicaData, memory: SharedMemory): Delivery {
    const bytes = item.records.length;
    if (bytes === 0) return { frame: frameOf(item, NO_RECORDS), bytes, memory: null };
    if (this.#hasToWait && memory.pinnedBytes > PINNED_RATIO_MAX * bytes) {
      const own = Buffer.allocUnsafeSlow(bytes);
      item.records.copy(own);
      return { frame: frameOf(item, own), bytes, memory: null };
    }
    memory.hold();
    return { frame: frameOf(item, item.records), bytes, memory };
  }

  get #hasToWait(): boolean {
    return this.#isBusy || this.#log.writtenEndOffset < this.#log.logEndOffset;
  }

  /** What there is to say now; null: nothing new, or nothing that may be said (5.4). */
  takeReport(): Report | null {
    if (this.#isClosed || !this.#core.isReporting) return null;
    const ask = this.#ask;
    const appendedTo = this.#countedEnd();
    const durableLogStart = this.#log.durableLogStartOffset;
    if (ask === null && appendedTo === this.#appendedToTold && durableLogStart === this.#logStartTold) return null;
    this.#ask = null;
    this.#appendedToTold = appendedTo;
    this.#logStartTold = durableLogStart;
    return {
      leaderEpoch: this.leaderEpoch,
      generation: ask?.generation ?? this.#core.generation,
      asks: ask !== null,
      readFrom: ask?.readFrom ?? 0,
      epochBefore: ask?.epochBefore ?? -1,
      appendedTo,
      isSynced: this.#countsSynced,
      durableLogStart,
      // 15.7(1): once it may have been the way here, twice it is the leader's disk.
      isSuspect: ask !== null && ask.readFrom === this.#badAt && this.#badCount > 1,
    };
  }

  // ---- of the log ----

  onWritten(fault: DiskFault | null): void {
    if (this.#isClosed) return;
    // A write that failed has taken back all that was queued behind it, too.
    this.#takenUpTo(fault === null ? this.#log.writtenEndOffset : null);
    if (fault !== null) this.#onWriteFailed(fault);
    else {
      this.#sync();
      if (this.#marks !== null) this.#advance(this.#marks.highWatermark, this.#marks.logStartOffset);
      this.#onMoved();
    }
    this.#goOn();
  }

  onSynced(): void {
    if (!this.#isClosed && this.#countsSynced) this.#onMoved();
  }

  /** Whatever raised it: the leader lets nobody join who has not said so, and nothing else may move here for long (7(5)). */
  onLogStart(): void {
    if (this.#isClosed) return;
    this.#onMoved();
    // Records may wait for it, whose raise found that another one was under way.
    if (this.#unfinished !== null) this.#goOn();
  }

  onSyncFailed(fault: DiskFault): void {
    this.#deps.onDiskFault(fault);
  }

  // ---- what arrived ----

  #workOff(): void {
    while (!this.#isBusy && !this.#isClosed) {
      const delivery = this.#inbox?.shift();
      if (delivery === undefined) return;
      this.#work(delivery);
    }
  }

  #work(delivery: Delivery): void {
    this.#inHand = delivery;
    this.#perform(this.#core.onFrame(delivery.frame));
    if (this.#unfinished === null) this.#letGo();
  }

  /** What waited for the log goes on. */
  #goOn(): void {
    if (this.#isClosed || this.#isStopped || this.#isCutting) return;
    this.#isBusy = false;
    this.#appendOn();
    if (this.#unfinished === null) this.#letGo();
    this.#workOff();
  }

  #letGo(): void {
    const delivery = this.#inHand;
    this.#inHand = null;
    if (delivery !== null) this.#done(delivery);
  }

  /** The bytes are in the log's hands, or dropped. */
  #done(delivery: Delivery): void {
    const { logEndOffset: endOffset, writtenEndOffset } = this.#log;
    if (endOffset === writtenEndOffset) this.#taken(delivery);
    else {
      this.#unwritten ??= [];
      this.#unwritten.push({ delivery, endOffset });
    }
  }

  #taken({ bytes, memory }: Delivery): void {
    if (bytes > 0) this.#seat?.onTaken(bytes);
    memory?.letGo();
  }

  /** The log has written up to here; null: it has nothing of them any more that is not written. */
  #takenUpTo(writtenEnd: Offset | null): void {
    const unwritten = this.#unwritten;
    if (unwritten === null || unwritten.length === 0) return;
    let count = 0;
    while (count < unwritten.length && (writtenEnd === null || (unwritten[count]?.endOffset ?? 0) <= writtenEnd))
      count += 1;
    for (const { delivery } of unwritten.splice(0, count)) this.#taken(delivery);
  }

  #dropWaiting(): void {
    for (const delivery of this.#inbox?.splice(0) ?? []) this.#done(delivery);
  }

  #perform(effects: Effects): void {
    for (const effect of effects) {
      switch (effect.kind) {
        case "ask":
          this.#ask = effect;
          this.#appendedToTold = -1;
          this.#seat?.onReportDue();
          break;
        case "append":
          this.#cutRetryMs = 0;
          this.#append(effect);
          break;
        case "advance":
          this.#advance(effect.highWatermark, effect.logStartOffset);
          break;
        case "truncate":
          this.#truncateTo(effect.to);
          break;
        case "restart":
          this.#restartAt(effect.at);
          break;
        case "retryLater":
          this.#retryLater(effect.cause);
          break;
        case "stop":
          this.#stop(effect.reason);
      }
    }
  }

  // ---- append ----

  #append({ answer, restartAt, startAt }: Extract<FollowerEffect<Buffer>, { kind: "append" }>): void {
    this.#unfinished = { answer, at: 0, startAt };
    if (restartAt === null) return this.#appendOn();
    // What lies below the log start was told as deleted, and stays so over a crash.
    this.#cutThen(this.#log.restartAt(restartAt, this.#log.logStartOffset), () => this.#goOn());
  }

  /** Appends what is unfinished: all of it, or it goes on later, or the answer is void. */
  #appendOn(): void {
    const { clock, reserve, timers } = this.#deps;
    if (this.#unfinished === null) return;
    const { answer, at: from, startAt } = this.#unfinished;
    const records = answer.records ?? NO_RECORDS;
    if (startAt !== null && this.#log.durableLogStartOffset < startAt) {
      // The raise that is under way goes on with it. One of retention may have failed for want of room, and nobody tries that again.
      this.#isBusy = true;
      if (!this.#isRaising && this.#log.logStartOffset >= startAt) this.#raiseLogStart(this.#log.logStartOffset);
      return;
    }
    if (!reserve.hasRoom(records.length - from)) {
      // 3.8(2): what it follows pauses, and this is no error.
      this.#isBusy = true;
      this.#timer?.cancel();
      this.#timer = timers.after(ROOM_RETRY_MS, () => this.#goOn());
      return;
    }
    const now = clock.wallNow();
    let isBad = false;
    for (let at = from; at < records.length && !isBad; ) {
      const step = validateStoredBatch(records, at, records.length);
      if (!step.ok || !this.#fits(step.header)) {
        isBad = true;
        continue;
      }
      const { sizeBytes, baseOffset } = step.header;
      const { code, fault } = this.#log.appendFetched(records.subarray(at, at + sizeBytes), step.header, now);
      if (code === "OK") {
        at += sizeBytes;
        continue;
      }
      // What stands before it is written all the same.
      const writeFault = this.#log.writeAppended();
      if (code === "KAFKA_STORAGE_ERROR" || writeFault !== null) return this.#onWriteFailed(fault ?? writeFault);
      this.#isBusy = true;
      this.#unfinished = { answer, at, startAt };
      if (code === "GAP") this.#skipTo(asOffset(baseOffset));
      return;
    }
    const fault = this.#log.writeAppended();
    if (fault !== null) return this.#onWriteFailed(fault);
    this.#unfinished = null;
    this.#sync();
    this.#onMoved();
    if (!isBad) return this.#perform(this.#core.onAppended(answer));
    const { logEndOffset } = this.#log;
    this.#badCount = logEndOffset === this.#badAt ? this.#badCount + 1 : 1;
    this.#badAt = logEndOffset;
    this.#perform(this.#core.onBadBatch());
    this.#regainLogStart();
  }

  /** Recovery would take anything else for a bad batch (4.2(5)). */
  #fits({ baseOffset, partitionLeaderEpoch }: BatchHeader): boolean {
    const { logEndOffset, latestEpoch } = this.#log;
    return (
      baseOffset >= logEndOffset && partitionLeaderEpoch >= latestEpoch && partitionLeaderEpoch <= this.leaderEpoch
    );
  }

  #skipTo(offset: Offset): void {
    // Without the batch behind it a gap is none: another role, or another stream, begins at the log end of before.
    this.#cutThen(
      this.#log.skipTo(offset, () => this.#unfinished !== null),
      (isDone) => {
        if (!isDone) this.#onWriteFailed(null);
        this.#goOn();
      },
    );
  }

  /** The log was cut back to its last whole batch: what was sent on top of that is void, here and on its way. */
  #onWriteFailed(fault: DiskFault | null): void {
    this.#unfinished = null;
    this.#marks = null;
    this.#isBusy = false;
    this.#letGo();
    this.#perform(this.#core.onWriteFailed());
    this.#regainLogStart();
    // A full disk, or a want of file descriptors, fails what it failed and no more (3.8(2)).
    if (fault !== null && fault.kind !== "ENOSPC" && fault.kind !== "EMFILE") this.#deps.onDiskFault(fault);
  }

  /** 5.3(8), and the batch never came: the log is to end no lower than what it keeps deleted. */
  #regainLogStart(): void {
    const { logEndOffset, durableLogStartOffset } = this.#log;
    const regained = logEndOffset < durableLogStartOffset ? this.#log.whenSettled() : null;
    if (regained === null) return;
    this.#cutThen(regained, () => {
      this.#isBusy = false;
      this.#goOn();
    });
  }

  // ---- either end ----

  /** As far as what is written reaches: a write in flight may fail, and the log would end below them. The rest follows with it. */
  #advance(highWatermark: Offset, logStartOffset: Offset): void {
    const { logStartOffset: ownStart, writtenEndOffset } = this.#log;
    this.#marks = highWatermark > writtenEndOffset ? { highWatermark, logStartOffset } : null;
    const reached = asOffset(Math.max(ownStart, Math.min(highWatermark, writtenEndOffset)));
    this.#log.highWatermark = reached;
    if (Math.min(logStartOffset, reached) > ownStart) this.#raiseLogStart(asOffset(Math.min(logStartOffset, reached)));
  }

  #raiseLogStart(offset: Offset): void {
    this.#isRaising = true;
    this.#log.raiseLogStart(offset).then(
      () => {
        this.#isRaising = false;
        if (this.#unfinished !== null) this.#goOn();
      },
      (cause: unknown) => {
        if (this.#isClosed) return;
        if (!(cause instanceof DiskFault)) throw cause;
        // It holds here; only that it would survive a crash cannot be told yet.
        this.#deps.timers.after(this.#deps.backoffMs(), () => {
          this.#isRaising = false;
          if (!this.#isClosed && !this.#isStopped) this.#raiseLogStart(this.#log.logStartOffset);
        });
      },
    );
  }

  #truncateTo(offset: Offset): void {
    const { topic, partition, leaderEpoch } = this;
    const { logEndOffset: endOffset } = this.#log;
    const fields = { topic, partition, leaderEpoch, endOffset, offset };
    if (offset !== endOffset) this.#deps.logger.info("the log is cut where it parts from the leader's", fields);
    this.#cut(this.#log.truncateTo(offset));
  }

  #restartAt(offset: Offset): void {
    const { topic, partition, leaderEpoch } = this;
    const { logEndOffset: endOffset } = this.#log;
    const fields = { topic, partition, leaderEpoch, endOffset, offset };
    if (offset !== endOffset) this.#deps.logger.info("the log begins anew where the leader's begins", fields);
    this.#cut(this.#log.restartAt(offset));
  }

  #cut(cut: Promise<void>): void {
    this.#cutThen(cut, () => {
      this.#isBusy = false;
      this.#cutRetryMs = 0;
      this.#perform(this.#core.onCut());
      this.#workOff();
    });
  }

  #cutThen<T>(cut: Promise<T>, then: (result: T) => void): void {
    this.#isBusy = true;
    this.#isCutting = true;
    cut.then(
      (result) => {
        this.#isCutting = false;
        if (this.#isClosed) return;
        then(result);
        if (this.#isStreamOpen && !this.#isCutting) this.#perform(this.#core.onStreamOpened());
      },
      (cause: unknown) => this.#onCutFailed(cause),
    );
  }

  /** The log has told its directory, if it was the disk. */
  #onCutFailed(cause: unknown): void {
    if (this.#isClosed) return;
    if (cause instanceof BadBytesError) return this.#onCutRefused(cause);
    this.#stop(`the log could not be cut: ${String(cause)}`);
  }

  /** Nothing has changed. If the bytes are bad, the leader epoch that the controller's word begins ends this; else the cut goes well soon. */
  #onCutRefused({ offset, message: reason }: BadBytesError): void {
    this.#isCutting = false;
    this.#isBusy = false;
    this.#cutRetryMs = Math.min(Math.max(2 * this.#cutRetryMs, CUT_RETRY_MS), CUT_RETRY_MS_MAX);
    const { topic, partition, leaderEpoch } = this;
    const fields = { topic, partition, leaderEpoch, offset, retryMs: this.#cutRetryMs, reason };
    this.#deps.logger.error("a replica cannot cut its log and keeps its bytes", fields);
    this.#onBadBytes(offset);
    if (this.#isStreamOpen) this.#perform(this.#core.onStreamOpened());
    this.#perform(this.#core.onCutRefused());
    this.#workOff();
  }

  #stop(reason: string): void {
    this.#isStopped = true;
    this.#unfinished = null;
    this.#letGo();
    this.#dropWaiting();
    const { topic, partition, leaderEpoch } = this;
    this.#deps.logger.error("a replica has stopped and keeps its bytes", { topic, partition, leaderEpoch, reason });
  }

  // ---- what it tells ----

  #retryLater(cause: RetryCause): void {
    const { topic, partition, leaderId, leaderEpoch } = this;
    this.#deps.logger.debug("a replica waits before it asks again", {
      topic,
      partition,
      leaderId,
      leaderEpoch,
      reason: cause,
    });
    this.#timer?.cancel();
    const delayMs = cause === "LOG_DAMAGED" ? this.#cutRetryMs : this.#deps.backoffMs();
    this.#timer = this.#deps.timers.after(delayMs, () => {
      if (!this.#isClosed) this.#perform(this.#core.onRetry());
    });
  }

  #onMoved(): void {
    this.#seat?.onReportDue();
  }

  /** What another role has left unsynced, too: nobody else would ask for it. A cut is synced by the log itself. */
  #sync(): void {
    if (this.#countsSynced && this.#log.syncedEndOffset < this.#log.writtenEndOffset) this.#log.sync();
  }

  #countedEnd(): Offset {
    const { syncedEndOffset, writtenEndOffset } = this.#log;
    return this.#countsSynced ? asOffset(Math.min(syncedEndOffset, writtenEndOffset)) : writtenEndOffset;
  }
}

function frameOf(item: ReplicaData, records: Buffer): LeaderFrame<Buffer> {
  const { generation } = item;
  const leaderEpoch = asLeaderEpoch(item.leaderEpoch);
  return { leaderEpoch, generation, askedFrom: asOffset(item.askedFrom), answer: answerOf(item, records) };
}

function answerOf(item: ReplicaData, records: Buffer): FrameAnswer<Buffer> {
  const { diverging } = item;
  const logStartOffset = asOffset(item.logStartOffset);
  if (item.errorCode !== 0) {
    const code = errorRow(item.errorCode).name as ReplicaRefusal;
    return { kind: "refused", code, logStartOffset, logEndOffset: asOffset(item.logEndOffset) };
  }
  if (diverging !== null) {
    const { epoch, endOffset } = diverging;
    return { kind: "diverging", end: { epoch: asLeaderEpoch(epoch), endOffset: asOffset(endOffset) } };
  }
  const base = records.length < BATCH_HEADER_BYTES ? -1 : baseOffsetAt(records, 0);
  // What is no batch is found bad by the append.
  const firstBaseOffset = Number.isSafeInteger(base) && base >= 0 ? base : item.askedFrom;
  return {
    kind: "records",
    records: records.length === 0 ? null : records,
    firstBaseOffset: asOffset(firstBaseOffset),
    highWatermark: asOffset(item.highWatermark),
    logStartOffset,
  };
}
