/**
 * Walks the records of whole batches that lie back to back, without an object per record: `next` moves, the fields tell
 * where it stands. Keys and values are views of the given bytes, or of the inflated block of a compressed batch.
 *
 * Nothing is believed: sizes, counts, offset deltas and lengths are checked against each other and against the bytes, the
 * output of a decompressor is bounded, and whatever does not fit throws a ProtoError. Offsets may have gaps (compaction)
 * but only rise. Control batches are passed over unless asked for; empty batches are passed over always.
 */
import { ByteReader } from "./byte-reader.ts";
import { codecById } from "./compression/index.ts";
import { ProtoError } from "./errors.ts";
import { DECOMPRESSED_MAX_BYTES } from "./limits.ts";
import { BATCH_HEADER_BYTES, type BatchHeader, NO_TIMESTAMP } from "./record-batch.ts";
import { type ScanFailure, validateStoredBatch } from "./record-batch-check.ts";

export type DecodedHeader = readonly [name: string, value: Buffer | null];

export interface DecodedRecord {
  readonly offset: number;
  /** ms; the append time of the batch where the topic keeps that. -1 = none. */
  readonly timestamp: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: readonly DecodedHeader[];
}

export interface CursorOptions {
  /** Default true. False for bytes whose CRC was checked before. */
  readonly verifyCrc?: boolean;
  /** Bound of one inflated batch; default DECOMPRESSED_MAX_BYTES. Beyond it: INVALID_RECORD. */
  readonly maxDecompressedBytes?: number;
  /** Default false: the records of control batches (transaction markers) are passed over. */
  readonly includeControl?: boolean;
}

const NULL = -1;
const NO_HEADERS: readonly DecodedHeader[] = Object.freeze([]);
const MIN_HEADER_BYTES = 2;

export class RecordCursor {
  /** Of the record that `next` moved to. */
  offset = -1;
  timestamp = NO_TIMESTAMP;
  /** Lengths in bytes; -1 = null. */
  keyBytes = NULL;
  valueBytes = NULL;

  readonly #batches: Buffer;
  readonly #verifyCrc: boolean;
  readonly #maxDecompressedBytes: number;
  readonly #includeControl: boolean;

  /** Reads the records of the current batch. */
  readonly #reader = new ByteReader("INVALID_RECORD");
  #batch: BatchHeader | null = null;
  /** Where the next batch begins. */
  #nextBatchAt: number;
  #nextOffset = -1;
  /** Records of the current batch that are still to come. */
  #left = 0;
  #lastDelta = -1;

  #keyAt = 0;
  #valueAt = 0;
  #headersAt = 0;
  #headersCount = 0;

  constructor(batches: Buffer, options: CursorOptions = {}, at = 0) {
    this.#batches = batches;
    this.#nextBatchAt = at;
    this.#verifyCrc = options.verifyCrc ?? true;
    this.#maxDecompressedBytes = options.maxDecompressedBytes ?? DECOMPRESSED_MAX_BYTES;
    this.#includeControl = options.includeControl ?? false;
  }

  /**
   * Moves to the next record; false behind the last one. Throws ProtoError: CORRUPT_MESSAGE (a batch is cut off or its CRC
   * is wrong), INVALID_RECORD, UNSUPPORTED_COMPRESSION_TYPE. After an exception the cursor is of no further use.
   */
  next(): boolean {
    while (this.#left === 0) if (!this.#nextBatch()) return false;
    this.#left -= 1;
    this.#readRecord();
    if (this.#left === 0 && this.#reader.remaining > 0) {
      throw this.#reader.fail(`${this.#reader.remaining} bytes follow the last record`);
    }
    return true;
  }

  /** The batch of the current record, or the last one that was opened. */
  get batch(): BatchHeader {
    if (this.#batch === null) throw new RangeError("no record was read yet");
    return this.#batch;
  }

  /** The offset after the last batch that was opened or passed over: where to read on when `next` said false. -1 = none. */
  get nextOffset(): number {
    return this.#nextOffset;
  }

  /** A view, made anew at each call. */
  get key(): Buffer | null {
    return this.keyBytes < 0 ? null : this.#reader.bytes.subarray(this.#keyAt, this.#keyAt + this.keyBytes);
  }

  /** A view, made anew at each call. */
  get value(): Buffer | null {
    return this.valueBytes < 0 ? null : this.#reader.bytes.subarray(this.#valueAt, this.#valueAt + this.valueBytes);
  }

  /** The key as UTF-8, without a view in between; malformed bytes become U+FFFD. */
  get keyText(): string | null {
    return this.keyBytes < 0 ? null : this.#reader.bytes.toString("utf8", this.#keyAt, this.#keyAt + this.keyBytes);
  }

  /** The value as UTF-8, without a view in between; malformed bytes become U+FFFD. */
  get valueText(): string | null {
    return this.valueBytes < 0
      ? null
      : this.#reader.bytes.toString("utf8", this.#valueAt, this.#valueAt + this.valueBytes);
  }

  get headersCount(): number {
    return this.#headersCount;
  }

  /** Decoded anew at each call; values are views. */
  get headers(): readonly DecodedHeader[] {
    return this.#headersCount === 0 ? NO_HEADERS : this.#decodeHeaders();
  }

  /** Opens the next batch that may have records; false at the end. */
  #nextBatch(): boolean {
    const at = this.#nextBatchAt;
    if (at >= this.#batches.length) return false;
    const step = validateStoredBatch(this.#batches, at, this.#batches.length, { verifyCrc: this.#verifyCrc });
    if (!step.ok) throw unreadable(step.reason, at);
    const header = step.header;
    if (header.baseOffset < this.#nextOffset) {
      throw new ProtoError("INVALID_RECORD", `batch ${header.baseOffset} follows offset ${this.#nextOffset - 1}`);
    }
    this.#batch = header;
    this.#nextBatchAt = at + header.sizeBytes;
    this.#nextOffset = header.nextOffset;
    this.#lastDelta = -1;
    if (header.recordsCount > 0 && (this.#includeControl || !header.isControl)) this.#openRecords(at, header);
    return true;
  }

  #openRecords(at: number, header: BatchHeader): void {
    const from = at + BATCH_HEADER_BYTES;
    const to = at + header.sizeBytes;
    if (header.codec === 0) {
      this.#reader.open(this.#batches, from, to);
    } else {
      const block = codecById(header.codec).decompress(this.#batches.subarray(from, to), this.#maxDecompressedBytes);
      this.#reader.open(block, 0, block.length);
    }
    this.#left = header.recordsCount;
  }

  #readRecord(): void {
    const reader = this.#reader;
    const header = this.batch;
    const length = reader.zigzag32();
    const from = reader.skip(length);
    const end = reader.at;
    reader.at = from;

    reader.skip(1); // attributes: none are assigned
    const timestampDelta = reader.zigzag64();
    const delta = reader.zigzag32();
    if (delta <= this.#lastDelta || delta > header.lastOffsetDelta) {
      throw reader.fail(
        `offset delta ${delta} after ${this.#lastDelta}, in a batch that ends at ${header.lastOffsetDelta}`,
      );
    }
    this.#lastDelta = delta;
    this.offset = header.baseOffset + delta;
    this.timestamp = header.isLogAppendTime ? header.maxTimestamp : header.baseTimestamp + timestampDelta;
    if (!Number.isSafeInteger(this.timestamp)) throw reader.fail("timestamp beyond 2^53");
    this.keyBytes = reader.zigzag32();
    this.#keyAt = this.keyBytes === NULL ? 0 : reader.skip(this.keyBytes);
    this.valueBytes = reader.zigzag32();
    this.#valueAt = this.valueBytes === NULL ? 0 : reader.skip(this.valueBytes);
    this.#headersCount = reader.zigzag32();
    this.#headersAt = reader.at;
    if (this.#headersCount !== 0) this.#skipHeaders();
    // Everything above was read from the whole block: this is where a record that lies about its length is found.
    if (reader.at !== end) throw reader.fail(`record of ${length} bytes ends ${reader.at - end} bytes off`);
  }

  /** Checks that the headers are there; they are decoded when somebody asks. */
  #skipHeaders(): void {
    const reader = this.#reader;
    const count = this.#headersCount;
    if (count < 0 || count * MIN_HEADER_BYTES > reader.remaining) throw reader.fail(`${count} headers do not fit`);
    for (let index = 0; index < count; index += 1) {
      reader.skip(reader.zigzag32());
      const valueBytes = reader.zigzag32();
      if (valueBytes !== NULL) reader.skip(valueBytes);
    }
  }

  #decodeHeaders(): readonly DecodedHeader[] {
    const reader = this.#reader;
    const back = reader.at;
    reader.at = this.#headersAt;
    const headers: DecodedHeader[] = [];
    for (let index = 0; index < this.#headersCount; index += 1) {
      const nameBytes = reader.zigzag32();
      const nameAt = reader.skip(nameBytes);
      const valueBytes = reader.zigzag32();
      const valueAt = valueBytes === NULL ? 0 : reader.skip(valueBytes);
      headers.push([
        reader.bytes.toString("utf8", nameAt, nameAt + nameBytes),
        valueBytes === NULL ? null : reader.bytes.subarray(valueAt, valueAt + valueBytes),
      ]);
    }
    reader.at = back;
    return headers;
  }
}

/** The records of the one batch at `at`, control records included. Throws as RecordCursor.next does. */
export function decodeRecords(batch: Buffer, at = 0, options: CursorOptions = {}): DecodedRecord[] {
  const step = validateStoredBatch(batch, at, batch.length, { verifyCrc: options.verifyCrc ?? true });
  if (!step.ok) throw unreadable(step.reason, at);
  const one = batch.subarray(at, at + step.header.sizeBytes);
  const cursor = new RecordCursor(one, { includeControl: true, ...options, verifyCrc: false });
  const records: DecodedRecord[] = [];
  while (cursor.next()) {
    records.push({
      offset: cursor.offset,
      timestamp: cursor.timestamp,
      key: cursor.key,
      value: cursor.value,
      headers: cursor.headers,
    });
  }
  return records;
}

function unreadable(reason: ScanFailure, at: number): ProtoError {
  switch (reason) {
    case "short":
      return new ProtoError("CORRUPT_MESSAGE", `the batch at byte ${at} is cut off`);
    case "size":
      return new ProtoError("CORRUPT_MESSAGE", `the batch at byte ${at} claims to be smaller than its header`);
    case "magic":
      return new ProtoError("INVALID_RECORD", `the batch at byte ${at} is not of format v2`);
    case "crc":
      return new ProtoError("CORRUPT_MESSAGE", `the CRC of the batch at byte ${at} is wrong`);
    case "counts":
      return new ProtoError("INVALID_RECORD", `offsets and counts of the batch at byte ${at} disagree`);
  }
}
