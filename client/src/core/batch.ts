/**
 * One batch of records on its way to one partition, from the moment it is sealed to the moment its fate is told.
 *
 * `records` is a whole record batch (format v2). Its producer id, epoch and base sequence are those of `identity` whenever
 * it is handed to a stream. What the batch went through is kept because it decides what may be done with it next:
 * a batch that was lost on the way may be in the log, a batch that was refused is not.
 */
import { BatchField, crc32c, type ErrorRow, type LogEnd, writeInt64 } from "@tidemark/proto";

/** Who a batch says it is from, and its place in that producer's sequence (semantics 11.1). */
export interface Identity {
  readonly producerId: number;
  readonly epoch: number;
  /** Sequence number of the first record, 0 to 2^31 - 1. */
  readonly sequence: number;
}

export class Batch<C> {
  /** Number of its first record among all records ever taken for the partition: gives batches their order. */
  readonly ordinal: number;
  /** Monotonic ms at which its first record was taken: what the delivery timeout counts from. */
  readonly createdAt: number;
  recordsCount = 0;
  /** Encoded, before compression: what it takes of the buffer. */
  sizeBytes = 0;
  records: Buffer = EMPTY;

  /** Who waits for records, in the order of these. */
  readonly completions: C[] = [];
  /** Timestamps of those records, Unix ms. */
  readonly timestamps: number[] = [];
  /** Places in the batch of those records; null while every record has a completion, and the places are 0, 1, 2 … */
  #slots: number[] | null = null;

  /** Given when it is first sent; null before, and after its producer's session was renewed. */
  identity: Identity | null = null;
  /** What is written in the header of `records`; null: nobody. */
  stamp: Identity | null = null;
  /** Where the log must end, or nothing of it is written (semantics 15.5); null: anywhere. */
  expectedEnd: LogEnd | null = null;
  attempts = 0;
  /** It was handed to a stream and the answer never came, or left its fate open: it may be in the log. */
  isDoubtful = false;
  /** Its time ran out while it was on its way: nobody waits for it, but its place in the sequence is still open. */
  isAbandoned = false;
  /** The last refusal, for the message when time runs out; its text is the broker's own where that said more than a code. */
  lastError: ErrorRow | null = null;

  constructor(ordinal: number, createdAt: number) {
    this.ordinal = ordinal;
    this.createdAt = createdAt;
  }

  /** The record at `slot` has a completion. Slots rise. */
  complete(completion: C, slot: number, timestamp: number): void {
    const index = this.completions.push(completion) - 1;
    this.timestamps.push(timestamp);
    if (this.#slots === null && slot !== index) this.#slots = Array.from({ length: index }, (_, at) => at);
    this.#slots?.push(slot);
  }

  /** The place in the batch of the record that `completions[index]` is about. */
  slotOf(index: number): number {
    return this.#slots === null ? index : (this.#slots[index] ?? index);
  }

  /** The encoded records, which the batch forgets. */
  takeRecords(): Buffer {
    const records = this.records;
    this.records = EMPTY;
    return records;
  }

  /** Makes the header say what `identity` says. The header is part of what the CRC covers, so this costs a pass. */
  restamp(): void {
    const { identity, stamp } = this;
    if (identity === null || isSame(identity, stamp)) return;
    writeInt64(this.records, BatchField.PRODUCER_ID, identity.producerId);
    this.records.writeInt16BE(identity.epoch, BatchField.PRODUCER_EPOCH);
    this.records.writeInt32BE(identity.sequence, BatchField.BASE_SEQUENCE);
    this.records.writeUInt32BE(crc32c(this.records, BatchField.ATTRIBUTES, this.records.length), BatchField.CRC);
    this.stamp = identity;
  }
}

const EMPTY = Buffer.alloc(0);

function isSame(a: Identity, b: Identity | null): boolean {
  return b !== null && a.producerId === b.producerId && a.epoch === b.epoch && a.sequence === b.sequence;
}

export interface Acked {
  readonly kind: "acked";
  /** -1: not known. */
  readonly baseOffset: number;
  /** Unix ms; -1: the topic keeps the producer's time. */
  readonly logAppendTime: number;
  readonly isDuplicate: boolean;
}

export interface Refused {
  readonly kind: "refused";
  readonly row: ErrorRow;
  readonly message: string;
  /** The broker says that this attempt appended nothing, whatever the code leaves open. */
  readonly isUnwritten: boolean;
  /** Where the log ends, of a batch that expected it elsewhere. */
  readonly logEnd?: LogEnd | null;
}

/** How a batch ended. */
export type Outcome =
  | Acked
  /** `mayBeWritten`: not by the attempt that was refused, but by an earlier one. */
  | (Omit<Refused, "isUnwritten"> & { readonly mayBeWritten: boolean })
  /** Time ran out, or the producer was closed. */
  | { readonly kind: "expired" | "dropped"; readonly mayBeWritten: boolean; readonly lastError: ErrorRow | null };

/** An effect of the core: these records are done, tell those who wait. */
export interface Settled<C> {
  readonly topic: string;
  /** -1: the records never got a partition. */
  readonly partition: number;
  readonly batch: Batch<C>;
  readonly outcome: Outcome;
}

/** A broker's answer to one batch. */
export type Answer = Acked | Refused;
