/**
 * Zstandard (RFC 8878) on node:zlib, which has it from Node 22.15 on. Where it has not, the codec is there and refuses,
 * saying how to get one; the broker puts a native one in its place.
 */
import * as zlib from "node:zlib";

import { ProtoError } from "../errors.ts";
import { malformed } from "./faults.ts";
import type { Codec } from "./codec.ts";
import { ZstdFrameCursor, zstdUncompressedBound } from "./zstd-frame.ts";

/** The part of node:zlib that newer versions of Node add. */
interface ZlibWithZstd {
  readonly zstdCompressSync?: (bytes: Uint8Array) => Buffer;
  readonly zstdDecompressSync?: (bytes: Uint8Array, options: { maxOutputLength: number }) => Buffer;
}
const { zstdCompressSync, zstdDecompressSync } = zlib as unknown as ZlibWithZstd;

export const zstdCodec: Codec = {
  name: "zstd",
  compress(bytes) {
    if (zstdCompressSync === undefined) throw unavailable();
    return zstdCompressSync(bytes);
  },
  decompress(bytes, maxBytes) {
    if (zstdDecompressSync === undefined) throw unavailable();
    zstdUncompressedBound(bytes, maxBytes);
    // Frame by frame: that no decoder skips what follows the first one is then plain to see.
    const cursor = new ZstdFrameCursor(bytes);
    const parts: Buffer[] = [];
    while (cursor.next()) {
      const frame = bytes.subarray(cursor.frameStart, cursor.frameEnd);
      parts.push(inflateFrame(zstdDecompressSync, frame, cursor.uncompressedBound));
    }
    return parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts);
  },
};

function inflateFrame(
  inflate: NonNullable<ZlibWithZstd["zstdDecompressSync"]>,
  frame: Uint8Array,
  bound: number,
): Buffer {
  try {
    // node:zlib refuses a limit of 0.
    return inflate(frame, { maxOutputLength: Math.max(1, bound) });
  } catch (error: unknown) {
    throw malformed("zstd", error instanceof Error ? error.message : "undecodable");
  }
}

function unavailable(): ProtoError {
  return new ProtoError(
    "UNSUPPORTED_COMPRESSION_TYPE",
    "zstd is not part of this version of Node: run Node 22.15 or later, or hand an implementation to registerCodec()",
  );
}
