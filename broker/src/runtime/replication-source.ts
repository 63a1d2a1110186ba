/**
 * The leader's end of the stream to one follower broker: all partitions that it follows here share it (performance 4). The
 * follower asks once where it stands; its core answers (5.2), and from then on batches leave as they are written, before
 * they are synced, each where the one before ended. Reading, credit and turns are those of a fetch session, up to the
 * written end instead of the high watermark (3.1(9)).
 *
 * The high watermark and the log start ride on the next batches, or leave alone after MARK_DELAY_MS (6(5)). A partition
 * without news costs nothing.
 *
 * An ask that comes before this broker knows what it is about (a topic or leader epoch that its metadata has not reached,
 * a log that is still being opened) is kept for PARKED_MS and judged again when something changed: a failover would
 * otherwise wait for the follower's rest.
 *
 * Not here: what a report means for ISR and high watermark (replication), who is allowed to open a stream (peer door).
 */
import { errorCode } from "@tidemark/proto";
import type { ErrorName } from "@tidemark/proto";
import { decodeReportFrame, encodeDataFrame } from "@tidemark/proto/replication";
import type { OutgoingData, ReplicaReport } from "@tidemark/proto/replication";
import { asBrokerId, asLeaderEpoch, asOffset } from "../base/index.ts";
import type { BrokerId, Offset } from "../base/index.ts";
import type { Clock, Logger, PeerError, PeerStream, PeerStreamHandlers, TimerHandle, Timers } from "../ports/index.ts";
import type { ReportVerdict } from "../replication/index.ts";
import type { FetchedPart, FetchMessage } from "./fetch-message.ts";
import { FetchSession } from "./fetch-session.ts";
import type { FetchSink } from "./fetch-session.ts";
import type { Partition } from "./partition.ts";
import type { Led } from "./replication.ts";
import { ReplicaSeat } from "./replica-seat.ts";
import type { SeatOwner } from "./replica-seat.ts";
import { LOOK_MS, type ReplicationThrottle } from "./replication-throttle.ts";
import type { SlabPool } from "./slab-pool.ts";
import type { Turn } from "./turn.ts";

/** How long a moved high watermark waits for batches to ride on (6(5)). */
const MARK_DELAY_MS = 5;
/** How long an ask that cannot be judged yet is kept. */
const PARKED_MS = 1_000;

/** No subscription has it. */
const NOT_SUBSCRIBED = 0;

export interface ReplicationSourceDeps {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly turn: Turn;
  readonly slabs: SlabPool;
  readonly logger: Logger;
  /** `replica.fetch.max.bytes`. */
  maxBytes(): number;
  /** `replica.fetch.response.max.bytes`. */
  messageBytes(): number;
  find(topicId: string, partition: number, leaderEpoch: number): Led;
  /** Of this broker as a leader, over all followers. */
  readonly throttle: ReplicationThrottle;
  isFilling(brokerId: number, topicId: string, partition: number): boolean;
  onEnded(source: ReplicationSource): void;
}

export class ReplicationSource implements PeerStreamHandlers, FetchSink, SeatOwner {
  readonly followerId: BrokerId;
  readonly #stream: PeerStream;
  readonly #deps: ReplicationSourceDeps;
  readonly #session: FetchSession;
  readonly #seats = new Map<number, ReplicaSeat>();
  #lastSubscription = 0;
  /** Answers without records, in order. */
  #due: OutgoingData[] = [];
  /** Seats whose high watermark or log start moved since it was told. */
  readonly #marks = new Set<ReplicaSeat>();
  #markTimer: TimerHandle | null = null;
  readonly #parked = new Set<ReplicaSeat>();
  /** Filling replicas that got more than the throttle allows: nothing is read for them until the debt is paid. */
  readonly #held = new Set<ReplicaSeat>();
  #heldTimer: TimerHandle | null = null;
  #parkTimer: TimerHandle | null = null;
  #brokerEpoch = -1;
  #isWritable = true;
  #isFlushAsked = false;
  #isClosed = false;
  readonly #flush = (): void => this.#sendDue();

  constructor(followerId: number, stream: PeerStream, deps: ReplicationSourceDeps) {
    this.followerId = asBrokerId(followerId);
    this.#stream = stream;
    this.#deps = deps;
    const { clock, turn, slabs } = deps;
    const messageBytes = (): number => deps.messageBytes();
    this.#session = new FetchSession({ clock, turn, slabs, sink: this, isFollower: true, messageBytes });
  }

  /** Metadata was applied, or a partition is led here now: what was kept is judged again. */
  onLedChanged(): void {
    for (const seat of this.#parked) this.#judgeParked(seat);
    // It may be in sync by now, and then everybody waits for it.
    for (const seat of this.#held) if (!this.#isFilling(seat)) this.#readOn(seat);
  }

  /** Ends the stream. */
  close(): void {
    if (this.#isClosed) return;
    this.#stream.close();
    this.onClosed();
  }

  // ---- of the stream ----

  onFrame(frame: Buffer, release: (() => void) | null): void {
    if (this.#isClosed) return release?.();
    try {
      const { brokerEpoch, creditBytes, reports, removed } = decodeReportFrame(frame);
      this.#brokerEpoch = brokerEpoch;
      for (const slot of removed) this.#remove(slot);
      for (const report of reports) this.#onReport(report);
      if (creditBytes > 0) this.#session.grant(creditBytes);
    } catch (cause: unknown) {
      if ((cause as { code?: unknown }).code !== "INVALID_REQUEST") throw cause;
      this.#deps.logger.error("a follower sent what is no frame", { brokerId: this.followerId, err: cause });
      this.#stream.close({ code: "INVALID_REQUEST", message: (cause as Error).message });
      this.onClosed();
    } finally {
      release?.();
    }
  }

  onDrain(): void {
    this.#isWritable = true;
    if (this.#due.length > 0) this.#askForFlush();
    if (this.#marks.size > 0) this.#tellMarks();
    this.#session.onWritable();
  }

  onClosed(error: PeerError | null = null): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const reason = error?.message ?? "closed";
    this.#deps.logger.info("the stream to a follower has ended", { brokerId: this.followerId, reason });
    this.#session.close();
    for (const slot of this.#seats.keys()) this.#remove(slot);
    this.#markTimer?.cancel();
    this.#parkTimer?.cancel();
    this.#heldTimer?.cancel();
    this.#deps.onEnded(this);
  }

  // ---- reports ----

  #onReport(report: ReplicaReport): void {
    let seat = this.#seats.get(report.slot);
    if (seat === undefined) {
      if (report.topicId === "") return;
      seat = new ReplicaSeat(report.slot, report.topicId, report.partition, this);
      this.#seats.set(report.slot, seat);
    }
    if (report.asks) this.#ask(seat, report);
    else if (seat.led !== null) this.#judge(seat, seat.led, report);
    else if (seat.parked !== null) this.#hearParked(seat, seat.parked, report);
  }

  #ask(seat: ReplicaSeat, report: ReplicaReport): void {
    this.#stop(seat);
    seat.asked(report);
    const led = this.#deps.find(seat.topicId, seat.partition, report.leaderEpoch);
    if (led.partition !== null) {
      this.#parked.delete(seat);
      seat.parked = null;
      if (report.isSuspect) led.partition.suspect(asOffset(report.readFrom));
      this.#judge(seat, led.partition, report);
    } else if (led.mayCome) this.#park(seat, report);
    else this.#refuse(seat, led.code);
  }

  #judge(seat: ReplicaSeat, partition: Partition, report: ReplicaReport): void {
    const verdict = partition.onReplicaReport({
      follower: this.followerId,
      brokerEpoch: this.#brokerEpoch,
      leaderEpoch: asLeaderEpoch(report.leaderEpoch),
      generation: report.generation,
      ask: report.asks ? { readFrom: asOffset(report.readFrom), epochBefore: asLeaderEpoch(report.epochBefore) } : null,
      appendedTo: asOffset(report.appendedTo),
      isSynced: report.isSynced,
      durableLogStart: asOffset(report.durableLogStart),
    });
    this.#answer(seat, partition, verdict);
  }

  #answer(seat: ReplicaSeat, partition: Partition, verdict: ReportVerdict): void {
    switch (verdict.kind) {
      case "none":
        return;
      case "serve":
        return this.#serve(seat, partition, verdict.readFrom);
      case "diverging":
        this.#stop(seat);
        this.#sayLater({ ...seat.plain(partition), diverging: verdict.end });
        return;
      case "refused":
        this.#stop(seat);
        this.#sayLater({
          ...seat.plain(partition),
          errorCode: errorCode(verdict.code),
          logStartOffset: verdict.logStartOffset,
          logEndOffset: verdict.logEndOffset,
        });
    }
  }

  #serve(seat: ReplicaSeat, partition: Partition, offset: Offset): void {
    seat.serve(partition, offset);
    this.#subscribe(seat);
  }

  #subscribe(seat: ReplicaSeat): void {
    this.#lastSubscription += 1;
    const subscriptionId = this.#lastSubscription;
    seat.subscriptionId = subscriptionId;
    this.#session.subscribe({ subscriptionId, partition: seat, offset: seat.sentTo, maxBytes: this.#deps.maxBytes() });
  }

  #unsubscribe(seat: ReplicaSeat): void {
    this.#session.unsubscribe(seat.subscriptionId);
    seat.subscriptionId = NOT_SUBSCRIBED;
  }

  // ---- the throttle ----

  #isFilling({ topicId, partition }: ReplicaSeat): boolean {
    return this.#deps.isFilling(this.followerId, topicId, partition);
  }

  #charge(seat: ReplicaSeat, partition: Partition, bytes: number): void {
    if (!this.#isFilling(seat)) return;
    const restMs = this.#deps.throttle.take(bytes);
    // At the end of the log there is nothing to hold back, and it is about to be in sync.
    if (restMs === 0 || seat.sentTo >= partition.logEndOffset) return;
    this.#unsubscribe(seat);
    this.#held.add(seat);
    if (this.#heldTimer === null) this.#readOnAfter(restMs);
  }

  #readOnAfter(restMs: number): void {
    this.#heldTimer = this.#deps.timers.after(Math.min(restMs, LOOK_MS), () => {
      this.#heldTimer = null;
      const stillMs = this.#deps.throttle.restMs;
      if (stillMs === 0) for (const seat of this.#held) this.#readOn(seat);
      else if (this.#held.size > 0) this.#readOnAfter(stillMs);
    });
  }

  #readOn(seat: ReplicaSeat): void {
    this.#held.delete(seat);
    const { led } = seat;
    if (led === null) return;
    // It watched nothing meanwhile, and so nobody told it that this leadership is over, or the log deleted with its topic.
    if (this.#deps.find(seat.topicId, seat.partition, seat.leaderEpoch).partition !== led) {
      this.#stop(seat);
      return this.#refuse(seat, "NOT_LEADER_OR_FOLLOWER");
    }
    this.#subscribe(seat);
  }

  #refuse(seat: ReplicaSeat, code: ErrorName): void {
    this.#parked.delete(seat);
    seat.parked = null;
    this.#sayLater({ ...seat.plain(null), errorCode: errorCode(code) });
  }

  #stop(seat: ReplicaSeat): void {
    if (seat.led === null) return;
    this.#unsubscribe(seat);
    this.#marks.delete(seat);
    this.#held.delete(seat);
    seat.led = null;
  }

  #remove(slot: number): void {
    const seat = this.#seats.get(slot);
    if (seat === undefined) return;
    const partition = seat.lastPartition;
    this.#stop(seat);
    this.#parked.delete(seat);
    this.#seats.delete(slot);
    if (partition !== null) partition.onReplicaLost(this.followerId);
  }

  // ---- asks that came early ----

  #park(seat: ReplicaSeat, report: ReplicaReport): void {
    seat.parked = report;
    seat.parkedUntilMs = this.#deps.clock.monotonicNow() + PARKED_MS;
    this.#parked.add(seat);
    if (this.#parkTimer === null) this.#armParkTimer();
  }

  #armParkTimer(): void {
    this.#parkTimer = this.#deps.timers.after(PARKED_MS, () => {
      this.#parkTimer = null;
      const now = this.#deps.clock.monotonicNow();
      for (const seat of this.#parked) {
        if (seat.parked === null || seat.parkedUntilMs > now) continue;
        const led = this.#deps.find(seat.topicId, seat.partition, seat.parked.leaderEpoch);
        if (led.partition === null) this.#refuse(seat, led.code);
        else this.#judgeParked(seat);
      }
      if (this.#parked.size > 0) this.#armParkTimer();
    });
  }

  /** How far it is it says once: what it says while its ask is kept belongs to that. */
  #hearParked(seat: ReplicaSeat, parked: ReplicaReport, report: ReplicaReport): void {
    if (report.leaderEpoch !== parked.leaderEpoch || report.generation !== parked.generation) return;
    const { appendedTo, isSynced, durableLogStart } = report;
    seat.parked = { ...parked, appendedTo, isSynced, durableLogStart };
  }

  #judgeParked(seat: ReplicaSeat): void {
    const report = seat.parked;
    if (report === null) return;
    const led = this.#deps.find(seat.topicId, seat.partition, report.leaderEpoch);
    if (led.partition !== null || !led.mayCome) this.#ask(seat, report);
  }

  // ---- what leaves ----

  /** Of a seat: the high watermark or the log start moved. */
  onMoved(seat: ReplicaSeat): void {
    this.#marks.add(seat);
    if (this.#markTimer !== null) return;
    this.#markTimer = this.#deps.timers.after(MARK_DELAY_MS, () => {
      this.#markTimer = null;
      if (this.#isWritable) this.#tellMarks();
    });
  }

  #tellMarks(): void {
    for (const seat of this.#marks) {
      if (seat.led === null || !seat.hasNewMarks()) continue;
      const item = seat.plain(seat.led);
      this.#due.push(item);
      seat.noteMarks(item.highWatermark, item.logStartOffset);
    }
    this.#marks.clear();
    if (this.#due.length > 0) this.#askForFlush();
  }

  #sayLater(item: OutgoingData): void {
    this.#due.push(item);
    this.#askForFlush();
  }

  #askForFlush(): void {
    if (this.#isFlushAsked || this.#isClosed) return;
    this.#isFlushAsked = true;
    this.#deps.turn.flush(this.#flush);
  }

  #sendDue(): void {
    this.#isFlushAsked = false;
    if (this.#isClosed || !this.#isWritable || this.#due.length === 0) return;
    const items = this.#due;
    this.#due = [];
    if (!this.#stream.send(encodeDataFrame(items))) this.#isWritable = false;
  }

  // ---- of the session ----

  get isWritable(): boolean {
    return this.#isWritable;
  }

  onReadFault(cause: unknown): void {
    this.#deps.logger.error("a log could not be read for a follower", { brokerId: this.followerId, err: cause });
  }

  send(message: FetchMessage): void {
    const items: OutgoingData[] = [];
    for (const part of message.parts) {
      const seat = part.reads as ReplicaSeat;
      if (seat.led === null || seat.subscriptionId !== part.subscriptionId) {
        // Asked anew since it was read: the credit was not used.
        for (const piece of part.records) this.#session.grant(piece.length);
        continue;
      }
      items.push(part.code === "NONE" ? this.#data(seat, part) : this.#failed(seat, part));
    }
    if (items.length === 0) return message.release();
    const isWritable = this.#stream.send(encodeDataFrame(items), () => message.release());
    if (!isWritable) this.#isWritable = false;
  }

  #data(seat: ReplicaSeat, part: FetchedPart): OutgoingData {
    const { records, fetchOffset, nextOffset, highWatermark, logStartOffset } = part;
    const partition = seat.partitionLed;
    seat.sentTo = asOffset(nextOffset);
    if (records.length > 0) {
      partition.onSent(this.followerId, seat.generation, seat.sentTo);
      if (this.#deps.throttle.isSet) this.#charge(seat, partition, bytesOf(records));
    }
    seat.noteMarks(highWatermark, logStartOffset);
    // It was read a while ago, where the stream took nothing in since.
    if (seat.hasNewMarks()) this.onMoved(seat);
    return { ...seat.plain(partition), askedFrom: fetchOffset, highWatermark, logStartOffset, records };
  }

  /** The log starts beyond where it was to be read, cannot be read, or is led here no longer. */
  #failed(seat: ReplicaSeat, part: FetchedPart): OutgoingData {
    const item = seat.plain(seat.partitionLed);
    this.#stop(seat);
    return { ...item, askedFrom: part.fetchOffset, errorCode: errorCode(part.code) };
  }
}

function bytesOf(pieces: readonly Buffer[]): number {
  let bytes = 0;
  for (const piece of pieces) bytes += piece.length;
  return bytes;
}
