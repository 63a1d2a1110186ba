/**
 * All that one fetch stream reads: its subscriptions with their positions, and the byte credit that the client granted.
 * A stream is what KIP-227 builds with sessions: the state lives here, so an idle subscription costs nothing and records
 * leave when the high watermark moves.
 *
 * A subscription is idle (nothing below the watermark), ready (in the ring), or reading (bytes on their way from disk). The ring
 * is served round robin, one message's worth each, so that neither a hot nor a lagging partition starves the rest. Bytes at
 * the tail are taken at once; others are read beside, and the subscription rests meanwhile, so its records stay in order.
 *
 * Credit (data.proto): reads are bounded by it, but the first batch of a read is whole and may overdraw. What a read may take is
 * set aside when it starts. The first answer of a subscription, errors, and a moved watermark need no credit.
 *
 * Invariants: records of one subscription leave in offset order without overlap or gap; nothing at or beyond the high
 * watermark is handed out; an error is the last thing said of a subscription.
 */
import type { ErrorName } from "@tidemark/proto";
import { assert } from "../base/index.ts";
import type { LeaderEpoch, Offset } from "../base/index.ts";
import type { ReadResult } from "../storage/index.ts";
import type { Partition, PartitionWatcher } from "./partition.ts";
import type { Turn } from "./turn.ts";

/** Parts are gathered into one message up to this many bytes of records. */
const MESSAGE_BYTES = 1024 * 1024;
const NO_RECORDS = Buffer.alloc(0);

/** What is said of one subscription in one message. */
export interface FetchedPart {
  readonly subscriptionId: number;
  readonly code: ErrorName;
  readonly message: string;
  readonly topic: string;
  readonly partition: number;
  readonly fetchOffset: number;
  readonly highWatermark: number;
  readonly lastStableOffset: number;
  readonly logStartOffset: number;
  readonly leaderEpoch: number;
  readonly records: Buffer;
}

export interface FetchSink {
  /** False: `send` must wait until `FetchSession.onWritable`. */
  readonly isWritable: boolean;
  send(parts: readonly FetchedPart[]): void;
  /** A read failed; the subscription is told KAFKA_STORAGE_ERROR, the cause is for the log. */
  onReadFault(cause: unknown): void;
}

export interface SubscribeOptions {
  readonly subscriptionId: number;
  readonly partition: Partition;
  readonly offset: Offset;
  /** Of records in one part; the first batch is whole in any case. */
  readonly maxBytes: number;
}

export class FetchSession {
  readonly #turn: Turn;
  readonly #sink: FetchSink;
  readonly #subscriptions = new Map<number, Subscription>();
  /** Subscriptions that may have something to say, first in first out. */
  #ring: Subscription[] = [];
  /** Said already, but the sink was full: errors of partitions that closed, and reads that came back. */
  #due: FetchedPart[] = [];
  /** Bytes that may still be sent. Below 0 after a batch that overdrew it. */
  #credit = 0;
  #isPumpAsked = false;
  #isClosed = false;
  readonly #pump = (): void => this.#pumpOnce();

  constructor(options: { turn: Turn; sink: FetchSink }) {
    this.#turn = options.turn;
    this.#sink = options.sink;
  }

  get credit(): number {
    return this.#credit;
  }

  has(subscriptionId: number): boolean {
    return this.#subscriptions.has(subscriptionId);
  }

  /** The caller has checked topic, leadership and epoch; the offset is checked with every read. */
  subscribe(options: SubscribeOptions): void {
    assert(!this.#subscriptions.has(options.subscriptionId), "a subscription id was used twice");
    const subscription = new Subscription(options, this);
    this.#subscriptions.set(options.subscriptionId, subscription);
    options.partition.watch(subscription);
    this.#makeReady(subscription);
  }

  /** Says that a subscription could not be made. */
  refuse(part: FetchedPart): void {
    this.#due.push(part);
    this.#askForPump();
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

  /** The stream is gone. */
  close(): void {
    this.#isClosed = true;
    for (const subscription of [...this.#subscriptions.values()]) this.#end(subscription);
    this.#ring = [];
    this.#due = [];
  }

  // ---- called by subscriptions ----

  onReadable(subscription: Subscription): void {
    if (!subscription.isReading && !subscription.isInRing) this.#makeReady(subscription);
  }

  onPartitionClosed(subscription: Subscription, code: ErrorName): void {
    this.#fail(subscription, code, "");
  }

  // ---- the pump ----

  #askForPump(): void {
    if (this.#isPumpAsked || this.#isClosed) return;
    this.#isPumpAsked = true;
    this.#turn.flush(this.#pump);
  }

  #pumpOnce(): void {
    this.#isPumpAsked = false;
    while (!this.#isClosed && this.#sink.isWritable) {
      const parts = this.#gather();
      if (parts.length === 0) return;
      this.#sink.send(parts);
    }
  }

  /** One message: what is due, then one round of the ring, until it holds MESSAGE_BYTES. Empty: nothing can be said now. */
  #gather(): FetchedPart[] {
    const parts: FetchedPart[] = [];
    let bytes = 0;
    while (this.#due.length > 0 && bytes < MESSAGE_BYTES) {
      const part = this.#due.shift();
      if (part === undefined) break;
      parts.push(part);
      bytes += part.records.length;
    }
    for (let rest = this.#ring.length; rest > 0 && bytes < MESSAGE_BYTES; rest--) {
      const subscription = this.#ring.shift();
      if (subscription === undefined) break;
      subscription.isInRing = false;
      const part = subscription.isEnded ? null : this.#serve(subscription);
      if (part === null) continue;
      parts.push(part);
      bytes += part.records.length;
    }
    return parts;
  }

  /** One turn of one subscription: something to say, or null when it reads, waits for credit, or has nothing. */
  #serve(subscription: Subscription): FetchedPart | null {
    const { partition } = subscription;
    const { position } = subscription;
    // 12.1(4): read once, before the data (5.2(3)).
    if (position < partition.logStartOffset || position > partition.logEndOffset) {
      return this.#failNow(
        subscription,
        "OFFSET_OUT_OF_RANGE",
        `offset ${position} lies outside the log, which holds ${partition.logStartOffset} to ${partition.logEndOffset}`,
      );
    }
    if (position >= partition.highWatermark) return subscription.saysSomethingNew() ? subscription.say(NO_RECORDS) : null;
    if (this.#credit <= 0) {
      const greeting = subscription.isGreeted ? null : subscription.say(NO_RECORDS);
      this.#enqueue(subscription);
      return greeting;
    }
    const maxBytes = Math.min(subscription.maxBytes, this.#credit);
    const atTail = partition.readTail(position, maxBytes);
    if (atTail === null) {
      this.#read(subscription, maxBytes);
      return null;
    }
    this.#credit -= atTail.records.length;
    return this.#advance(subscription, atTail);
  }

  #read(subscription: Subscription, maxBytes: number): void {
    subscription.isReading = true;
    this.#credit -= maxBytes;
    subscription.partition.read(subscription.position, maxBytes).then(
      (result) => {
        this.#credit += maxBytes - result.records.length;
        subscription.isReading = false;
        if (subscription.isEnded) return;
        this.#due.push(this.#advance(subscription, result));
        this.#askForPump();
      },
      (cause: unknown) => {
        this.#credit += maxBytes;
        subscription.isReading = false;
        if (subscription.isEnded) return;
        this.#sink.onReadFault(cause);
        this.#fail(subscription, "KAFKA_STORAGE_ERROR", "the log could not be read");
      },
    );
  }

  #advance(subscription: Subscription, result: ReadResult): FetchedPart {
    assert(result.nextOffset > subscription.position, "a read below the high watermark found nothing");
    const part = subscription.say(result.records);
    subscription.position = result.nextOffset;
    if (subscription.position < subscription.partition.highWatermark) this.#enqueue(subscription);
    return part;
  }

  #makeReady(subscription: Subscription): void {
    this.#enqueue(subscription);
    this.#askForPump();
  }

  /** To the end of the ring, without asking for the pump: it runs already, or waits for credit. */
  #enqueue(subscription: Subscription): void {
    if (subscription.isInRing || subscription.isEnded) return;
    subscription.isInRing = true;
    this.#ring.push(subscription);
  }

  #fail(subscription: Subscription, code: ErrorName, message: string): void {
    this.#due.push(this.#failNow(subscription, code, message));
    this.#askForPump();
  }

  #failNow(subscription: Subscription, code: ErrorName, message: string): FetchedPart {
    const part = subscription.say(NO_RECORDS, code, message);
    this.#end(subscription);
    return part;
  }

  #end(subscription: Subscription): void {
    subscription.isEnded = true;
    subscription.partition.unwatch(subscription);
    this.#subscriptions.delete(subscription.subscriptionId);
  }
}

/** One partition read by one stream. */
class Subscription implements PartitionWatcher {
  readonly subscriptionId: number;
  readonly partition: Partition;
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
  #highWatermarkSaid = -1;

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

  onPartitionClosed(_partition: Partition, code: ErrorName): void {
    this.#session.onPartitionClosed(this, code);
  }

  saysSomethingNew(): boolean {
    return this.#highWatermarkSaid !== this.partition.highWatermark;
  }

  say(records: Buffer, code: ErrorName = "NONE", message = ""): FetchedPart {
    const { partition } = this;
    this.isGreeted = true;
    this.#highWatermarkSaid = partition.highWatermark;
    return {
      subscriptionId: this.subscriptionId,
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
    };
  }
}
