/**
 * LZ4 in frames, as Kafka uses it since message format 2: frames of independent 64 KiB blocks without checksums are
 * written; frames with dependent blocks, any block maximum, checksums and content sizes are read, one or several.
 */
import { malformed, tooLarge } from "./faults.ts";
import {
  decodeLz4Block,
  encodeLz4Block,
  LZ4_BLOCK_BYTES_MAX,
  LZ4_EXPANSION_MAX,
  lz4BlockBound,
  measureLz4Block,
} from "./lz4-block.ts";
import {
  LZ4_BLOCK_MAX_64_KIB,
  LZ4_FLAGS_INDEPENDENT,
  LZ4_FRAME_MAGIC,
  LZ4_STORED_BIT,
  Lz4FrameCursor,
  lz4HeaderChecksum,
} from "./lz4-frame.ts";
import type { Codec } from "./codec.ts";
import { xxhash32 } from "./xxhash32.ts";

const FRAME_HEADER_BYTES = 7;
const BLOCK_SIZE_BYTES = 4;
const END_MARK_BYTES = 4;

export const lz4Codec: Codec = { name: "lz4", compress, decompress };

/**
 * An upper bound, in bytes, of what the frames inflate to, read from their headers. Throws ProtoError: INVALID_RECORD
 * when they inflate to more than `maxBytes`, CORRUPT_MESSAGE when the frames are malformed.
 *
 * Block headers alone bound a block by its frame's block maximum, which for a small last block is far off. So only where
 * that says "too much" are the blocks themselves measured, by their lengths and exactly.
 */
export function lz4UncompressedBound(bytes: Uint8Array, maxBytes: number): number {
  const bound = sumOverBlocks(bytes, (cursor) =>
    cursor.isStored
      ? cursor.blockEnd - cursor.blockStart
      : Math.min(cursor.blockBytesMax, LZ4_EXPANSION_MAX * (cursor.blockEnd - cursor.blockStart)),
  );
  if (bound <= maxBytes) return bound;
  return sumOverBlocks(bytes, (cursor, before) => {
    const size = cursor.isStored
      ? cursor.blockEnd - cursor.blockStart
      : measureLz4Block(bytes, cursor.blockStart, cursor.blockEnd);
    if (size > cursor.blockBytesMax) throw malformed("lz4", "a block inflates beyond its size");
    if (before + size > maxBytes) throw tooLarge("lz4", maxBytes);
    return size;
  });
}

function sumOverBlocks(bytes: Uint8Array, sizeOf: (cursor: Lz4FrameCursor, before: number) => number): number {
  const cursor = new Lz4FrameCursor(bytes);
  let sum = 0;
  while (cursor.nextFrame()) {
    while (cursor.nextBlock()) sum += sizeOf(cursor, sum);
  }
  return sum;
}

function compress(bytes: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(frameBound(bytes.length));
  frame.writeUInt32LE(LZ4_FRAME_MAGIC, 0);
  frame[4] = LZ4_FLAGS_INDEPENDENT;
  frame[5] = LZ4_BLOCK_MAX_64_KIB;
  frame[6] = lz4HeaderChecksum(frame, 4, 6);
  let at = FRAME_HEADER_BYTES;
  for (let from = 0; from < bytes.length; from += LZ4_BLOCK_BYTES_MAX) {
    const to = Math.min(from + LZ4_BLOCK_BYTES_MAX, bytes.length);
    const start = at + BLOCK_SIZE_BYTES;
    const end = encodeLz4Block(bytes, from, to, frame, start);
    if (end - start < to - from) {
      frame.writeUInt32LE(end - start, at);
      at = end;
    } else {
      frame.writeUInt32LE(to - from + LZ4_STORED_BIT, at);
      frame.set(bytes.subarray(from, to), start);
      at = start + to - from;
    }
  }
  frame.writeUInt32LE(0, at);
  return frame.subarray(0, at + END_MARK_BYTES);
}

/** Room that a frame of `bytesCount` bytes may need. */
function frameBound(bytesCount: number): number {
  const fullBlocks = Math.floor(bytesCount / LZ4_BLOCK_BYTES_MAX);
  return (
    FRAME_HEADER_BYTES +
    fullBlocks * (BLOCK_SIZE_BYTES + lz4BlockBound(LZ4_BLOCK_BYTES_MAX)) +
    BLOCK_SIZE_BYTES +
    lz4BlockBound(bytesCount % LZ4_BLOCK_BYTES_MAX) +
    END_MARK_BYTES
  );
}

function decompress(bytes: Uint8Array, maxBytes: number): Buffer {
  const output = Buffer.allocUnsafe(lz4UncompressedBound(bytes, maxBytes));
  const cursor = new Lz4FrameCursor(bytes);
  let at = 0;
  while (cursor.nextFrame()) {
    const frameStart = at;
    while (cursor.nextBlock()) at = decompressBlock(bytes, cursor, output, frameStart, at);
    if (cursor.contentBytes !== null && cursor.contentBytes !== at - frameStart) {
      throw malformed("lz4", `content of ${at - frameStart} bytes in a frame that states ${cursor.contentBytes}`);
    }
    if (cursor.contentChecksum !== null && cursor.contentChecksum !== xxhash32(output, frameStart, at)) {
      throw malformed("lz4", "wrong content checksum");
    }
  }
  // A copy where much of the bound was not needed, so that a small result does not hold a large allocation.
  return at > output.length / 2 ? output.subarray(0, at) : Buffer.from(output.subarray(0, at));
}

function decompressBlock(
  bytes: Uint8Array,
  cursor: Lz4FrameCursor,
  output: Buffer,
  frameStart: number,
  at: number,
): number {
  const { blockStart, blockEnd } = cursor;
  if (cursor.blockChecksum !== null && cursor.blockChecksum !== xxhash32(bytes, blockStart, blockEnd)) {
    throw malformed("lz4", "wrong block checksum");
  }
  if (cursor.isStored) {
    output.set(bytes.subarray(blockStart, blockEnd), at);
    return at + blockEnd - blockStart;
  }
  const windowStart = cursor.hasDependentBlocks ? frameStart : at;
  const end = Math.min(at + cursor.blockBytesMax, output.length);
  return decodeLz4Block(bytes, blockStart, blockEnd, { bytes: output, windowStart, end }, at);
}
