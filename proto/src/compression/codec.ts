/** What a codec is: the names and ids of record batch attributes bits 0-2 (semantics 2.3), and the one interface. */

/** Attributes bits 0-2 of a record batch. 5 to 7 are not assigned. */
export type CodecId = 0 | 1 | 2 | 3 | 4;
export type CodecName = "none" | "gzip" | "snappy" | "lz4" | "zstd";

/** Names by id. */
export const CODEC_NAMES: readonly CodecName[] = ["none", "gzip", "snappy", "lz4", "zstd"];

/**
 * One way to squeeze the records of a batch. Both methods are synchronous, keep no state between calls and leave their
 * input alone; what they return may be a view of the input only for "none".
 */
export interface Codec {
  readonly name: CodecName;
  /** Throws ProtoError UNSUPPORTED_COMPRESSION_TYPE where this process has no implementation. */
  compress(bytes: Uint8Array): Buffer;
  /**
   * Inflates all of `bytes`, at most to `maxBytes`. Throws ProtoError: INVALID_RECORD when the output would be larger,
   * CORRUPT_MESSAGE when the input is malformed, cut off or followed by something else, UNSUPPORTED_COMPRESSION_TYPE.
   */
  decompress(bytes: Uint8Array, maxBytes: number): Buffer;
}
