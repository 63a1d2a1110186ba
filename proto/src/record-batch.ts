/**
 * The header of a record batch, format v2 (Apache Kafka's, magic 2), as it travels and as it lies on disk. Big-endian:
 *
 *      0  i64  baseOffset            set by the leader; a client sends 0
 *      8  i32  batchLength           bytes after this field: size of the batch - 12
 *     12  i32  partitionLeaderEpoch  set by the leader; -1 = none
 *     16  i8   magic                 2
 *     17  u32  crc                   CRC-32C of bytes [21, size)
 *     21  i16  attributes            bits 0-2 codec, 3 LogAppendTime, 4 transactional, 5 control, 6 delete horizon
 *     23  i32  lastOffsetDelta       lastOffset = baseOffset + delta
 *     27  i64  baseTimestamp         ms; what the records' timestamp deltas count from
 *     35  i64  maxTimestamp          ms
 *     43  i64  producerId            -1 = none
 *     51  i16  producerEpoch
 *     53  i32  baseSequence          -1 = none; last sequence = base + delta, 0 follows 2^31 - 1
 *     57  i32  recordsCount
 *     61       records               one compressed block unless the codec is "none"
 *
 * Bytes 0-20 lie outside the CRC, so that the leader can set offset and epoch without touching the rest (semantics
 * 2.3(1)). Here: reading and patching. What is refused, and why: record-batch-check.ts. Records: record-cursor.ts.
 */
import { readInt16, readInt32, readInt64, readUint32, writeInt64 } from "./big-endian.ts";
import type { CodecId } from "./compression/index.ts";
import { crc32c } from "./crc32c.ts";
import { MAX_SEQUENCE } from "./limits.ts";

/** Bytes before the records. */
export const BATCH_HEADER_BYTES = 61;
/** baseOffset and batchLength: what must be read to know where the batch ends. */
export const BATCH_PREFIX_BYTES = 12;
export const MAGIC_V2 = 2;

export const NO_PRODUCER_ID = -1;
export const NO_PRODUCER_EPOCH = -1;
export const NO_SEQUENCE = -1;
export const NO_LEADER_EPOCH = -1;
export const NO_TIMESTAMP = -1;

/** Where the fields lie. */
export const BatchField = {
  BASE_OFFSET: 0,
  BATCH_LENGTH: 8,
  LEADER_EPOCH: 12,
  MAGIC: 16,
  CRC: 17,
  ATTRIBUTES: 21,
  LAST_OFFSET_DELTA: 23,
  BASE_TIMESTAMP: 27,
  MAX_TIMESTAMP: 35,
  PRODUCER_ID: 43,
  PRODUCER_EPOCH: 51,
  BASE_SEQUENCE: 53,
  RECORDS_COUNT: 57,
} as const;

/** Bits of the attributes. */
export const BatchAttribute = {
  CODEC_MASK: 0x07,
  LOG_APPEND_TIME: 0x08,
  TRANSACTIONAL: 0x10,
  CONTROL: 0x20,
  DELETE_HORIZON: 0x40,
} as const;

/**
 * The header of one batch, copied out of the bytes. Nothing is checked here. 64-bit fields are the nearest double: a value
 * outside the safe integers stays outside them, and the checks of record-batch-check.ts refuse it.
 */
export class BatchHeader {
  readonly baseOffset: number;
  /** Of the whole batch, this header included. */
  readonly sizeBytes: number;
  readonly partitionLeaderEpoch: number;
  readonly magic: number;
  readonly crc: number;
  readonly attributes: number;
  readonly lastOffsetDelta: number;
  readonly baseTimestamp: number;
  readonly maxTimestamp: number;
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly baseSequence: number;
  readonly recordsCount: number;

  /** Reads the 61 bytes at `at`. Throws RangeError when they are not there. */
  constructor(bytes: Buffer, at: number) {
    if (!(at >= 0 && at + BATCH_HEADER_BYTES <= bytes.length))
      throw new RangeError(`no batch header at ${at} of ${bytes.length} bytes`);
    this.baseOffset = readInt64(bytes, at + BatchField.BASE_OFFSET);
    this.sizeBytes = batchSizeAt(bytes, at);
    this.partitionLeaderEpoch = readInt32(bytes, at + BatchField.LEADER_EPOCH);
    this.magic = ((bytes[at + BatchField.MAGIC] as number) << 24) >> 24;
    this.crc = readUint32(bytes, at + BatchField.CRC);
    this.attributes = readInt16(bytes, at + BatchField.ATTRIBUTES);
    this.lastOffsetDelta = readInt32(bytes, at + BatchField.LAST_OFFSET_DELTA);
    this.baseTimestamp = readInt64(bytes, at + BatchField.BASE_TIMESTAMP);
    this.maxTimestamp = readInt64(bytes, at + BatchField.MAX_TIMESTAMP);
    this.producerId = readInt64(bytes, at + BatchField.PRODUCER_ID);
    this.producerEpoch = readInt16(bytes, at + BatchField.PRODUCER_EPOCH);
    this.baseSequence = readInt32(bytes, at + BatchField.BASE_SEQUENCE);
    this.recordsCount = readInt32(bytes, at + BatchField.RECORDS_COUNT);
  }

  get lastOffset(): number {
    return this.baseOffset + this.lastOffsetDelta;
  }

  /** The offset after this batch. */
  get nextOffset(): number {
    return this.baseOffset + this.lastOffsetDelta + 1;
  }

  /** -1 when the batch has no sequence. Wraps from 2^31 - 1 to 0. */
  get lastSequence(): number {
    return this.baseSequence < 0 ? NO_SEQUENCE : sequenceAfter(this.baseSequence, this.lastOffsetDelta);
  }

  /** Attributes bits 0-2. 5, 6 and 7 are not assigned: the checks refuse them. */
  get codec(): CodecId {
    return (this.attributes & BatchAttribute.CODEC_MASK) as CodecId;
  }

  get isLogAppendTime(): boolean {
    return (this.attributes & BatchAttribute.LOG_APPEND_TIME) !== 0;
  }

  get isTransactional(): boolean {
    return (this.attributes & BatchAttribute.TRANSACTIONAL) !== 0;
  }

  get isControl(): boolean {
    return (this.attributes & BatchAttribute.CONTROL) !== 0;
  }

  get hasDeleteHorizon(): boolean {
    return (this.attributes & BatchAttribute.DELETE_HORIZON) !== 0;
  }

  get hasProducerId(): boolean {
    return this.producerId > NO_PRODUCER_ID;
  }
}

/** The header at `at`. The caller guarantees 61 readable bytes; nothing else is assumed and nothing thrown. */
export function readBatchHeader(bytes: Buffer, at: number): BatchHeader {
  return new BatchHeader(bytes, at);
}

/** Size of the whole batch at `at`, as its header claims; 12 readable bytes are enough, and the claim may be nonsense. */
export function batchSizeAt(bytes: Buffer, at: number): number {
  return BATCH_PREFIX_BYTES + readInt32(bytes, at + BatchField.BATCH_LENGTH);
}

/** Base offset of the batch at `at`; 8 readable bytes are enough. Outside the safe integers it is not one either. */
export function baseOffsetAt(bytes: Buffer, at: number): number {
  return readInt64(bytes, at + BatchField.BASE_OFFSET);
}

/** The sequence `count` after `sequence`: 0 follows 2^31 - 1 (Kafka's DefaultRecordBatch.incrementSequence). */
export function sequenceAfter(sequence: number, count: number): number {
  return (sequence + count) % (MAX_SEQUENCE + 1);
}

/** What the leader sets in a batch that it appends: bytes 0-7 and 12-15, outside the CRC. */
export function patchBatch(bytes: Buffer, at: number, baseOffset: number, leaderEpoch: number): void {
  writeInt64(bytes, at + BatchField.BASE_OFFSET, baseOffset);
  bytes.writeInt32BE(leaderEpoch, at + BatchField.LEADER_EPOCH);
}

/** Gives the batch at `at` the time of its append: attribute bit 3, maxTimestamp, and a new CRC over the whole batch. */
export function setLogAppendTime(bytes: Buffer, at: number, now: number): void {
  const attributes = bytes.readInt16BE(at + BatchField.ATTRIBUTES);
  bytes.writeInt16BE(attributes | BatchAttribute.LOG_APPEND_TIME, at + BatchField.ATTRIBUTES);
  writeInt64(bytes, at + BatchField.MAX_TIMESTAMP, now);
  sealBatch(bytes, at, at + batchSizeAt(bytes, at));
}

/** Whether the CRC of the batch in bytes[at, end) is right. */
export function isBatchIntact(bytes: Buffer, at: number, end: number): boolean {
  return readUint32(bytes, at + BatchField.CRC) === crc32c(bytes, at + BatchField.ATTRIBUTES, end);
}

/** Writes the CRC of the batch in bytes[at, end). */
export function sealBatch(bytes: Buffer, at: number, end: number): void {
  bytes.writeUInt32BE(crc32c(bytes, at + BatchField.ATTRIBUTES, end), at + BatchField.CRC);
}
