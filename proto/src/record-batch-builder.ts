/**
 * Encodes records straight into the bytes of one batch (format v2; layout in record-batch.ts and below). No object,
 * closure or intermediate buffer per record: a record is sized, the buffer grown if it must be, and written in one go.
 *
 * One record, varints zig-zag (semantics 2.3(2)):
 *
 *     length, attributes i8 = 0, timestampDelta, offsetDelta, keyLength (-1 null), key, valueLength (-1 null), value,
 *     headersCount, per header: keyLength, key, valueLength (-1 null), value
 *
 * The buffer is the builder's while it fills and the caller's once `build` has handed it out.
 */
import { writeInt64 } from "./big-endian.ts";
import { type CodecId, codecById } from "./compression/index.ts";
import {
  BATCH_HEADER_BYTES,
  BATCH_PREFIX_BYTES,
  BatchField,
  MAGIC_V2,
  NO_LEADER_EPOCH,
  NO_PRODUCER_EPOCH,
  NO_PRODUCER_ID,
  NO_SEQUENCE,
  NO_TIMESTAMP,
  sealBatch,
} from "./record-batch.ts";
import { varintBytes, varlongBytes, writeVarint, writeVarlong } from "./varint.ts";

/** A key, value or header value: bytes as they are, text as UTF-8, null as null. */
export type RecordBytes = Uint8Array | string | null;
export type RecordHeader = readonly [name: string, value: RecordBytes];

export interface BatchOptions {
  /** Default 0, none. */
  readonly codec?: CodecId;
  /** With an epoch and a sequence: an idempotent producer's batch. Default -1, none. */
  readonly producerId?: number;
  readonly producerEpoch?: number;
  readonly baseSequence?: number;
}

/** Where a builder's memory comes from. */
export interface BatchBuffers {
  /** At least so many bytes long, with an ArrayBuffer of its own; content unknown. */
  take(bytes: number): Buffer;
}

const DEFAULT_INITIAL_BYTES = 4096;
/** No batch comes near this (the broker takes 32 MiB): beyond it lies a caller that never builds. */
const MAX_BYTES = 2 ** 30;
/** A native copy or encoder call costs as much as about this many turns of a loop. */
const SHORT_BYTES = 16;
/** Upper bound of a record's fixed parts: length 5, attributes 1, deltas 8 + 5, two lengths 10, header count 5. */
const RECORD_OVERHEAD_BYTES = 34;

export class RecordBatchBuilder {
  #buffer: Buffer;
  /** End of what is written; the header's room included. */
  #end = BATCH_HEADER_BYTES;
  #count = 0;
  #baseTimestamp = NO_TIMESTAMP;
  #maxTimestamp = NO_TIMESTAMP;
  /** What to allocate for the next batch: the size that the last one grew to. */
  #capacity: number;
  readonly #buffers: BatchBuffers;

  constructor(options: { readonly initialBytes?: number; readonly buffers?: BatchBuffers } = {}) {
    this.#buffers = options.buffers ?? FRESH;
    this.#capacity = Math.max(options.initialBytes ?? DEFAULT_INITIAL_BYTES, BATCH_HEADER_BYTES);
    this.#buffer = this.#buffers.take(this.#capacity);
  }

  get recordsCount(): number {
    return this.#count;
  }

  /** Uncompressed so far, header included. */
  get sizeBytes(): number {
    return this.#end;
  }

  /** Timestamp of the first record in ms; -1 in an empty batch. */
  get baseTimestamp(): number {
    return this.#baseTimestamp;
  }

  /**
   * Adds a record and returns its index in the batch. `timestamp` is in ms and a safe integer. Bytes and text are copied.
   * Throws RangeError for another timestamp, for one 2^53 ms or more away from the first record's, and for a record that
   * would take the batch beyond 1 GiB.
   */
  append(
    timestamp: number,
    key: RecordBytes,
    value: RecordBytes,
    headers: readonly RecordHeader[] | null = null,
  ): number {
    if (!Number.isSafeInteger(timestamp)) throw new RangeError(`not a timestamp in ms: ${timestamp}`);
    const index = this.#count;
    if (index === 0) this.#baseTimestamp = this.#maxTimestamp = timestamp;
    const delta = timestamp - this.#baseTimestamp;
    if (!Number.isSafeInteger(delta))
      throw new RangeError(`timestamp ${timestamp} is too far from ${this.#baseTimestamp}`);
    const keyBytes = byteLength(key);
    const valueBytes = byteLength(value);
    const bodyBytes =
      1 +
      varlongBytes(delta) +
      varintBytes(index) +
      sizeBytes(keyBytes) +
      sizeBytes(valueBytes) +
      (headers === null || headers.length === 0 ? 1 : headersBytes(headers));
    this.#reserve(this.#end + varintBytes(bodyBytes) + bodyBytes);

    const buffer = this.#buffer;
    let at = writeVarint(buffer, this.#end, bodyBytes);
    buffer[at] = 0;
    at = writeVarlong(buffer, at + 1, delta);
    at = writeVarint(buffer, at, index);
    at = writeBytes(buffer, at, key, keyBytes);
    at = writeBytes(buffer, at, value, valueBytes);
    this.#end =
      headers === null || headers.length === 0 ? writeVarint(buffer, at, 0) : writeHeaders(buffer, at, headers);
    if (timestamp > this.#maxTimestamp) this.#maxTimestamp = timestamp;
    this.#count = index + 1;
    return index;
  }

  /** Upper bound of what `append` would add for a record with so many bytes of key and value (-1: null). */
  estimate(keyBytes: number, valueBytes: number, headers: readonly RecordHeader[] | null = null): number {
    const payload = Math.max(keyBytes, 0) + Math.max(valueBytes, 0);
    return RECORD_OVERHEAD_BYTES + payload + (headers === null ? 0 : headersBytes(headers));
  }

  /**
   * The batch, base offset 0 and leader epoch -1, and an empty builder. The bytes belong to the caller.
   * Throws ProtoError UNSUPPORTED_COMPRESSION_TYPE, and RangeError when there is no record.
   */
  build(options: BatchOptions = {}): Buffer {
    if (this.#count === 0) throw new RangeError("a batch has at least one record");
    const codec = options.codec ?? 0;
    const batch = codec === 0 ? this.#takeBuffer() : this.#compressed(codec);
    writeInt64(batch, BatchField.BASE_OFFSET, 0);
    batch.writeInt32BE(batch.length - BATCH_PREFIX_BYTES, BatchField.BATCH_LENGTH);
    batch.writeInt32BE(NO_LEADER_EPOCH, BatchField.LEADER_EPOCH);
    batch.writeInt8(MAGIC_V2, BatchField.MAGIC);
    batch.writeInt16BE(codec, BatchField.ATTRIBUTES);
    batch.writeInt32BE(this.#count - 1, BatchField.LAST_OFFSET_DELTA);
    writeInt64(batch, BatchField.BASE_TIMESTAMP, this.#baseTimestamp);
    writeInt64(batch, BatchField.MAX_TIMESTAMP, this.#maxTimestamp);
    writeInt64(batch, BatchField.PRODUCER_ID, options.producerId ?? NO_PRODUCER_ID);
    batch.writeInt16BE(options.producerEpoch ?? NO_PRODUCER_EPOCH, BatchField.PRODUCER_EPOCH);
    batch.writeInt32BE(options.baseSequence ?? NO_SEQUENCE, BatchField.BASE_SEQUENCE);
    batch.writeInt32BE(this.#count, BatchField.RECORDS_COUNT);
    sealBatch(batch, 0, batch.length);
    this.reset();
    return batch;
  }

  /** Forgets all records; keeps the memory. */
  reset(): void {
    this.#end = BATCH_HEADER_BYTES;
    this.#count = 0;
    this.#baseTimestamp = NO_TIMESTAMP;
    this.#maxTimestamp = NO_TIMESTAMP;
  }

  /** The bytes as they are: handed over where they fill most of the buffer, copied out where they would waste it. */
  #takeBuffer(): Buffer {
    if (this.#end * 2 < this.#buffer.length) return Buffer.from(this.#buffer.subarray(0, this.#end));
    const batch = this.#buffer.subarray(0, this.#end);
    this.#capacity = this.#buffer.length;
    this.#buffer = EMPTY;
    return batch;
  }

  #compressed(codec: CodecId): Buffer {
    const records = codecById(codec).compress(this.#buffer.subarray(BATCH_HEADER_BYTES, this.#end));
    const batch = Buffer.allocUnsafe(BATCH_HEADER_BYTES + records.length);
    batch.set(records, BATCH_HEADER_BYTES);
    return batch;
  }

  /** Makes room up to `end`. */
  #reserve(end: number): void {
    if (end <= this.#buffer.length) return;
    if (end > MAX_BYTES) throw new RangeError(`a batch of ${end} bytes: ${MAX_BYTES} is the most`);
    const grown = this.#buffers.take(Math.max(this.#capacity, end, Math.min(this.#buffer.length * 2, MAX_BYTES)));
    grown.set(this.#buffer.subarray(0, this.#end));
    this.#buffer = grown;
  }
}

const EMPTY = Buffer.alloc(0);
const FRESH: BatchBuffers = { take: (bytes) => Buffer.allocUnsafeSlow(bytes) };

/** Bytes of a key or value; -1 for null, which is its length on the wire. */
function byteLength(bytes: RecordBytes): number {
  if (bytes === null) return -1;
  return typeof bytes === "string" ? textBytes(bytes) : bytes.length;
}

/** UTF-8 length. Short text is mostly ASCII: looking is cheaper than asking. */
function textBytes(text: string): number {
  const length = text.length;
  if (length > SHORT_BYTES) return Buffer.byteLength(text);
  for (let at = 0; at < length; at += 1) if (text.charCodeAt(at) > 0x7f) return Buffer.byteLength(text);
  return length;
}

/** Size of a length and of what it counts; -1 is null. */
function sizeBytes(length: number): number {
  return length < 0 ? 1 : varintBytes(length) + length;
}

function headersBytes(headers: readonly RecordHeader[]): number {
  let bytes = varintBytes(headers.length);
  for (const [name, value] of headers) bytes += sizeBytes(textBytes(name)) + sizeBytes(byteLength(value));
  return bytes;
}

function writeHeaders(buffer: Buffer, from: number, headers: readonly RecordHeader[]): number {
  let at = writeVarint(buffer, from, headers.length);
  for (const [name, value] of headers) {
    at = writeBytes(buffer, at, name, textBytes(name));
    at = writeBytes(buffer, at, value, byteLength(value));
  }
  return at;
}

/** Writes a length and its bytes. `length` is byteLength(bytes). */
function writeBytes(buffer: Buffer, from: number, bytes: RecordBytes, length: number): number {
  const at = writeVarint(buffer, from, length);
  if (bytes === null) return at;
  if (typeof bytes === "string") writeText(buffer, at, bytes, length);
  else if (length > SHORT_BYTES) buffer.set(bytes, at);
  else for (let index = 0; index < length; index += 1) buffer[at + index] = bytes[index] as number;
  return at + length;
}

/** Text whose UTF-8 is as long as itself is ASCII, and Latin-1 is the faster way to write that. */
function writeText(buffer: Buffer, at: number, text: string, length: number): void {
  if (length !== text.length) buffer.write(text, at, length, "utf8");
  else if (length > SHORT_BYTES) buffer.write(text, at, length, "latin1");
  else for (let index = 0; index < length; index += 1) buffer[at + index] = text.charCodeAt(index);
}
