/**
 * Who a producer is at one partition, and the sequence numbers it gives to batches there (semantics 11.1). Idle for
 * producers without idempotence: it then never begins.
 *
 * A batch gets its number when it is first sent. Number and records stay one for ever, and numbers must not have holes, or
 * the broker refuses all that follows (45). A batch that leaves without success (its time ran out, or it was refused for
 * good) gives its number back when nothing was sent behind it and it is certainly not in the log. Otherwise it leaves a
 * *gap*, and the session must be *renewed*: the same producer id, the next epoch, sequences from 0. The newer epoch also
 * fences whatever is left of the older one on a dying connection. But a batch that may be in the log must not be sent under
 * a new identity: that would double it. So before a renewal
 *  1. nothing new is sent, and every doubtful batch is sent again as it was;
 *  2. success tells that it is there, and that everything before it is: the gap was none, the session goes on;
 *  3. a sequence error for the first of them tells that it is not there. If the gap before it can never be filled (refused,
 *     not lost), it is not doubtful any more. If the gap is *open*, because its batch may itself still turn up on a
 *     connection that was given up, then so may this one: it ends as "may be written". Never double, never silent;
 *  4. when nothing is in flight and nothing doubtful is left, the rest starts again from sequence 0 of the new epoch.
 * A sequence error without any gap means that the broker lost what it had acknowledged; the same procedure applies. But for a
 * batch that others of its session have passed it means that the broker has forgotten where it is: it too ends as "may be written".
 *
 * A session is *proven* by its first acknowledgement, and has one batch in flight until then: a broker that does not know a
 * producer lets it start anywhere, so a second batch would be taken though the first was refused, and stand before it.
 */
import { sequenceAfter } from "@tidemark/proto";
import { assert } from "./assert.ts";
import type { Batch, Identity } from "./batch.ts";

const MAX_EPOCH = 32_767;

export interface ProducerId {
  readonly id: number;
  readonly epoch: number;
}

type AnyBatch = Pick<Batch<unknown>, "identity" | "recordsCount" | "ordinal" | "isDoubtful">;

export class ProducerSession {
  /** Null before the first session, and while another producer id is needed. */
  #producer: ProducerId | null = null;
  /** Of the next batch that has none. */
  #nextSequence = 0;
  /** Predicted sequence of the next batch to be sealed: right unless something goes wrong, and then restamped. */
  #sealSequence = 0;
  #isProven = false;
  #mustRenew = false;
  /** Another producer's epoch was seen: the renewal takes another id. */
  #isIdSpent = false;
  #hasOpenGap = false;
  /** Ordinal of the last batch that left a gap. */
  #gapOrdinal = -1;
  /** Of the last batch of this session that is in the log. */
  #ackedOrdinal = -1;

  get hasBegun(): boolean {
    return this.#producer !== null;
  }

  get isProven(): boolean {
    return this.#isProven;
  }

  /** Nothing new may be sent. */
  get mustRenew(): boolean {
    return this.#mustRenew;
  }

  /** A batch that may still turn up left a gap. */
  get hasOpenGap(): boolean {
    return this.#hasOpenGap;
  }

  get producerId(): number {
    return this.#producer?.id ?? -1;
  }

  /** Sequences from 0; `waiting` are the batches that will be sent first. */
  begin(producer: ProducerId, waiting: readonly AnyBatch[]): void {
    this.#producer = producer;
    this.#nextSequence = 0;
    this.#ackedOrdinal = -1;
    this.#isProven = false;
    this.#sealSequence = waiting.reduce((sequence, batch) => sequenceAfter(sequence, batch.recordsCount), 0);
  }

  /** What a batch that is sealed now will probably be sent as; null before the session. */
  predict(recordsCount: number): Identity | null {
    if (this.#producer === null) return null;
    const sequence = this.#sealSequence;
    this.#sealSequence = sequenceAfter(sequence, recordsCount);
    return { producerId: this.#producer.id, epoch: this.#producer.epoch, sequence };
  }

  /** Gives a batch its number, if it has none. `isLast`: no sealed batch waits behind it. */
  assign(batch: AnyBatch, isLast: boolean): void {
    if (this.#producer === null || batch.identity !== null) return;
    batch.identity = { producerId: this.#producer.id, epoch: this.#producer.epoch, sequence: this.#nextSequence };
    this.#nextSequence = sequenceAfter(this.#nextSequence, batch.recordsCount);
    if (isLast) this.#sealSequence = this.#nextSequence;
  }

  /** A batch of it is in the log. */
  onAcked(batch: AnyBatch): void {
    this.#isProven = true;
    this.#ackedOrdinal = Math.max(this.#ackedOrdinal, batch.ordinal);
    if (batch.ordinal <= this.#gapOrdinal) return;
    // The broker takes no batch before the one in front of it: whatever left the gap is in the log.
    this.#mustRenew = false;
    this.#hasOpenGap = false;
  }

  /**
   * One that was sent behind it, in the same session, is in the log. Then it is there itself, whatever it was answered: the broker
   * takes no batch before the one in front of it. Only it may have forgotten where.
   */
  hasPassed({ identity, ordinal }: AnyBatch): boolean {
    const producer = this.#producer;
    const isOurs = identity !== null && identity.producerId === producer?.id && identity.epoch === producer.epoch;
    return isOurs && ordinal < this.#ackedOrdinal;
  }

  /** The broker's next number is not the one that comes next here, and no earlier batch explains it. */
  onBroken(options: { readonly isFenced: boolean }): void {
    this.#mustRenew = true;
    this.#isIdSpent ||= options.isFenced;
  }

  /** A batch leaves without success. What does that mean for those behind it? */
  onLeft(batch: AnyBatch): void {
    if (this.#producer === null || batch.identity === null) return;
    const isLast = sequenceAfter(batch.identity.sequence, batch.recordsCount) === this.#nextSequence;
    if (isLast && !batch.isDoubtful) {
      this.#nextSequence = batch.identity.sequence;
      return;
    }
    this.#mustRenew = true;
    this.#hasOpenGap ||= batch.isDoubtful;
    this.#gapOrdinal = Math.max(this.#gapOrdinal, batch.ordinal);
  }

  /** 4. of the header. False: the id is of no use any more, another one is needed to begin again. */
  renew(waiting: readonly AnyBatch[]): boolean {
    const producer = this.#producer;
    assert(producer !== null && !waiting.some(({ isDoubtful }) => isDoubtful), "nothing doubtful gets a new identity");
    for (const batch of waiting) batch.identity = null;
    this.#mustRenew = false;
    this.#hasOpenGap = false;
    const isIdGood = producer.epoch < MAX_EPOCH && !this.#isIdSpent;
    if (isIdGood) this.begin({ id: producer.id, epoch: producer.epoch + 1 }, waiting);
    else this.#producer = null;
    this.#isIdSpent = false;
    return isIdGood;
  }
}
