/**
 * @tidemark/proto: the contract that clients and brokers agree on byte for byte.
 *
 * What is here: the record batch (format v2) with its checks, builder and cursor; CRC-32C and the compression registry;
 * the wire codec of the data service; the error table; limits, topic names, ids, the default partitioner's hash.
 * Inputs are bytes that nobody vouches for; what breaks the contract is a ProtoError with a code of the error table, or a
 * verdict that names one. Invariants: bytes on disk and on the wire are Apache Kafka's batches; numbers and names are
 * never reused. Not here: sockets, files, clocks, and the admin service's codec (`@tidemark/proto/control`), so that this
 * entry loads nothing heavy.
 */
export * from "./admin-messages.ts";
export { readInt16, readInt32, readInt64, readUint32, writeInt64 } from "./big-endian.ts";
export type * from "./cluster-events.ts";
export * from "./compression/index.ts";
export { crc32c, crc32cJs, registerCrc32c } from "./crc32c.ts";
export { GrpcStatus } from "./error-table.ts";
export { ERROR_TABLE, type ErrorName, type ErrorRow, errorCode, errorRow, isErrorName, ProtoError } from "./errors.ts";
export * from "./limits.ts";
export { murmur2, partitionForKey } from "./murmur2.ts";
export { nearest } from "./nearest.ts";
export { unknownName } from "./unknown-name.ts";
export {
  BATCH_HEADER_BYTES,
  BATCH_PREFIX_BYTES,
  BatchAttribute,
  BatchField,
  BatchHeader,
  baseOffsetAt,
  batchSizeAt,
  isBatchIntact,
  MAGIC_V2,
  NO_LEADER_EPOCH,
  NO_PRODUCER_EPOCH,
  NO_PRODUCER_ID,
  NO_SEQUENCE,
  NO_TIMESTAMP,
  patchBatch,
  readBatchHeader,
  sealBatch,
  sequenceAfter,
  setLogAppendTime,
} from "./record-batch.ts";
export {
  type BatchBuffers,
  type BatchOptions,
  RecordBatchBuilder,
  type RecordBytes,
  type RecordHeader,
} from "./record-batch-builder.ts";
export {
  type BatchVerdict,
  type ScanFailure,
  type ScanStep,
  validateProducedBatch,
  validateStoredBatch,
} from "./record-batch-check.ts";
export {
  type CursorOptions,
  type DecodedHeader,
  type DecodedRecord,
  decodeRecords,
  RecordCursor,
} from "./record-cursor.ts";
export { topicCollisionKey, validateTopicName } from "./topic-name.ts";
export { UUID_BYTES, UUID_CHARACTERS, uuidFromText, uuidToText } from "./uuid.ts";
export * from "./wire/index.ts";
