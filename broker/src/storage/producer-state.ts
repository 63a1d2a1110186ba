/**
 * What a log remembers of its idempotent producers: epoch and last batches of each (11.1(2)), so that a retry is known as
 * one. Kept by the log because it must go back with the log's end, and equals a replay of its batches (ST8).
 *
 * Not here: what is refused or a duplicate (the owner decides before it appends); the snapshot file (producer-snapshot.ts).
 *
 * Entries are never changed, only replaced: whoever undoes an append puts the old one back.
 */
import { asOffset } from "../base/index.ts";
import type { Offset } from "../base/index.ts";
import { NO_SEQUENCE, sequenceAfter } from "@tidemark/proto";
import type { TransactionMarker } from "./transaction-marker.ts";
import type { AbortedTransaction } from "./txn-index-file.ts";
import type { ProducerBatch, ProducerEntry } from "./types.ts";

/** As many batches as a client may have in flight (Kafka's max.in.flight.requests.per.connection with idempotence). */
export const BATCHES_KEPT = 5;

/** An entry with what only the snapshot file and expiry need. */
export interface KeptProducer extends ProducerEntry {
  /** Of the newest transaction marker; -1 = none seen. */
  readonly coordinatorEpoch: number;
  /** First offset of the open transaction; -1 = none. */
  readonly currentTxnFirstOffset: number;
  /** Monotonic time of the last write; for what came from a file, of the load: 11.1(4) counts from there, since record timestamps are the client's. */
  readonly writtenAtMs: number;
}

/** What a batch says of its producer. */
export interface ProducerMark {
  readonly producerId: number;
  readonly producerEpoch: number;
  /** -1 = it has none. */
  readonly baseSequence: number;
  readonly isTransactional: boolean;
  readonly isControl: boolean;
  readonly lastOffsetDelta: number;
  readonly maxTimestamp: number;
}

export class ProducerState {
  /** Null: none. Most logs have none, and there may be thousands. */
  #producers: Map<number, KeptProducer> | null = null;
  /** First offsets of open transactions, by producer. */
  #open: Map<number, number> | null = null;

  get size(): number {
    return this.#producers?.size ?? 0;
  }

  get(producerId: number): KeptProducer | undefined {
    return this.#producers?.get(producerId);
  }

  producers(): Iterable<KeptProducer> {
    return this.#producers?.values() ?? [];
  }

  /** First offset of the oldest open transaction; null = there is none. */
  firstOpenTransaction(): Offset | null {
    let first = Number.POSITIVE_INFINITY;
    for (const offset of this.#open?.values() ?? []) first = Math.min(first, offset);
    return Number.isFinite(first) ? asOffset(first) : null;
  }

  /**
   * The batch of `mark` stands in the log at `baseOffset`, a control batch with its `marker`; one of an unknown type says
   * nothing. Nothing is validated (3.2). Answers what the transaction index has to say, if this ends an aborted transaction.
   */
  update(
    mark: ProducerMark,
    baseOffset: number,
    nowMs: number,
    marker: TransactionMarker | null = null,
  ): AbortedTransaction | null {
    if (mark.isControl) return marker === null ? null : this.#endTransaction(mark, marker, baseOffset, nowMs);
    // Without sequences there is nothing that a retry could be known by.
    if (mark.baseSequence < 0) return null;
    const known = this.get(mark.producerId);
    const isSameEpoch = known !== undefined && known.producerEpoch === mark.producerEpoch;
    const batches = isSameEpoch ? known.batches : [];
    const lastOffset = asOffset(baseOffset + mark.lastOffsetDelta);
    const openedAt = known?.currentTxnFirstOffset ?? -1;
    const lastSequence = sequenceAfter(mark.baseSequence, mark.lastOffsetDelta);
    const batch: ProducerBatch = {
      firstSequence: mark.baseSequence,
      lastSequence,
      baseOffset: asOffset(baseOffset),
      lastOffset,
      timestamp: mark.maxTimestamp,
    };
    const kept = batches.length < BATCHES_KEPT ? [...batches, batch] : [...batches.slice(1), batch];
    this.#put({
      producerId: mark.producerId,
      producerEpoch: mark.producerEpoch,
      lastSequence,
      lastOffset,
      lastTimestamp: mark.maxTimestamp,
      olderInLog: isSameEpoch && (known.olderInLog || batches.length === BATCHES_KEPT),
      batches: kept,
      coordinatorEpoch: known?.coordinatorEpoch ?? -1,
      currentTxnFirstOffset: openedAt < 0 && mark.isTransactional ? baseOffset : openedAt,
      writtenAtMs: nowMs,
    });
    return null;
  }

  #endTransaction(
    mark: ProducerMark,
    marker: TransactionMarker,
    offset: number,
    nowMs: number,
  ): AbortedTransaction | null {
    const { producerId, producerEpoch } = mark;
    const known = this.get(producerId);
    const isSameEpoch = known !== undefined && known.producerEpoch === producerEpoch;
    this.#put({
      producerId,
      producerEpoch,
      lastSequence: isSameEpoch ? known.lastSequence : NO_SEQUENCE,
      lastOffset: isSameEpoch ? known.lastOffset : asOffset(offset),
      lastTimestamp: mark.maxTimestamp,
      olderInLog: isSameEpoch && known.olderInLog,
      batches: isSameEpoch ? known.batches : [],
      coordinatorEpoch: marker.coordinatorEpoch,
      currentTxnFirstOffset: -1,
      writtenAtMs: nowMs,
    });
    const firstOffset = known?.currentTxnFirstOffset ?? -1;
    if (!marker.isAbort || firstOffset < 0) return null;
    const lastStableOffset = this.firstOpenTransaction() ?? offset + 1;
    return { producerId, firstOffset, lastOffset: offset, lastStableOffset };
  }

  #put(producer: KeptProducer): void {
    const { producerId, currentTxnFirstOffset } = producer;
    this.#producers ??= new Map();
    this.#producers.set(producerId, producer);
    if (currentTxnFirstOffset < 0) this.#open?.delete(producerId);
    else {
      this.#open ??= new Map();
      this.#open.set(producerId, currentTxnFirstOffset);
    }
  }

  /** Puts an entry back, or takes one out. */
  restore(producerId: number, entry: KeptProducer | undefined): void {
    if (entry !== undefined) return this.#put(entry);
    this.#producers?.delete(producerId);
    this.#open?.delete(producerId);
  }

  /** Makes this the same as `other`. */
  replaceBy(other: ProducerState): void {
    this.#producers = other.#producers === null ? null : new Map(other.#producers);
    this.#open = other.#open === null ? null : new Map(other.#open);
  }

  /** Forgets producers that wrote nothing since `beforeMs`, but for those in a transaction (11.1(4)). */
  expire(beforeMs: number): void {
    for (const producer of this.producers()) {
      if (producer.writtenAtMs < beforeMs && producer.currentTxnFirstOffset < 0)
        this.#producers?.delete(producer.producerId);
    }
  }

  /** The same for at most `countMax` of those that wrote nothing after `untilMs`; answers how many it were. */
  forget(untilMs: number, countMax: number): number {
    let count = 0;
    for (const producer of this.producers()) {
      if (count >= countMax) break;
      if (producer.writtenAtMs > untilMs || producer.currentTxnFirstOffset >= 0) continue;
      this.#producers?.delete(producer.producerId);
      count += 1;
    }
    return count;
  }
}
