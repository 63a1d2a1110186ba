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
import { asBrokerId, asLeaderEpoch, asOffset, assert } from "../base/index.ts";
import type { BrokerId, Offset } from "../base/index.ts";
import type { Clock, Logger, PeerError, PeerStream, PeerStreamHandlers, TimerHandle, Timers } from "../ports/index.ts";
import type { ReportVerdict } from "../replication/index.ts";
import type { FetchedPart, FetchMessage } from "./fetch-message.ts";
import { FetchSession } from "./fetch-session.ts";
import type { FetchSink } from "./fetch-session.ts";
import type { Partition } from "./partition.ts";
import type { Led } from "./replication.ts";
import { ReplicaView } from "./replica-view.ts";
import type { ReplicaSeat } from "./replica-view.ts";
import { LOOK_MS, type ReplicationThrottle } from "./replication-throttle.ts";
import type { SlabPool } from "./slab-pool.ts";
import type { Turn } from "./turn.ts";

/** How long a moved high watermark waits for batches to ride on (6(5)). */
const MARK_DELAY_MS = 5;
/** How long an ask that cannot be judged yet is kept. */
const PARKED_MS = 1_000;

const NO_RECORDS: readonly Buffer[] = [];

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

export class ReplicationSource implements PeerStreamHandlers, FetchSink {
  readonly followerId: BrokerId;
  readonly #stream: PeerStream;
  readonly #deps: ReplicationSourceDeps;
  readonly #session: FetchSession;
  readonly #seats = new Map<number, Seat>();
  /** By the session's name of what was asked for last; an ask that came after makes it another. */
  readonly #bySubscription = new Map<number, Seat>();
  #lastSubscription = 0;
  /** Answers without records, in order. */
  #due: OutgoingData[] = [];
  /** Seats whose high watermark or log start moved since it was told. */
  readonly #marks = new Set<Seat>();
  #markTimer: TimerHandle | null = null;
  readonly #parked = new Set<Seat>();
  /** Filling replicas that got more than the throttle allows: nothing is read for them until the debt is paid. */
  readonly #held = new Set<Seat>();
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
      seat = new Seat(report.slot, report.topicId, report.partition, this);
      this.#seats.set(report.slot, seat);
    }
    if (report.asks) this.#ask(seat, report);
    else if (seat.view !== null) this.#judge(seat, seat.view.led, report);
    else if (seat.parked !== null) this.#hearParked(seat, seat.parked, report);
  }

  #ask(seat: Seat, report: ReplicaReport): void {
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

  #judge(seat: Seat, partition: Partition, report: ReplicaReport): void {
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

  #answer(seat: Seat, partition: Partition, verdict: ReportVerdict): void {
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

  #serve(seat: Seat, partition: Partition, offset: Offset): void {
    this.#lastSubscription += 1;
    const subscriptionId = this.#lastSubscription;
    const view = new ReplicaView(partition, offset, seat);
    seat.serve(view, subscriptionId);
    this.#bySubscription.set(subscriptionId, seat);
    this.#session.subscribe({ subscriptionId, partition: view, offset, maxBytes: this.#deps.maxBytes() });
  }

  // ---- the throttle ----

  #isFilling({ topicId, partition }: Seat): boolean {
    return this.#deps.isFilling(this.followerId, topicId, partition);
  }

  #charge(seat: Seat, partition: Partition, bytes: number): void {
    if (!this.#isFilling(seat)) return;
    const restMs = this.#deps.throttle.take(bytes);
    // At the end of the log there is nothing to hold back, and it is about to be in sync.
    if (restMs === 0 || seat.sentTo >= partition.logEndOffset) return;
    this.#session.unsubscribe(seat.subscriptionId);
    this.#bySubscription.delete(seat.subscriptionId);
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

  #readOn(seat: Seat): void {
    this.#held.delete(seat);
    const { view, sentTo: offset } = seat;
    if (view === null) return;
    // It watched nothing meanwhile, and so nobody told it that this leadership is over, or the log deleted with its topic.
    if (this.#deps.find(seat.topicId, seat.partition, seat.leaderEpoch).partition !== view.led) {
      this.#stop(seat);
      return this.#refuse(seat, "NOT_LEADER_OR_FOLLOWER");
    }
    this.#lastSubscription += 1;
    seat.subscriptionId = this.#lastSubscription;
    this.#bySubscription.set(seat.subscriptionId, seat);
    const { subscriptionId } = seat;
    this.#session.subscribe({ subscriptionId, partition: view, offset, maxBytes: this.#deps.maxBytes() });
  }

  #refuse(seat: Seat, code: ErrorName): void {
    this.#parked.delete(seat);
    seat.parked = null;
    this.#sayLater({ ...seat.plain(null), errorCode: errorCode(code) });
  }

  #stop(seat: Seat): void {
    if (seat.view === null) return;
    this.#session.unsubscribe(seat.subscriptionId);
    this.#bySubscription.delete(seat.subscriptionId);
    this.#marks.delete(seat);
    this.#held.delete(seat);
    seat.view = null;
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

  #park(seat: Seat, report: ReplicaReport): void {
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
  #hearParked(seat: Seat, parked: ReplicaReport, report: ReplicaReport): void {
    if (report.leaderEpoch !== parked.leaderEpoch || report.generation !== parked.generation) return;
    const { appendedTo, isSynced, durableLogStart } = report;
    seat.parked = { ...parked, appendedTo, isSynced, durableLogStart };
  }

  #judgeParked(seat: Seat): void {
    const report = seat.parked;
    if (report === null) return;
    const led = this.#deps.find(seat.topicId, seat.partition, report.leaderEpoch);
    if (led.partition !== null || !led.mayCome) this.#ask(seat, report);
  }

  // ---- what leaves ----

  /** Of a seat: the high watermark or the log start moved. */
  onMoved(seat: Seat): void {
    this.#marks.add(seat);
    if (this.#markTimer !== null) return;
    this.#markTimer = this.#deps.timers.after(MARK_DELAY_MS, () => {
      this.#markTimer = null;
      if (this.#isWritable) this.#tellMarks();
    });
  }

  #tellMarks(): void {
    for (const seat of this.#marks) {
      if (seat.view === null || !seat.hasNewMarks()) continue;
      const item = seat.plain(seat.view.led);
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
      const seat = this.#bySubscription.get(part.subscriptionId);
      if (seat === undefined || seat.view === null) {
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

  #data(seat: Seat, part: FetchedPart): OutgoingData {
    const { records, fetchOffset, nextOffset, highWatermark, logStartOffset } = part;
    const view = seat.viewOf();
    const partition = view.led;
    view.sentTo = asOffset(nextOffset);
    seat.sentTo = view.sentTo;
    if (records.length > 0) {
      partition.onSent(this.followerId, seat.generation, view.sentTo);
      if (this.#deps.throttle.isSet) this.#charge(seat, partition, bytesOf(records));
    }
    seat.noteMarks(highWatermark, logStartOffset);
    // It was read a while ago, where the stream took nothing in since.
    if (seat.hasNewMarks()) this.onMoved(seat);
    return { ...seat.plain(partition), askedFrom: fetchOffset, highWatermark, logStartOffset, records };
  }

  /** The log starts beyond where it was to be read, cannot be read, or is led here no longer. */
  #failed(seat: Seat, part: FetchedPart): OutgoingData {
    const item = seat.plain(seat.viewOf().led);
    this.#stop(seat);
    return { ...item, askedFrom: part.fetchOffset, errorCode: errorCode(part.code) };
  }
}

/** One partition on one stream. */
class Seat implements ReplicaSeat {
  readonly slot: number;
  readonly #source: ReplicationSource;
  /** As it was named; that of the partition, once it is found, which all partitions of the topic share. */
  topicId: string;
  readonly partition: number;
  /** Of the last ask. */
  leaderEpoch = 0;
  generation = 0;
  /** Behind the last records that were sent, or where they were asked for. */
  sentTo = asOffset(0);
  /** Null while nothing is sent. */
  view: ReplicaView | null = null;
  /** To be told when the stream ends. */
  lastPartition: Partition | null = null;
  subscriptionId = 0;
  #highWatermarkTold = -1;
  #logStartTold = -1;
  /** An ask that waits for this broker's metadata. */
  parked: ReplicaReport | null = null;
  parkedUntilMs = 0;

  constructor(slot: number, topicId: string, partition: number, source: ReplicationSource) {
    this.slot = slot;
    this.topicId = topicId;
    this.partition = partition;
    this.#source = source;
  }

  onMarks(): void {
    this.#source.onMoved(this);
  }

  asked(report: ReplicaReport): void {
    this.leaderEpoch = report.leaderEpoch;
    this.generation = report.generation;
    this.sentTo = asOffset(report.readFrom);
  }

  serve(view: ReplicaView, subscriptionId: number): void {
    this.view = view;
    this.lastPartition = view.led;
    this.topicId = view.led.topicId;
    this.subscriptionId = subscriptionId;
    this.#highWatermarkTold = -1;
  }

  viewOf(): ReplicaView {
    assert(this.view !== null, "a seat that is served has a view");
    return this.view;
  }

  hasNewMarks(): boolean {
    const led = this.view?.led;
    if (led === undefined) return false;
    return led.highWatermark !== this.#highWatermarkTold || led.logStartOffset !== this.#logStartTold;
  }

  /** They were told. */
  noteMarks(highWatermark: number, logStartOffset: number): void {
    this.#highWatermarkTold = highWatermark;
    this.#logStartTold = logStartOffset;
  }

  /** What is said without records. */
  plain(partition: Partition | null): OutgoingData {
    return {
      slot: this.slot,
      leaderEpoch: this.leaderEpoch,
      generation: this.generation,
      errorCode: 0,
      askedFrom: this.sentTo,
      diverging: null,
      highWatermark: partition?.highWatermark ?? 0,
      logStartOffset: partition?.logStartOffset ?? 0,
      logEndOffset: partition?.logEndOffset ?? 0,
      records: NO_RECORDS,
    };
  }
}

function bytesOf(pieces: readonly Buffer[]): number {
  let bytes = 0;
  for (const piece of pieces) bytes += piece.length;
  return bytes;
}
