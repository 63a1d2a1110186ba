/**
 * The follower's end of the stream from one other broker: all partitions that are followed there share it (performance 4).
 * What arrives is handed to its partition; what partitions have to report leaves together at the end of the turn, with the
 * credit that they gave back. A partition that has nothing to say costs nothing.
 *
 * The source may send REPLICATION_WINDOW_BYTES of records that no log has written yet, one batch beyond. When the stream breaks it is made
 * again, after a rest that doubles up to a second; every partition then asks anew. While nobody listens at the address none does: a
 * thousand of them that ask a broker which is gone are what its failover would wait for.
 *
 * A partition that a reassignment adds rests while it has taken more than the throttle allows: its place in the stream is given up,
 * what is on its way is still taken in, and it asks again from its log end. It never rests while it stands at the leader's end, nor
 * when it is in sync: acknowledgements wait for those.
 *
 * Not here: what a partition does with its records (followed-partition.ts), which ones are followed (replica-manager.ts).
 */
import { decodeDataFrame, encodeReportFrame } from "@tidemark/proto/replication";
import type { ReplicaData, ReplicaReport } from "@tidemark/proto/replication";
import { BackOff, SharedMemory } from "../base/index.ts";
import type { Logger, PeerAddress, PeerError, PeerStream, PeerTransport, TimerHandle, Timers } from "../ports/index.ts";
import type { FollowedPartition, FollowerSeat } from "./followed-partition.ts";
import { LOOK_MS, type ReplicationThrottle } from "./replication-throttle.ts";
import type { Turn } from "./turn.ts";
import { REPLICATION_WINDOW_BYTES } from "./replication-window.ts";

/** Credit that leaves by itself; less waits for the next report. */
const GRANT_BYTES = 1024 * 1024;
/** The first rest after a stream broke, and the longest: what the metadata says moves partitions before that. */
const RECONNECT = { firstMs: 20, maxMs: 1_000 };
/** Between throttled partitions that begin, while the throttle lets them. */
const TURN_MS = 20;

export interface ReplicaFetcherDeps {
  readonly transport: Pick<PeerTransport, "openReplication" | "isRefused">;
  readonly timers: Timers;
  readonly turn: Turn;
  readonly logger: Logger;
  /** Null while the metadata does not say where that broker is. */
  addressOf(brokerId: number): PeerAddress | null;
  /** Of this broker, as registered. */
  brokerEpoch(): number;
  readonly brokerId: number;
  /** Of this broker's filling replicas, over all leaders. */
  readonly throttle: ReplicationThrottle;
  isFilling(brokerId: number, topicId: string, partition: number): boolean;
}

export class ReplicaFetcher {
  readonly sourceId: number;
  readonly #deps: ReplicaFetcherDeps;
  readonly #seats = new Map<FollowedPartition, Seat>();
  /** What the stream calls them; a number is never used twice on one stream. */
  readonly #bySlot = new Map<number, Seat>();
  #lastSlot = 0;
  #due: Seat[] = [];
  #removed: number[] = [];
  #resting: Seat[] = [];
  #restTimer: TimerHandle | null = null;
  /** Was woken last, and nothing has come for it yet: how much it will take is not known. */
  #awaited: Seat | null = null;
  #stream: PeerStream | null = null;
  #isFlushAsked = false;
  #reconnect: TimerHandle | null = null;
  /** The dial that finds out whether anybody is there; null: none is under way. */
  #knock: object | null = null;
  readonly #backOff = new BackOff(RECONNECT);
  /** Records that arrived and that no log has written, of broken streams too. */
  #heldBytes = 0;
  /** Taken, and not granted again. Below 0 after a stream that broke with more than a window on its way. */
  #owedBytes = 0;
  readonly #flush = (): void => this.#send();

  constructor(sourceId: number, deps: ReplicaFetcherDeps) {
    this.sourceId = sourceId;
    this.#deps = deps;
  }

  get isIdle(): boolean {
    return this.#seats.size === 0;
  }

  follow(partition: FollowedPartition): void {
    const seat = new Seat(partition, this);
    this.#seats.set(partition, seat);
    if (this.#stream !== null) this.#seat(seat);
    else if (this.#reconnect === null && this.#knock === null) this.#connectLater(0, () => this.#connect());
  }

  unfollow(partition: FollowedPartition): void {
    const seat = this.#seats.get(partition);
    if (seat === undefined) return;
    this.#seats.delete(partition);
    this.#bySlot.delete(seat.slot);
    if (this.#stream === null) return;
    if (seat.isNamed && !seat.isResting) this.#removed.push(seat.slot);
    seat.isResting = false;
    this.#askForFlush();
  }

  /** This broker has registered anew, or the source moved: what was told before counts no longer. */
  restart(): void {
    this.#backOff.reset();
    this.#end();
    if (!this.isIdle) this.#connectLater(0, () => this.#connect());
  }

  close(): void {
    this.#end();
    this.#reconnect?.cancel();
    this.#knock = null;
    this.#restTimer?.cancel();
    this.#seats.clear();
  }

  /** Metadata was applied: who rests may be in sync by now, and then everybody waits for it. */
  onApplied(): void {
    for (const seat of this.#resting) if (!this.#isFilling(seat.partition)) this.#wake(seat);
    if (this.#resting.length > 0) this.#resting = this.#resting.filter(({ isResting }) => isResting);
  }

  // ---- of its seats ----

  onReportDue(seat: Seat): void {
    if (this.#stream === null || seat.isDue || seat.isResting || !this.#bySlot.has(seat.slot)) return;
    seat.isDue = true;
    this.#due.push(seat);
    this.#askForFlush();
  }

  onTaken(bytes: number): void {
    this.#heldBytes -= bytes;
    if (this.#stream === null) return;
    this.#owedBytes += bytes;
    if (this.#owedBytes >= GRANT_BYTES) this.#askForFlush();
  }

  // ---- the stream ----

  #connectLater(delayMs: number, connect: () => void): void {
    this.#reconnect?.cancel();
    this.#knock = null;
    this.#reconnect = this.#deps.timers.after(delayMs, () => {
      this.#reconnect = null;
      if (!this.isIdle) connect();
    });
  }

  #connectIfThere(): void {
    const address = this.#deps.addressOf(this.sourceId);
    if (address === null) return this.#rest();
    const knock = {};
    this.#knock = knock;
    const then = (isRefused: boolean): void => {
      if (this.#knock !== knock) return;
      this.#knock = null;
      if (this.isIdle) return;
      if (isRefused) this.#rest();
      else this.#connect();
    };
    // What cannot be found out shows itself when the stream is opened.
    this.#deps.transport.isRefused(address).then(then, () => then(false));
  }

  #connect(): void {
    const address = this.#deps.addressOf(this.sourceId);
    if (address === null) return this.#rest();
    const stream = this.#deps.transport.openReplication(address, {
      onFrame: (frame, release) => {
        if (this.#stream === stream) this.#onFrame(frame, release);
        else release?.();
      },
      onDrain: () => undefined,
      onClosed: (error) => {
        if (this.#stream === stream) this.#onLost(error);
      },
    });
    this.#stream = stream;
    this.#owedBytes = REPLICATION_WINDOW_BYTES - this.#heldBytes;
    for (const seat of this.#seats.values()) this.#seat(seat);
    this.#askForFlush();
  }

  /** One that is throttled begins with a rest, and so in its turn. */
  #seat(seat: Seat): void {
    if (this.#deps.throttle.isSet && this.#isFilling(seat.partition)) this.#restLast(seat);
    else this.#ask(seat);
  }

  #ask(seat: Seat): void {
    this.#lastSlot += 1;
    seat.slot = this.#lastSlot;
    seat.isNamed = false;
    this.#bySlot.set(seat.slot, seat);
    seat.partition.onStreamOpened(seat);
  }

  #onLost(error: PeerError | null): void {
    const { logger } = this.#deps;
    logger.info("the stream from a leader has ended", { brokerId: this.sourceId, reason: error?.message ?? "closed" });
    this.#end();
    if (!this.isIdle) this.#rest();
  }

  #rest(): void {
    this.#connectLater(this.#backOff.onFailure(0), () => this.#connectIfThere());
  }

  /** What there is of a stream goes, and every partition hears of it. */
  #end(): void {
    const stream = this.#stream;
    this.#stream = null;
    this.#bySlot.clear();
    this.#due = [];
    this.#removed = [];
    this.#resting = [];
    this.#awaited = null;
    this.#owedBytes = 0;
    if (stream === null) return;
    stream.close();
    for (const seat of this.#seats.values()) {
      seat.isDue = false;
      seat.isResting = false;
      seat.partition.onStreamLost();
    }
  }

  #onFrame(frame: Buffer, release: (() => void) | null): void {
    let items: readonly ReplicaData[];
    try {
      ({ items } = decodeDataFrame(frame));
    } catch (cause: unknown) {
      this.#deps.logger.error("a leader sent what is no frame", { brokerId: this.sourceId, err: cause });
      release?.();
      this.#end();
      return this.#rest();
    }
    this.#backOff.reset();
    const memory = new SharedMemory(frame.length, frame.length, release);
    const isThrottled = this.#deps.throttle.isSet;
    for (const item of items) {
      this.#heldBytes += item.records.length;
      const seat = this.#bySlot.get(item.slot);
      if (seat === undefined) this.onTaken(item.records.length);
      else seat.partition.onData(item, memory);
      if (isThrottled && seat !== undefined) this.#onFilled(seat, item.records.length);
    }
    memory.letGo();
  }

  // ---- the throttle ----

  #isFilling({ topicId, partition }: FollowedPartition): boolean {
    return this.#deps.isFilling(this.#deps.brokerId, topicId, partition);
  }

  #onFilled(seat: Seat, bytes: number): void {
    if (bytes > 0 && this.#isFilling(seat.partition)) this.#charge(seat, bytes);
    if (this.#awaited !== seat) return;
    this.#awaited = null;
    this.#restTimer?.cancel();
    this.#restTimer = null;
    this.#wakeLater();
  }

  #charge(seat: Seat, bytes: number): void {
    const restMs = this.#deps.throttle.take(bytes);
    if (restMs === 0 || seat.isResting || !seat.isNamed || !seat.partition.isBehind || this.#stream === null) return;
    if (!this.#seats.has(seat.partition)) return;
    this.#removed.push(seat.slot);
    this.#askForFlush();
    // It goes on before others begin: one that is full serves, ten that are half full do not. One that is written to faster than this
    // would never be, and has others go before it.
    const { lag } = seat.partition;
    if (lag < seat.leastLag) this.#restFirst(seat);
    else this.#restLast(seat);
    seat.leastLag = Math.min(seat.leastLag, lag);
  }

  #restFirst(seat: Seat): void {
    seat.isResting = true;
    this.#resting.unshift(seat);
    this.#wakeLater();
  }

  #restLast(seat: Seat): void {
    seat.isResting = true;
    this.#resting.push(seat);
    this.#wakeLater();
  }

  #wakeLater(): void {
    if (this.#restTimer !== null || this.#resting.length === 0) return;
    const { timers, throttle } = this.#deps;
    const turnMs = this.#awaited === null ? TURN_MS : LOOK_MS;
    this.#restTimer = timers.after(Math.min(Math.max(throttle.restMs, turnMs), LOOK_MS), () => {
      this.#restTimer = null;
      if (throttle.restMs === 0) {
        // With the setting gone nobody waits his turn.
        const seats = this.#resting.splice(0, throttle.isSet ? 1 : this.#resting.length);
        this.#awaited = seats[0] ?? null;
        for (const seat of seats) this.#wake(seat);
      }
      this.#wakeLater();
    });
  }

  #wake(seat: Seat): void {
    if (!seat.isResting || this.#seats.get(seat.partition) !== seat) return;
    seat.isResting = false;
    // What it was asked for ends here, and begins anew at the log end.
    if (this.#bySlot.delete(seat.slot)) seat.partition.onStreamLost();
    this.#ask(seat);
  }

  #askForFlush(): void {
    if (this.#isFlushAsked) return;
    this.#isFlushAsked = true;
    this.#deps.turn.flush(this.#flush);
  }

  #send(): void {
    this.#isFlushAsked = false;
    if (this.#stream === null) return;
    const reports: ReplicaReport[] = [];
    for (const seat of this.#due) {
      seat.isDue = false;
      if (seat.isResting || this.#bySlot.get(seat.slot) !== seat) continue;
      const report = seat.partition.takeReport();
      if (report === null) continue;
      const { topicId, partition } = seat.partition;
      reports.push({ slot: seat.slot, topicId: seat.isNamed ? "" : topicId, partition, ...report });
      seat.isNamed = true;
    }
    this.#due.length = 0;
    const removed = this.#removed;
    const creditBytes = Math.max(0, this.#owedBytes);
    if (reports.length === 0 && removed.length === 0 && creditBytes < GRANT_BYTES) return;
    this.#removed = [];
    this.#owedBytes -= creditBytes;
    // Reports are small, and their number is bounded by that of the partitions: they do not wait for room.
    this.#stream.send(encodeReportFrame({ brokerEpoch: this.#deps.brokerEpoch(), creditBytes, reports, removed }));
  }
}

/** One partition on one fetcher. */
class Seat implements FollowerSeat {
  readonly partition: FollowedPartition;
  readonly #fetcher: ReplicaFetcher;
  slot = 0;
  /** The source knows what the slot stands for. */
  isNamed = false;
  isDue = false;
  /** The source knows the slot no longer; what it sent before that still comes. */
  isResting = false;
  /** Records that it was behind its leader when it was to rest, at the least. */
  leastLag = Number.POSITIVE_INFINITY;

  constructor(partition: FollowedPartition, fetcher: ReplicaFetcher) {
    this.partition = partition;
    this.#fetcher = fetcher;
  }

  onReportDue(): void {
    this.#fetcher.onReportDue(this);
  }

  onTaken(bytes: number): void {
    this.#fetcher.onTaken(bytes);
  }
}
