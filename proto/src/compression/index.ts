/**
 * compression: what squeezes the records of a batch, and the registry through which everybody reaches it.
 *
 * Inputs: the records section of one batch, as bytes. Outputs: the same bytes squeezed or inflated, or a ProtoError.
 * Invariants: every codec name means one format, whoever implements it; output is bounded from the frame's own headers
 * before a decoder runs (the `...UncompressedBound` functions), so that no input inflates beyond what the caller allows.
 * Not here: native implementations (the broker's platform layer registers them) and record batches, which choose a codec.
 */
export type { Codec, CodecId, CodecName } from "./codec.ts";
export { CODEC_NAMES } from "./codec.ts";
export { codecById, codecByName, registerCodec } from "./registry.ts";
export { lz4Codec, lz4UncompressedBound } from "./lz4.ts";
export { SnappyBlockCursor, snappyCodec, snappyUncompressedBound, XERIAL_HEADER } from "./snappy.ts";
export { zstdCodec } from "./zstd.ts";
export { zstdUncompressedBound } from "./zstd-frame.ts";
