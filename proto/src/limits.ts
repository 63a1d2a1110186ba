/**
 * Bounds that both sides of the contract know. A broker may be configured below them, never above.
 * The numbers are those of semantics 11.4 and 13(2), security 2 and 5, and performance 3.
 */

/** Upper bound of `max.message.bytes`, so that a batch always fits a message between brokers. */
export const MAX_MESSAGE_BYTES_MAX = 32 * 1024 * 1024;
/** Default of `decompressed.max.bytes`: the records of one batch, inflated. */
export const DECOMPRESSED_MAX_BYTES = 64 * 1024 * 1024;
/** Characters (all of one byte) in a topic name. */
export const MAX_TOPIC_NAME = 249;
/** Elements of all repeated fields of one message together. */
export const MAX_ELEMENTS = 1_000_000;
/** The same of a request to the admin service: as many topics, partitions and replicas as one may make, with their settings. */
export const MAX_ADMIN_ELEMENTS = 100_000;
/** Partitions that one request may name. */
export const MAX_PARTITIONS_PER_REQUEST = 10_000;
/** Produce credit in bytes that the server grants with its first message. */
export const PRODUCE_CREDIT_BYTES = 8 * 1024 * 1024;
/** `max_bytes` of a fetch subscription that names none. */
export const FETCH_MAX_BYTES_DEFAULT = 1024 * 1024;
/** Largest gRPC message into the broker's client door: a batch of 32 MiB and what is around it. */
export const GRPC_MAX_RECEIVE_BYTES = 40 * 1024 * 1024;
/** Largest gRPC message out of the broker's client door. */
export const GRPC_MAX_SEND_BYTES = 64 * 1024 * 1024;
/** Largest frame between brokers, either way. */
export const PEER_MESSAGE_BYTES_MAX = 64 * 1024 * 1024;
/** Trailer that carries the ErrorDetail of a failed call. */
export const ERROR_DETAIL_TRAILER = "tidemark-error-bin";
/** Offsets and sizes are safe integers: 2^53 - 1 is the last. */
export const MAX_OFFSET = Number.MAX_SAFE_INTEGER;
/** Sequence numbers of idempotent producers: 0 follows this one. */
export const MAX_SEQUENCE = 2 ** 31 - 1;
