/**
 * The registry of codecs: the five ids of record batch attributes bits 0-2 (semantics 2.3), each with one implementation.
 * It starts with the JavaScript ones; the broker's platform layer, or an application, puts native ones in their place.
 *
 * This is deliberately module state: which implementation runs is a property of the process, never of a batch, and every
 * implementation of a name reads what any other wrote.
 */
import { ProtoError } from "../errors.ts";
import { type Codec, CODEC_NAMES, type CodecName } from "./codec.ts";
import { gzipCodec } from "./gzip.ts";
import { lz4Codec } from "./lz4.ts";
import { noneCodec } from "./none.ts";
import { snappyCodec } from "./snappy.ts";
import { zstdCodec } from "./zstd.ts";

const codecs = new Map<CodecName, Codec>(
  [noneCodec, gzipCodec, snappyCodec, lz4Codec, zstdCodec].map((codec) => [codec.name, codec]),
);

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

/** The implementation of a codec. One that cannot work in this process refuses when it is used. */
export function codecByName(name: CodecName): Codec {
  const codec = codecs.get(name);
  if (codec === undefined)
    throw new ProtoError("UNSUPPORTED_COMPRESSION_TYPE", `there is no compression codec "${name}"`);
  return codec;
}
