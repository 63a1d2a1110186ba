/**
 * Control batches (2.3(3)): the one kind of batch whose record the log itself reads. Key: version i16, type i16 (0 ABORT,
 * 1 COMMIT); value of a marker: version i16, coordinator epoch i32. Other types say nothing to the log.
 */
import { batchSizeAt, decodeRecords, ProtoError } from "@tidemark/proto";

/** A marker's batch has less than a hundred bytes; a larger control batch is none. */
export const MARKER_BATCH_BYTES_MAX = 512;

const KEY_BYTES = 4;
const VALUE_BYTES = 6;
const ABORT = 0;
const COMMIT = 1;

export interface TransactionMarker {
  readonly isAbort: boolean;
  /** -1 = not said. */
  readonly coordinatorEpoch: number;
}

/** The marker in the control batch at bytes[at], all of which is there; null: it is of another type, or unreadable. */
export function markerAt(bytes: Buffer, at: number): TransactionMarker | null {
  if (batchSizeAt(bytes, at) > MARKER_BATCH_BYTES_MAX) return null;
  const record = firstRecordAt(bytes, at);
  const key = record?.key ?? null;
  if (key === null || key.length < KEY_BYTES) return null;
  const type = key.readInt16BE(2);
  if (type !== ABORT && type !== COMMIT) return null;
  const value = record?.value ?? null;
  const coordinatorEpoch = value === null || value.length < VALUE_BYTES ? -1 : value.readInt32BE(2);
  return { isAbort: type === ABORT, coordinatorEpoch };
}

function firstRecordAt(bytes: Buffer, at: number): ReturnType<typeof decodeRecords>[number] | undefined {
  try {
    return decodeRecords(bytes, at, { verifyCrc: false })[0];
  } catch (error: unknown) {
    if (error instanceof ProtoError) return undefined;
    throw error;
  }
}
