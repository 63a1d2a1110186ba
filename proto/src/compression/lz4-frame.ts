/**
 * The LZ4 frame format (lz4_Frame_format.md 1.6), as a walk over its headers.
 *
 *   frame  = magic 184D2204 | FLG | BD | [content size, 8] | header checksum, 1 | block* | 0, 4 | [content checksum, 4]
 *   FLG    = version 01 | independent blocks | block checksums | content size | content checksum | 0 | dictionary id
 *   BD     = 0 | block maximum 4 to 7: 64 KiB, 256 KiB, 1 MiB, 4 MiB | 0000
 *   block  = size, 4, the top bit saying "stored as it is" | data | [checksum, 4]
 *   header checksum = second byte of xxHash32 over FLG to content size
 *
 * Numbers are little endian. Frames may follow one another, and skippable ones (184D2A5x | size | data) stand between.
 * Checked here: everything but the checksums of blocks and content, which need the data.
 */
import { malformed } from "./faults.ts";
import { xxhash32 } from "./xxhash32.ts";

export const LZ4_FRAME_MAGIC = 0x184d2204;
/** Version 1, independent blocks: the flags Kafka's clients write and its Java client insists on. */
export const LZ4_FLAGS_INDEPENDENT = 0x60;
/** Blocks of at most 64 KiB. */
export const LZ4_BLOCK_MAX_64_KIB = 0x40;
/** In a block's size: the data stands as it is. */
export const LZ4_STORED_BIT = 0x8000_0000;

const FLAG_VERSION_MASK = 0xc0;
const FLAG_VERSION_1 = 0x40;
const FLAG_INDEPENDENT = 0x20;
const FLAG_BLOCK_CHECKSUM = 0x10;
const FLAG_CONTENT_SIZE = 0x08;
const FLAG_CONTENT_CHECKSUM = 0x04;
const FLAG_RESERVED = 0x02;
const FLAG_DICTIONARY = 0x01;
const SKIPPABLE_MAGIC = 0x184d2a5;

/** The byte that guards a frame's descriptor. */
export function lz4HeaderChecksum(bytes: Uint8Array, from: number, to: number): number {
  return (xxhash32(bytes, from, to) >>> 8) & 0xff;
}

/**
 * Walks the frames of `bytes` and the blocks of each: `nextFrame()` until false, and within a frame `nextBlock()` until
 * false. The fields describe where the cursor stands. Both throw ProtoError CORRUPT_MESSAGE.
 */
export class Lz4FrameCursor {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;
  #framesCount = 0;
  #flags = 0;

  /** Bytes that a block of this frame may inflate to. */
  blockBytesMax = 0;
  /** Whether a match may refer to earlier blocks of this frame. */
  hasDependentBlocks = false;
  /** Size of the frame's content as the header states it; null where it does not. */
  contentBytes: number | null = null;
  /** Known once nextBlock() said false: xxHash32 of the frame's content; null where it carries none. */
  contentChecksum: number | null = null;

  /** The block's data: bytes[blockStart, blockEnd). */
  blockStart = 0;
  blockEnd = 0;
  isStored = false;
  /** xxHash32 of the block's data as it stands here; null where it carries none. */
  blockChecksum: number | null = null;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Moves to the next frame; false at the end of the bytes, of which at least one frame was found. */
  nextFrame(): boolean {
    while (this.#at < this.#bytes.length || this.#framesCount === 0) {
      const magic = this.#readUint32("a frame");
      if (magic >>> 4 === SKIPPABLE_MAGIC) {
        this.#skip(this.#readUint32("a skippable frame"), "a skippable frame");
        this.#framesCount++;
        continue;
      }
      if (magic !== LZ4_FRAME_MAGIC)
        throw malformed("lz4", `no frame begins with ${magic.toString(16).padStart(8, "0")}`);
      this.#readDescriptor();
      this.#framesCount++;
      return true;
    }
    return false;
  }

  /** Moves to the next block of this frame; false once its end mark and content checksum have been read. */
  nextBlock(): boolean {
    const word = this.#readUint32("a block");
    if (word === 0) {
      this.contentChecksum = this.#hasFlag(FLAG_CONTENT_CHECKSUM) ? this.#readUint32("a content checksum") : null;
      return false;
    }
    const size = word & 0x7fff_ffff;
    if (size === 0 || size > this.blockBytesMax) throw malformed("lz4", `a block of ${size} bytes`);
    this.isStored = word >= LZ4_STORED_BIT;
    this.blockStart = this.#at;
    this.#skip(size, "a block");
    this.blockEnd = this.#at;
    this.blockChecksum = this.#hasFlag(FLAG_BLOCK_CHECKSUM) ? this.#readUint32("a block checksum") : null;
    return true;
  }

  #readDescriptor(): void {
    const start = this.#at;
    this.#skip(2, "a frame header");
    const flags = this.#view.getUint8(start);
    const blockSizes = this.#view.getUint8(start + 1);
    if ((flags & FLAG_VERSION_MASK) !== FLAG_VERSION_1) throw malformed("lz4", `frame version ${flags >>> 6}`);
    if ((flags & FLAG_RESERVED) !== 0 || (blockSizes & 0x8f) !== 0)
      throw malformed("lz4", "reserved bits in a frame header");
    if ((flags & FLAG_DICTIONARY) !== 0) throw malformed("lz4", "a frame that needs a dictionary");
    const sizeId = blockSizes >>> 4;
    if (sizeId < 4) throw malformed("lz4", `block maximum ${sizeId}`);
    this.#flags = flags;
    this.blockBytesMax = 1 << (8 + 2 * sizeId);
    this.hasDependentBlocks = (flags & FLAG_INDEPENDENT) === 0;
    this.contentBytes = this.#hasFlag(FLAG_CONTENT_SIZE) ? this.#readContentBytes() : null;
    this.contentChecksum = null;
    const end = this.#at;
    this.#skip(1, "a frame header");
    if (this.#view.getUint8(end) !== lz4HeaderChecksum(this.#bytes, start, end)) {
      throw malformed("lz4", "wrong header checksum");
    }
  }

  /** A size beyond 2^53 loses digits here, which does not matter: nothing that large passes any limit. */
  #readContentBytes(): number {
    const low = this.#readUint32("a frame header");
    const high = this.#readUint32("a frame header");
    return high * 2 ** 32 + low;
  }

  #hasFlag(flag: number): boolean {
    return (this.#flags & flag) !== 0;
  }

  #readUint32(part: string): number {
    const at = this.#at;
    this.#skip(4, part);
    return this.#view.getUint32(at, true);
  }

  #skip(count: number, part: string): void {
    if (count > this.#bytes.length - this.#at) throw malformed("lz4", `cut off within ${part}`);
    this.#at += count;
  }
}
