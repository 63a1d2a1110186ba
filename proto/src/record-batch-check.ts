/**
 * What is refused by the header of a record batch alone: at the door, where a client's batch comes in (semantics 11.3(1),
 * security 2 "records"), and in recovery, where a file is read back (4.2). Records are never opened here.
 *
 * Both end in a value, never in an exception, whatever the bytes are.
 */
import { CODEC_NAMES } from "./compression/index.ts";
import type { ErrorName } from "./errors.ts";
import {
  BATCH_HEADER_BYTES,
  BatchField,
  BatchHeader,
  batchSizeAt,
  isBatchIntact,
  MAGIC_V2,
  NO_PRODUCER_ID,
} from "./record-batch.ts";

export type BatchVerdict =
  | { readonly ok: true; readonly header: BatchHeader }
  | { readonly ok: false; readonly error: ErrorName; readonly message: string };

export type ScanStep =
  | { readonly ok: true; readonly header: BatchHeader }
  | { readonly ok: false; readonly reason: ScanFailure };

/**
 * short: the bytes end before the batch does. size: it claims to be smaller than its own header. magic: not format v2.
 * crc: the sum is wrong. counts: offsets, counts or ids that no writer produces, under a CRC that is right.
 */
export type ScanFailure = "short" | "size" | "magic" | "crc" | "counts";

/** A record takes at least this many bytes: length, attributes, two deltas, two lengths, header count. */
export const MIN_RECORD_BYTES = 7;

/** Checks `bytes` as exactly one batch from a client, at most `maxBytes` long (`max.message.bytes`). */
export function validateProducedBatch(bytes: Buffer, limits: { readonly maxBytes: number }): BatchVerdict {
  // The magic byte is where it was in the older formats, whose smallest messages are shorter than this header.
  if (bytes.length > BatchField.MAGIC) {
    const magic = bytes.readInt8(BatchField.MAGIC);
    if (magic !== MAGIC_V2)
      return refuse("INVALID_RECORD", `record format with magic ${magic}: only format v2 (magic ${MAGIC_V2}) is taken`);
  }
  if (bytes.length < BATCH_HEADER_BYTES) {
    return refuse(
      "CORRUPT_MESSAGE",
      `${bytes.length} bytes are no record batch: its header alone has ${BATCH_HEADER_BYTES}`,
    );
  }
  const size = batchSizeAt(bytes, 0);
  if (size < BATCH_HEADER_BYTES)
    return refuse("CORRUPT_MESSAGE", `the batch claims a size of ${size} bytes, less than its header`);
  if (size > bytes.length)
    return refuse("CORRUPT_MESSAGE", `the batch is cut off: ${size} bytes claimed, ${bytes.length} received`);
  if (size < bytes.length) {
    return refuse(
      "INVALID_RECORD",
      `${bytes.length - size} bytes follow the batch: exactly one batch per partition is taken`,
    );
  }
  if (size > limits.maxBytes) {
    return refuse("MESSAGE_TOO_LARGE", `the batch has ${size} bytes; max.message.bytes is ${limits.maxBytes}`);
  }
  if (!isBatchIntact(bytes, 0, size)) return refuse("CORRUPT_MESSAGE", "the CRC of the batch is wrong");
  return checkProducedHeader(new BatchHeader(bytes, 0));
}

/** What a client may not say, in a batch whose bytes arrived as they were sent. */
function checkProducedHeader(header: BatchHeader): BatchVerdict {
  if (CODEC_NAMES[header.codec] === undefined) {
    return refuse(
      "UNSUPPORTED_COMPRESSION_TYPE",
      `compression codec ${header.codec} does not exist; known are 0 to ${CODEC_NAMES.length - 1}`,
    );
  }
  if (header.isControl) return refuse("INVALID_RECORD", "a client may not write control batches");
  if (header.hasDeleteHorizon) return refuse("INVALID_RECORD", "a client may not set a delete horizon");
  if (header.isLogAppendTime) return refuse("INVALID_TIMESTAMP", "a client may not claim the time of the append");
  if (!Number.isSafeInteger(header.baseTimestamp) || !Number.isSafeInteger(header.maxTimestamp)) {
    return refuse("INVALID_TIMESTAMP", "a timestamp of the batch lies beyond 2^53 milliseconds");
  }
  if (header.baseOffset !== 0)
    return refuse("INVALID_RECORD", `a client's batch begins at offset 0, not ${header.baseOffset}`);
  if (header.recordsCount < 1 || header.recordsCount !== header.lastOffsetDelta + 1) {
    return refuse(
      "INVALID_RECORD",
      `the batch claims ${header.recordsCount} records and a last offset delta of ${header.lastOffsetDelta}`,
    );
  }
  if (header.codec === 0 && header.recordsCount * MIN_RECORD_BYTES > header.sizeBytes - BATCH_HEADER_BYTES) {
    return refuse(
      "INVALID_RECORD",
      `${header.recordsCount} records do not fit into a batch of ${header.sizeBytes} bytes`,
    );
  }
  return checkProducer(header);
}

function checkProducer(header: BatchHeader): BatchVerdict {
  if (!Number.isSafeInteger(header.producerId) || header.producerId < NO_PRODUCER_ID) {
    return refuse("INVALID_RECORD", `${header.producerId} is no producer id`);
  }
  if (!header.hasProducerId) {
    return header.isTransactional
      ? refuse("INVALID_RECORD", "a transactional batch needs a producer id")
      : { ok: true, header };
  }
  if (header.baseSequence < 0) return refuse("INVALID_RECORD", `producer ${header.producerId} sent no sequence number`);
  if (header.producerEpoch < 0) return refuse("INVALID_RECORD", `producer ${header.producerId} sent no epoch`);
  return { ok: true, header };
}

/**
 * Checks the stored batch at `at`, which must end at or before `end` (<= bytes.length). For recovery, verification and
 * readers; `verifyCrc: false` is for bytes whose CRC was checked before.
 */
export function validateStoredBatch(
  bytes: Buffer,
  at: number,
  end: number,
  options: { readonly verifyCrc?: boolean } = {},
): ScanStep {
  if (end - at < BATCH_HEADER_BYTES) return damaged("short");
  if (bytes.readInt8(at + BatchField.MAGIC) !== MAGIC_V2) return damaged("magic");
  const size = batchSizeAt(bytes, at);
  if (size < BATCH_HEADER_BYTES) return damaged("size");
  if (size > end - at) return damaged("short");
  if (options.verifyCrc !== false && !isBatchIntact(bytes, at, at + size)) return damaged("crc");
  const header = new BatchHeader(bytes, at);
  return isPlausible(header) ? { ok: true, header } : damaged("counts");
}

/** Counts may fall below the offsets through compaction, down to 0; the other way round nobody writes them. */
function isPlausible(header: BatchHeader): boolean {
  return (
    header.baseOffset >= 0 &&
    Number.isSafeInteger(header.nextOffset) &&
    header.recordsCount >= 0 &&
    header.recordsCount <= header.lastOffsetDelta + 1 &&
    header.lastOffsetDelta >= 0 &&
    Number.isSafeInteger(header.producerId) &&
    Number.isSafeInteger(header.baseTimestamp) &&
    Number.isSafeInteger(header.maxTimestamp)
  );
}

function refuse(error: ErrorName, message: string): BatchVerdict {
  return { ok: false, error, message };
}

function damaged(reason: ScanFailure): ScanStep {
  return { ok: false, reason };
}
