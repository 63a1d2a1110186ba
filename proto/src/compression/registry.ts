/**
 * The registry of codecs: the five ids of record batch attributes bits 0-2 (semantics 2.3), each with one implementation.
 * It starts with the JavaScript ones; the broker's platform layer, or an application, puts native ones in their place.
 *
 * This is deliberately module state: which implementation runs is a property of the process, never of a batch, and every
 * implementation of a name reads what any other wrote.
 */
import { ProtoError } from "../errors.ts";

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

const codecs = new Map<CodecName, Codec>();

/** Makes `codec` the implementation of its name from now on, in this process. */
export function registerCodec(codec: Codec): void {
  codecs.set(codec.name, codec);
}

/** The implementation behind attributes bits 0-2. Throws ProtoError UNSUPPORTED_COMPRESSION_TYPE for ids without a codec. */
export function codecById(id: number): Codec {
  const name = CODEC_NAMES[id];
  if (name === undefined) {
    throw new ProtoError(
      "UNSUPPORTED_COMPRESSION_TYPE",
      `compression codec ${id} does not exist; known are ${CODEC_NAMES.map((known, at) => `${at} ${known}`).join(", ")}`,
    );
  }
  return codecByName(name);
}

/** The implementation of a codec. Throws ProtoError UNSUPPORTED_COMPRESSION_TYPE when nothing is registered under the name. */
export function codecByName(name: CodecName): Codec {
  const codec = codecs.get(name);
  if (codec === undefined) {
    throw new ProtoError("UNSUPPORTED_COMPRESSION_TYPE", `no implementation of compression codec "${name}" is registered`);
  }
  return codec;
}
