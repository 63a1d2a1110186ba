/**
 * Header fields of a stored batch, read one at a time and without an object: what the loops over many batches need
 * (recovery, reads, searches). Layout and meaning: semantics 2.3. Nothing is checked; the caller guarantees that the 61
 * header bytes are there.
 */
import { BatchAttribute, BatchField, MAX_MESSAGE_BYTES_MAX, readInt16, readInt32, readInt64 } from "@tidemark/proto";

/** No batch on disk is larger: the door refuses it (11.4). A larger claim is damage. */
export const STORED_BATCH_BYTES_MAX = MAX_MESSAGE_BYTES_MAX;

/** A segment's offsets and positions are int32, relative to its base (2.5). */
export const RELATIVE_OFFSET_MAX = 2 ** 31 - 1;

export function lastOffsetAt(bytes: Buffer, at: number): number {
  return readInt64(bytes, at) + readInt32(bytes, at + BatchField.LAST_OFFSET_DELTA);
}

export function leaderEpochAt(bytes: Buffer, at: number): number {
  return readInt32(bytes, at + BatchField.LEADER_EPOCH);
}

export function maxTimestampAt(bytes: Buffer, at: number): number {
  return readInt64(bytes, at + BatchField.MAX_TIMESTAMP);
}

/** -1 = none. */
export function producerIdAt(bytes: Buffer, at: number): number {
  return readInt64(bytes, at + BatchField.PRODUCER_ID);
}

export function producerEpochAt(bytes: Buffer, at: number): number {
  return readInt16(bytes, at + BatchField.PRODUCER_EPOCH);
}

/** -1 = none. */
export function baseSequenceAt(bytes: Buffer, at: number): number {
  return readInt32(bytes, at + BatchField.BASE_SEQUENCE);
}

export function lastOffsetDeltaAt(bytes: Buffer, at: number): number {
  return readInt32(bytes, at + BatchField.LAST_OFFSET_DELTA);
}

export function isControlAt(bytes: Buffer, at: number): boolean {
  return (readInt16(bytes, at + BatchField.ATTRIBUTES) & BatchAttribute.CONTROL) !== 0;
}

export function isTransactionalAt(bytes: Buffer, at: number): boolean {
  return (readInt16(bytes, at + BatchField.ATTRIBUTES) & BatchAttribute.TRANSACTIONAL) !== 0;
}
