/**
 * Snappy in the framing of Kafka's Java client (snappy-java, "xerial"), which is not the official framing format:
 *
 *   82 53 4E 41 50 50 59 00 | version, 4 | compatible version, 4 | (size of a block, 4 | snappy block)*
 *
 * Numbers are big endian. Streams may follow one another, header and all. librdkafka and others send one bare snappy
 * block instead, so both are read; a bare block cannot be mistaken, for the header read as one would begin with a copy
 * of bytes that do not exist. The version fields are not judged: writers disagree about their byte order.
 */
import { malformed, tooLarge } from "./faults.ts";
import type { Codec } from "./codec.ts";
import {
  decodeSnappyElements,
  encodeSnappyBlock,
  isSnappyLengthPlausible,
  readSnappyBlockHeader,
  SNAPPY_BLOCK_BYTES_MAX,
  snappyBlockBound,
} from "./snappy-block.ts";

const MAGIC: readonly number[] = [0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00];
const STREAM_HEADER_BYTES = 16;
const BLOCK_SIZE_BYTES = 4;

/** The header that opens every stream written here: magic, version 1, compatible with version 1. */
export const XERIAL_HEADER: Buffer = Buffer.from([...MAGIC, 0, 0, 0, 1, 0, 0, 0, 1]);

export const snappyCodec: Codec = { name: "snappy", compress, decompress };

/** Walks the snappy blocks of `bytes`, framed or bare: `next()` until false. */
export class SnappyBlockCursor {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #isFramed: boolean;
  #at = 0;

  /** The block: bytes[blockStart, blockEnd), its elements from `elementsStart` on. */
  blockStart = 0;
  blockEnd = 0;
  elementsStart = 0;
  /** What the block says it inflates to. */
  uncompressedBytes = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#isFramed = hasMagic(bytes, 0);
    if (bytes.length === 0) throw malformed("snappy", "no data");
  }

  /** Moves to the next block; false at the end. Throws ProtoError CORRUPT_MESSAGE. */
  next(): boolean {
    if (this.#isFramed) {
      while (hasMagic(this.#bytes, this.#at)) this.#skip(STREAM_HEADER_BYTES);
    }
    if (this.#at === this.#bytes.length) return false;
    let size = this.#bytes.length;
    if (this.#isFramed) {
      this.#skip(BLOCK_SIZE_BYTES);
      size = this.#view.getUint32(this.#at - BLOCK_SIZE_BYTES, false);
    }
    this.blockStart = this.#at;
    this.#skip(size);
    this.blockEnd = this.#at;
    const header = readSnappyBlockHeader(this.#bytes, this.blockStart, this.blockEnd);
    this.elementsStart = header.elementsStart;
    this.uncompressedBytes = header.uncompressedBytes;
    return true;
  }

  #skip(count: number): void {
    if (count > this.#bytes.length - this.#at) throw malformed("snappy", "cut off within its framing");
    this.#at += count;
  }
}

/**
 * What the blocks state to inflate to, in bytes: the exact size of well-formed data. Throws ProtoError: INVALID_RECORD
 * above `maxBytes`, CORRUPT_MESSAGE for a malformed framing or a length that so few bytes cannot fill.
 */
export function snappyUncompressedBound(bytes: Uint8Array, maxBytes: number): number {
  const cursor = new SnappyBlockCursor(bytes);
  let sum = 0;
  while (cursor.next()) {
    sum += cursor.uncompressedBytes;
    if (sum > maxBytes) throw tooLarge("snappy", maxBytes);
    if (!isSnappyLengthPlausible(cursor.uncompressedBytes, cursor.blockEnd - cursor.elementsStart)) {
      throw malformed("snappy", `${cursor.blockEnd - cursor.blockStart} bytes cannot hold ${cursor.uncompressedBytes}`);
    }
  }
  return sum;
}

function compress(bytes: Uint8Array): Buffer {
  const fullBlocks = Math.floor(bytes.length / SNAPPY_BLOCK_BYTES_MAX);
  const room =
    STREAM_HEADER_BYTES +
    fullBlocks * (BLOCK_SIZE_BYTES + snappyBlockBound(SNAPPY_BLOCK_BYTES_MAX)) +
    BLOCK_SIZE_BYTES +
    snappyBlockBound(bytes.length % SNAPPY_BLOCK_BYTES_MAX);
  const stream = Buffer.allocUnsafe(room);
  stream.set(XERIAL_HEADER, 0);
  let at = STREAM_HEADER_BYTES;
  for (let from = 0; from < bytes.length; from += SNAPPY_BLOCK_BYTES_MAX) {
    const to = Math.min(from + SNAPPY_BLOCK_BYTES_MAX, bytes.length);
    const end = encodeSnappyBlock(bytes, from, to, stream, at + BLOCK_SIZE_BYTES);
    stream.writeUInt32BE(end - at - BLOCK_SIZE_BYTES, at);
    at = end;
  }
  return stream.subarray(0, at);
}

function decompress(bytes: Uint8Array, maxBytes: number): Buffer {
  const output = Buffer.allocUnsafe(snappyUncompressedBound(bytes, maxBytes));
  const cursor = new SnappyBlockCursor(bytes);
  let at = 0;
  while (cursor.next()) {
    const end = at + cursor.uncompressedBytes;
    decodeSnappyElements(bytes, cursor.elementsStart, cursor.blockEnd, output, at, end);
    at = end;
  }
  return output;
}

function hasMagic(bytes: Uint8Array, at: number): boolean {
  if (bytes.length - at < MAGIC.length) return false;
  return MAGIC.every((byte, i) => bytes[at + i] === byte);
}
