/**
 * All that one fetch stream reads: its subscriptions with their positions, and the byte credit that the client granted.
 * A stream is what KIP-227 builds with sessions: the state lives here, so an idle subscription costs nothing and records
 * leave when the high watermark moves.
 *
 * A subscription is idle (nothing below the watermark), ready (in the ring), or reading (bytes on their way from disk). The
 * ring is served round robin, one message's worth each, so that neither a hot nor a lagging partition starves the rest. Bytes
 * at the tail are read at once, those of one message into one slab; others are read beside, a few at a time whatever the
 * credit, and the subscription rests meanwhile, so its records stay in order.
 *
 * Credit (data.proto): reads are bounded by it, but the first batch of a read is whole and may overdraw. What a read may take
 * is set aside when it starts. The first answer of a subscription, errors, and a moved watermark need no credit, and no memory:
 * that of all clients is bounded, and waited for in turn (fetch-memory.ts).
 *
 * Followers read the same way, up to what is written (replication-source.ts): what is said here of the high watermark holds
 * of the read end of whoever subscribes.
 *
 * Invariants: records of one subscription leave in offset order without overlap or gap; nothing at or beyond the read end is
 * handed out; an error is the last thing said of a subscription.
 */
import { BATCH_HEADER_BYTES } from "@tidemark/proto";
import type { ErrorName } from "@tidemark/proto";
import { assert } from "../base/index.ts";
import type { LeaderEpoch, Offset } from "../base/index.ts";
import type { Clock } from "../ports/index.ts";
import type { CachedRecords, ReadSpan } from "../storage/index.ts";
import type { Traffic } from "./counters.ts";
import { FetchMessage } from "./fetch-message.ts";
import type { FetchMemory, FetchMemoryOwner, FetchShare } from "./fetch-memory.ts";
import type { FetchedPart } from "./fetch-message.ts";
import { FetchRoom } from "./fetch-room.ts";
import type { PartitionWatcher } from "./partition.ts";
import { SLAB_BYTES } from "./slab-pool.ts";
import type { SlabPool } from "./slab-pool.ts";
import type { Turn } from "./turn.ts";

const NO_RECORDS: readonly Buffer[] = [];

/** Reads beside the event loop that are under way or wait to be sent, of a message's size each; one read may exceed it. */
const READS_AHEAD = 4;

/** A partition, as far as somebody may read it: what is below the high watermark, or all that is written for a follower. */
export interface ReadablePartition {
  readonly topic: string;
  readonly partition: number;
  readonly leaderEpoch: LeaderEpoch;
  readonly traffic: Traffic;
  readonly isDamaged: boolean;
  readonly logStartOffset: Offset;
  readonly logEndOffset: Offset;
  readonly highWatermark: Offset;
  readonly lastStableOffset: Offset;
  /** Nothing at or beyond it is handed out. */
  readonly readEnd: Offset;
  readCached(offset: Offset, maxBytes: number): CachedRecords | null;
  readTailInto(into: Buffer, at: number, offset: Offset): ReadSpan | null;
  readInto(into: Buffer, at: number, offset: Offset): Promise<ReadSpan>;
  /** What is read at `offset` is no batch. */
  suspect(offset: Offset): void;
  watch(watcher: PartitionWatcher): void;
  unwatch(watcher: PartitionWatcher): void;
}

export interface FetchSink {
  /** False: `send` must wait until `FetchSession.onWritable`. */
  readonly isWritable: boolean;
  send(message: FetchMessage): void;
  /** Others wait for the memory of what was sent, and nothing of it is taken: the stream is to end. */
  onTooSlow?(): void;
  /** A read failed; the subscription is told KAFKA_STORAGE_ERROR, the cause is for the log. */
  onReadFault(cause: unknown): void;
}

export interface SubscribeOptions {
  readonly subscriptionId: number;
  readonly partition: ReadablePartition;
  readonly offset: Offset;
  /** Of records in one part; the first batch is whole in any case. */
  readonly maxBytes: number;
}

/** Said, and not sent yet. */
interface DuePart {
  readonly part: FetchedPart;
  readonly startedAt: number;
  readonly slab: Buffer | null;
}

/** A read beside the event loop that came back. */
interface EndedRead {
  readonly slab: Buffer;
  readonly span: ReadSpan;
  /** Bytes it had room for. */
  readonly wanted: number;
  readonly startedAt: number;
}

export interface FetchSessionOptions {
  readonly clock: Clock;
  readonly turn: Turn;
  readonly slabs: SlabPool;
  readonly sink: FetchSink;
  /** Acknowledgements wait for a follower: it gets what there is in the turn in which it is there, and others their share of turns. */
  readonly isFollower?: boolean;
  /** Shared with others; a follower has what it needs. */
  readonly memory?: FetchMemory;
  /** Of records in one message, as it is now; its first batch is whole in any case. Absent, and at most: SLAB_BYTES. */
  messageBytes?(): number;
}

export class FetchSession implements FetchMemoryOwner {
  readonly #clock: Clock;
  readonly #turn: Turn;
  readonly #slabs: SlabPool;
  readonly #sink: FetchSink;
  readonly #subscriptions = new Map<number, Subscription>();
  /** Subscriptions that may have something to say, first in first out. */
  #ring: Subscription[] = [];
  /** Errors, and reads that came back, for the next message. */
  #due: DuePart[] = [];
  /** Bytes that may still be sent. Below 0 after a batch that overdrew it. */
  #credit = 0;
  /** Bytes of slabs that are being read into or lie in `#due`. */
  #readAheadBytes = 0;
  #isPumpAsked = false;
  #isClosed = false;
  readonly #isFollower: boolean;
  readonly #messageBytes: () => number;
  readonly #share: FetchShare | null;
  readonly #onReleased = (bytes: number): void => {
    if (!this.#isClosed) this.#share?.onTaken(bytes);
  };
  readonly #pumpOne = (): number => this.#sendOne();
  readonly #pumpAll = (): void => this.#sendAll();

  constructor(options: FetchSessionOptions) {
    this.#clock = options.clock;
    this.#turn = options.turn;
    this.#slabs = options.slabs;
    this.#sink = options.sink;
    this.#isFollower = options.isFollower ?? false;
    const share = options.memory?.share(this) ?? null;
    this.#share = share;
    this.#messageBytes = () => options.messageBytes?.() ?? share?.messageBytes ?? SLAB_BYTES;
  }

  get credit(): number {
    return this.#credit;
  }

  get subscriptionsCount(): number {
    return this.#subscriptions.size;
  }

  /** The caller has checked topic, leadership and epoch; the offset is checked with every read. */
  subscribe(options: SubscribeOptions): void {
    assert(!this.#subscriptions.has(options.subscriptionId), "a subscription id was used twice");
    const subscription = new Subscription(options, this);
    this.#subscriptions.set(options.subscriptionId, subscription);
    options.partition.watch(subscription);
    this.onReadable(subscription);
  }

  /** Says that a subscription could not be made. */
  refuse(part: FetchedPart): void {
    this.#sayLater(part);
  }

  /** Unknown ids are no error: the subscription may have ended by itself meanwhile. */
  unsubscribe(subscriptionId: number): void {
    const subscription = this.#subscriptions.get(subscriptionId);
    if (subscription !== undefined) this.#end(subscription);
  }

  grant(bytes: number): void {
    this.#credit += bytes;
    if (this.#ring.length > 0) this.#askForPump();
  }

  /** The sink can take messages again. */
  onWritable(): void {
    if (this.#ring.length > 0 || this.#due.length > 0) this.#askForPump();
  }

  /** Nothing more is said. What was sent is still being taken, and counted until then. */
  finish(): void {
    for (const subscription of this.#subscriptions.values()) this.#end(subscription);
    this.#ring = [];
    for (const { slab } of this.#due.splice(0)) if (slab !== null) this.#giveRead(slab);
  }

  /** The stream is gone. */
  close(): void {
    this.#isClosed = true;
    this.finish();
    this.#share?.close();
  }

  // ---- called by the memory of all ----

  onMemory(): void {
    this.#askForPump();
  }

  onTooSlow(): void {
    this.#sink.onTooSlow?.();
  }

  // ---- called by subscriptions ----

  onReadable(subscription: Subscription): void {
    if (subscription.isReading || subscription.isInRing) return;
    this.#enqueue(subscription);
    this.#askForPump();
  }

  /** Waiting for credit is over for who stands below the log start: errors need none. */
  onLogStart(subscription: Subscription): void {
    if (subscription.isReading) return;
    this.#enqueue(subscription);
    this.#askForPump();
  }

  onPartitionClosed(subscription: Subscription, code: ErrorName): void {
    this.#fail(subscription, code, "");
  }

  // ---- the pump ----

  #askForPump(): void {
    if (this.#isPumpAsked || this.#isClosed) return;
    this.#isPumpAsked = true;
    if (this.#isFollower) this.#turn.flush(this.#pumpAll);
    else this.#turn.serve(this.#pumpOne);
  }

  /** Answers the bytes of records in it; whoever has more to say asks again, behind the others who wait. */
  #sendOne(): number {
    this.#isPumpAsked = false;
    const message = this.#nextMessage();
    if (message === null) return 0;
    const { bytes } = message;
    this.#sink.send(message);
    this.#askForPump();
    return bytes;
  }

  #sendAll(): void {
    this.#isPumpAsked = false;
    for (let message = this.#nextMessage(); message !== null; message = this.#nextMessage()) this.#sink.send(message);
  }

  /** Null: nothing can be said now, or nobody would take it. */
  #nextMessage(): FetchMessage | null {
    if (this.#isClosed) return null;
    const message = this.#sink.isWritable ? this.#gather() : null;
    const isEmpty = message === null || message.parts.length === 0;
    if (isEmpty) message?.discard();
    else this.#share?.onSent(message.lentBytes);
    this.#share?.pass();
    return isEmpty ? null : message;
  }

  /** One message: what is due, then one round of the ring, until it holds what one may. Empty: nothing can be said now. */
  #gather(): FetchMessage {
    const message = new FetchMessage(this.#slabs, this.#clock.monotonicNow(), this.#onReleased);
    const mayRead = this.#ring.length === 0 || (this.#share?.mayRead() ?? true);
    const bytesMax = Math.min(SLAB_BYTES, Math.max(BATCH_HEADER_BYTES, this.#messageBytes()));
    while (this.#due.length > 0 && message.bytes < bytesMax) {
      const due = this.#due.shift();
      if (due === undefined) break;
      message.push(due.part);
      message.startedAt = Math.min(message.startedAt, due.startedAt);
      if (due.slab === null) continue;
      message.borrow(due.slab);
      this.#setReadAhead(-due.slab.length);
    }
    const room = new FetchRoom(this.#slabs, message.bytes, bytesMax);
    for (let rest = this.#ring.length; rest > 0 && room.left >= BATCH_HEADER_BYTES; rest--) {
      const subscription = this.#ring.shift();
      if (subscription === undefined) break;
      subscription.isInRing = false;
      const part = subscription.isEnded ? null : this.#serve(subscription, mayRead ? room : null, message);
      if (part !== null) message.push(part);
    }
    for (const slab of room.slabs) message.borrow(slab);
    return message;
  }

  /**
   * One turn of one subscription: something to say, or null when it reads, waits for credit or room, or has nothing. Without `room`
   * nothing is read.
   */
  #serve(subscription: Subscription, room: FetchRoom | null, message: FetchMessage): FetchedPart | null {
    const { partition, position } = subscription;
    // What lies at or behind the damage is neither "not yet written" nor out of range: it was there (15.7(4)).
    if (partition.isDamaged && position >= partition.readEnd) {
      return this.#failNow(subscription, "KAFKA_STORAGE_ERROR", DAMAGED);
    }
    // 12.1(4): read once, before the data (5.2(3)).
    if (position < partition.logStartOffset || position > partition.logEndOffset) {
      const range = `${partition.logStartOffset} to ${partition.logEndOffset}`;
      return this.#failNow(
        subscription,
        "OFFSET_OUT_OF_RANGE",
        `offset ${position} lies outside the log, which holds ${range}`,
      );
    }
    if (position >= partition.readEnd) return subscription.hasNews() ? subscription.say(NO_RECORDS, position) : null;
    if (this.#credit <= 0 || room === null) {
      const greeting = subscription.isGreeted ? null : subscription.say(NO_RECORDS, position);
      this.#enqueue(subscription);
      return greeting;
    }
    const cached = partition.readCached(position, Math.min(this.#wantedBytes(subscription), room.left));
    if (cached === null) return this.#serveFromTail(subscription, room);
    if (!room.lend(cached.bytes)) return this.#awaitNextMessage(subscription, room);
    message.hold(cached);
    this.#credit -= cached.bytes;
    return this.#advance(subscription, cached.pieces, cached.nextOffset);
  }

  #serveFromTail(subscription: Subscription, room: FetchRoom): FetchedPart | null {
    const { partition, position } = subscription;
    const wanted = this.#wantedBytes(subscription);
    const { at } = room;
    let into = room.open(wanted);
    let span = partition.readTailInto(into, at, position);
    if (span !== null && span.bytes === 0 && span.firstBatchBytes > 0) {
      // The first batch is whole: in this message's slab, in one of its own size, or with the next message.
      if (!room.makeRoomFor(span.firstBatchBytes)) return this.#awaitNextMessage(subscription, room);
      into = room.open(span.firstBatchBytes);
      span = partition.readTailInto(into, at, position);
    }
    if (span === null) {
      const readBytes = this.#share?.messageBytes ?? SLAB_BYTES;
      if (this.#readAheadBytes < READS_AHEAD * readBytes) this.#read(subscription, Math.min(wanted, readBytes));
      else this.#enqueue(subscription);
      return null;
    }
    if (span.bytes === 0) return this.#failDamaged(subscription);
    room.use(span.bytes);
    this.#credit -= span.bytes;
    return this.#advance(subscription, [into.subarray(at, at + span.bytes)], span.nextOffset);
  }

  #awaitNextMessage(subscription: Subscription, room: FetchRoom): null {
    this.#enqueueFirst(subscription);
    room.close();
    return null;
  }

  #wantedBytes(subscription: Subscription): number {
    return Math.max(BATCH_HEADER_BYTES, Math.min(subscription.maxBytes, this.#credit));
  }

  /** Off the event loop, into a slab of its own: several may come back at any time. */
  #read(subscription: Subscription, wanted: number): void {
    subscription.isReading = true;
    this.#credit -= wanted;
    const startedAt = this.#clock.monotonicNow();
    const slab = this.#slabs.take(wanted);
    this.#setReadAhead(slab.length);
    subscription.partition.readInto(slab.subarray(0, wanted), 0, subscription.position).then(
      (span) => {
        this.#credit += wanted;
        subscription.isReading = false;
        this.#onRead(subscription, { slab, span, wanted, startedAt });
      },
      (cause: unknown) => {
        this.#credit += wanted;
        subscription.isReading = false;
        this.#giveRead(slab);
        if (subscription.isEnded) return;
        this.#sink.onReadFault(cause);
        this.#fail(subscription, "KAFKA_STORAGE_ERROR", "the log could not be read");
      },
    );
  }

  #onRead(subscription: Subscription, read: EndedRead): void {
    const { slab, span, wanted, startedAt } = read;
    if (subscription.isEnded) return this.#giveRead(slab);
    if (span.bytes > 0) {
      this.#credit -= span.bytes;
      const part = this.#advance(subscription, [slab.subarray(0, span.bytes)], span.nextOffset);
      this.#due.push({ part, startedAt, slab });
      this.#askForPump();
      return;
    }
    this.#giveRead(slab);
    if (span.firstBatchBytes > wanted) this.#read(subscription, span.firstBatchBytes);
    else this.#sayLater(this.#failDamaged(subscription));
  }

  /** A read that brought nothing makes room for another. */
  #giveRead(slab: Buffer): void {
    this.#setReadAhead(-slab.length);
    this.#slabs.give(slab);
    if (this.#ring.length > 0) this.#askForPump();
  }

  #setReadAhead(byBytes: number): void {
    this.#readAheadBytes += byBytes;
    this.#share?.onRead(byBytes);
  }

  #advance(subscription: Subscription, records: readonly Buffer[], nextOffset: Offset): FetchedPart {
    assert(nextOffset > subscription.position, "a read did not advance");
    const part = subscription.say(records, nextOffset);
    subscription.position = nextOffset;
    const { partition, position } = subscription;
    if (position < partition.readEnd || partition.isDamaged) this.#enqueue(subscription);
    return part;
  }

  // ---- the ring ----

  /** To the end of the ring, without asking for the pump: it runs already, or waits for credit. */
  #enqueue(subscription: Subscription): void {
    if (subscription.isInRing || subscription.isEnded) return;
    subscription.isInRing = true;
    this.#ring.push(subscription);
  }

  #enqueueFirst(subscription: Subscription): void {
    subscription.isInRing = true;
    this.#ring.unshift(subscription);
  }

  // ---- ends ----

  #fail(subscription: Subscription, code: ErrorName, message: string): void {
    this.#sayLater(this.#failNow(subscription, code, message));
  }

  /** Below the read end, and there is no batch (15.7(1)). */
  #failDamaged(subscription: Subscription): FetchedPart {
    subscription.partition.suspect(subscription.position);
    return this.#failNow(subscription, "KAFKA_STORAGE_ERROR", DAMAGED);
  }

  #sayLater(part: FetchedPart): void {
    this.#due.push({ part, startedAt: this.#clock.monotonicNow(), slab: null });
    this.#askForPump();
  }

  #failNow(subscription: Subscription, code: ErrorName, message: string): FetchedPart {
    const part = subscription.say(NO_RECORDS, subscription.position, code, message);
    this.#end(subscription);
    return part;
  }

  #end(subscription: Subscription): void {
    subscription.isEnded = true;
    subscription.partition.unwatch(subscription);
    this.#subscriptions.delete(subscription.subscriptionId);
  }
}

const DAMAGED = "the log is damaged at this offset";

/** One partition read by one stream. */
class Subscription implements PartitionWatcher {
  readonly subscriptionId: number;
  readonly partition: ReadablePartition;
  readonly maxBytes: number;
  readonly #session: FetchSession;
  readonly #leaderEpoch: LeaderEpoch;
  /** Next offset to send. */
  position: Offset;
  isInRing = false;
  isReading = false;
  isEnded = false;
  /** Its first message has left. */
  isGreeted = false;
  /** As last said. */
  #readEndSaid = -1;

  constructor(options: SubscribeOptions, session: FetchSession) {
    this.subscriptionId = options.subscriptionId;
    this.partition = options.partition;
    this.maxBytes = options.maxBytes;
    this.position = options.offset;
    this.#leaderEpoch = options.partition.leaderEpoch;
    this.#session = session;
  }

  onHighWatermark(): void {
    this.#session.onReadable(this);
  }

  onLogStart(): void {
    if (this.position < this.partition.logStartOffset) this.#session.onLogStart(this);
  }

  onPartitionClosed(code: ErrorName): void {
    this.#session.onPartitionClosed(this, code);
  }

  hasNews(): boolean {
    return this.#readEndSaid !== this.partition.readEnd;
  }

  say(records: readonly Buffer[], nextOffset: Offset, code: ErrorName = "NONE", message = ""): FetchedPart {
    const { partition } = this;
    this.isGreeted = true;
    this.#readEndSaid = partition.readEnd;
    return {
      subscriptionId: this.subscriptionId,
      reads: partition,
      code,
      message,
      topic: partition.topic,
      partition: partition.partition,
      fetchOffset: this.position,
      highWatermark: partition.highWatermark,
      lastStableOffset: partition.lastStableOffset,
      logStartOffset: partition.logStartOffset,
      leaderEpoch: this.#leaderEpoch,
      records,
      nextOffset,
      traffic: partition.traffic,
    };
  }
}
