/**
 * The Zstandard frame format (RFC 8878), as a walk over its headers; the blocks themselves are for a decoder.
 *
 *   frame  = magic FD2FB528 | descriptor | [window, 1] | [dictionary id, 0-4] | [content size, 0-8] | block* | [checksum, 4]
 *   block  = header, 3: bit 0 last, bits 1-2 type, bits 3-23 size | data
 *   type   = 0 raw: `size` bytes   1 RLE: one byte, `size` times   2 compressed: `size` bytes
 *
 * Numbers are little endian. Frames may follow one another, and skippable ones (184D2A5x | size | data) stand between.
 */
import { malformed, tooLarge } from "./faults.ts";

const MAGIC = 0xfd2fb528;
const SKIPPABLE_MAGIC = 0x184d2a5;
const BLOCK_BYTES_MAX = 128 * 1024;
const BLOCK_HEADER_BYTES = 3;
const CHECKSUM_BYTES = 4;

const BLOCK_RLE = 1;
const BLOCK_RESERVED = 3;

/** Walks the frames of `bytes` that carry data: `next()` until false. */
export class ZstdFrameCursor {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  /** The frame, checksum and all: bytes[frameStart, frameEnd). */
  frameStart = 0;
  frameEnd = 0;
  /** An upper bound of what the frame inflates to. */
  uncompressedBound = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (bytes.length === 0) throw malformed("zstd", "no data");
  }

  /** Moves to the next frame; false at the end. Throws ProtoError CORRUPT_MESSAGE. */
  next(): boolean {
    while (this.#at < this.#bytes.length) {
      this.frameStart = this.#at;
      const magic = this.#readUint(4);
      if (magic >>> 4 === SKIPPABLE_MAGIC) {
        this.#skip(this.#readUint(4));
        continue;
      }
      if (magic !== MAGIC) throw malformed("zstd", `no frame begins with ${magic.toString(16).padStart(8, "0")}`);
      this.#walkFrame();
      this.frameEnd = this.#at;
      return true;
    }
    return false;
  }

  #walkFrame(): void {
    const descriptor = this.#readUint(1);
    const isSingleSegment = (descriptor & 0x20) !== 0;
    if ((descriptor & 0x08) !== 0) throw malformed("zstd", "a reserved bit in a frame header");
    let windowBytes = isSingleSegment ? Infinity : windowBytesOf(this.#readUint(1));
    if (this.#readUint([0, 1, 2, 4][descriptor & 3] ?? 0) !== 0)
      throw malformed("zstd", "a frame that needs a dictionary");
    const contentBytes = this.#readContentBytes(descriptor >>> 6, isSingleSegment);
    if (isSingleSegment) windowBytes = contentBytes ?? 0;

    const blockBytesMax = Math.min(windowBytes, BLOCK_BYTES_MAX);
    const blocksCount = this.#walkBlocks(blockBytesMax);
    if ((descriptor & 0x04) !== 0) this.#skip(CHECKSUM_BYTES);
    // The reckoning of libzstd, by which one-shot decoders allocate: the stated size, else full blocks.
    const blocksBound = blocksCount * blockBytesMax;
    if (contentBytes !== null && contentBytes > blocksBound) {
      throw malformed("zstd", `${blocksCount} blocks cannot hold the stated ${contentBytes} bytes`);
    }
    this.uncompressedBound = contentBytes ?? blocksBound;
  }

  /** The stated content size in bytes, or null. One beyond 2^53 loses digits, but no limit lets it pass anyway. */
  #readContentBytes(flag: number, isSingleSegment: boolean): number | null {
    if (flag === 0) return isSingleSegment ? this.#readUint(1) : null;
    if (flag === 1) return this.#readUint(2) + 256;
    const low = this.#readUint(4);
    return flag === 2 ? low : low + this.#readUint(4) * 2 ** 32;
  }

  #walkBlocks(blockBytesMax: number): number {
    for (let blocksCount = 1; ; blocksCount++) {
      const header = this.#readUint(BLOCK_HEADER_BYTES);
      const type = (header >>> 1) & 3;
      const size = header >>> 3;
      if (type === BLOCK_RESERVED) throw malformed("zstd", "a block of the reserved type");
      if (size > blockBytesMax) throw malformed("zstd", `a block of ${size} bytes where ${blockBytesMax} is the most`);
      this.#skip(type === BLOCK_RLE ? 1 : size);
      if ((header & 1) !== 0) return blocksCount;
    }
  }

  /** An unsigned number of `count` bytes, at most 4. */
  #readUint(count: number): number {
    const start = this.#at;
    this.#skip(count);
    let value = 0;
    for (let i = count - 1; i >= 0; i--) value = value * 256 + this.#view.getUint8(start + i);
    return value;
  }

  #skip(count: number): void {
    if (count > this.#bytes.length - this.#at) throw malformed("zstd", "cut off within a frame");
    this.#at += count;
  }
}

/** RFC 8878, 3.1.1.1.2: exponent in the high five bits, eighths in the low three. */
function windowBytesOf(descriptor: number): number {
  const base = 2 ** (10 + (descriptor >>> 3));
  return base + (base / 8) * (descriptor & 7);
}

/**
 * An upper bound, in bytes, of what the frames inflate to: the stated sizes, else the number of blocks times the largest
 * block the frame allows (at most 128 KiB), which is what libzstd itself reckons with. A decoder that is given no more
 * room than this cannot be made to write more. Throws ProtoError: INVALID_RECORD above `maxBytes`, CORRUPT_MESSAGE when
 * the frames are malformed.
 */
export function zstdUncompressedBound(bytes: Uint8Array, maxBytes: number): number {
  const cursor = new ZstdFrameCursor(bytes);
  let sum = 0;
  while (cursor.next()) {
    sum += cursor.uncompressedBound;
    if (sum > maxBytes) throw tooLarge("zstd", maxBytes);
  }
  return sum;
}
