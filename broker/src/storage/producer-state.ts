/**
 * What a log remembers of its idempotent producers: epoch and last batches of each (11.1(2)), so that a retry is known as
 * one. Kept by the log because it must go back with the log's end, and equals a replay of its batches (ST8).
 *
 * Not here: what is refused or a duplicate (the owner decides before it appends); the snapshot file (producer-snapshot.ts).
 *
 * Entries are never changed, only replaced: whoever undoes an append puts the old one back.
 */
import { asOffset } from "../base/index.ts";
import { NO_SEQUENCE, sequenceAfter } from "@tidemark/proto";
import type { ProducerBatch, ProducerEntry } from "./types.ts";

/** As many batches as a client may have in flight (Kafka's max.in.flight.requests.per.connection with idempotence). */
export const BATCHES_KEPT = 5;

/** An entry with what only the snapshot file and expiry need. */
export interface KeptProducer extends ProducerEntry {
  /** -1 = no transaction marker seen. Kept for files that Kafka wrote; transactions are not served yet. */
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
  /** -1 = a control batch, which has none. */
  readonly baseSequence: number;
  readonly lastOffsetDelta: number;
  readonly maxTimestamp: number;
}

export class ProducerState {
  /** Null: none. Most logs have none, and there may be thousands. */
  #producers: Map<number, KeptProducer> | null = null;

  get size(): number {
    return this.#producers?.size ?? 0;
  }

  get(producerId: number): KeptProducer | undefined {
    return this.#producers?.get(producerId);
  }

  producers(): Iterable<KeptProducer> {
    return this.#producers?.values() ?? [];
  }

  /** The batch of `mark` stands in the log at `baseOffset`. Nothing is validated (3.2). */
  update(mark: ProducerMark, baseOffset: number, nowMs: number): void {
    const known = this.#producers?.get(mark.producerId);
    const isSameEpoch = known !== undefined && known.producerEpoch === mark.producerEpoch;
    const batches = isSameEpoch ? known.batches : [];
    const lastOffset = asOffset(baseOffset + mark.lastOffsetDelta);
    const coordinatorEpoch = known?.coordinatorEpoch ?? -1;
    if (mark.baseSequence < 0) {
      this.#own().set(mark.producerId, {
        producerId: mark.producerId,
        producerEpoch: mark.producerEpoch,
        lastSequence: isSameEpoch ? known.lastSequence : NO_SEQUENCE,
        lastOffset: isSameEpoch ? known.lastOffset : lastOffset,
        lastTimestamp: mark.maxTimestamp,
        olderInLog: isSameEpoch && known.olderInLog,
        batches,
        coordinatorEpoch,
        currentTxnFirstOffset: -1,
        writtenAtMs: nowMs,
      });
      return;
    }
    const lastSequence = sequenceAfter(mark.baseSequence, mark.lastOffsetDelta);
    const batch: ProducerBatch = {
      firstSequence: mark.baseSequence,
      lastSequence,
      baseOffset: asOffset(baseOffset),
      lastOffset,
      timestamp: mark.maxTimestamp,
    };
    const kept = batches.length < BATCHES_KEPT ? [...batches, batch] : [...batches.slice(1), batch];
    this.#own().set(mark.producerId, {
      producerId: mark.producerId,
      producerEpoch: mark.producerEpoch,
      lastSequence,
      lastOffset,
      lastTimestamp: mark.maxTimestamp,
      olderInLog: isSameEpoch && known.olderInLog && kept.length < BATCHES_KEPT,
      batches: kept,
      coordinatorEpoch,
      currentTxnFirstOffset: known?.currentTxnFirstOffset ?? -1,
      writtenAtMs: nowMs,
    });
  }

  /** Puts an entry back, or takes one out. */
  restore(producerId: number, entry: KeptProducer | undefined): void {
    if (entry === undefined) this.#producers?.delete(producerId);
    else this.#own().set(producerId, entry);
  }

  /** Makes this the same as `other`. */
  replaceBy(other: ProducerState): void {
    this.#producers = other.#producers === null ? null : new Map(other.#producers);
  }

  #own(): Map<number, KeptProducer> {
    this.#producers ??= new Map();
    return this.#producers;
  }

  /** Forgets producers that wrote nothing since `beforeMs`, but for those in a transaction (11.1(4)). */
  expire(beforeMs: number): void {
    for (const producer of this.producers()) {
      if (producer.writtenAtMs < beforeMs && producer.currentTxnFirstOffset < 0)
        this.#producers?.delete(producer.producerId);
    }
  }
}
