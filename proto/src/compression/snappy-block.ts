/**
 * The snappy block format (format_description.txt of google/snappy), both ways.
 *
 *   block   = length of what it inflates to, varint of at most 32 bits | element*
 *   element = tag whose low two bits say what follows:
 *     0 literal, its length - 1 in the tag (to 59) or in 1 to 4 bytes (60 to 63), then the bytes
 *     1 copy of 4 to 11 bytes: 11-bit offset      2 copy of 1 to 64: 16-bit offset      3 the same: 32-bit offset
 *
 * The decoder trusts nothing: every length is checked against input and output before a byte moves, and since each step
 * consumes input, it ends.
 */
import { malformed } from "./faults.ts";

/** The largest block this encoder takes: match positions fit 16 bits. */
export const SNAPPY_BLOCK_BYTES_MAX = 65_536;
/** Most output per input that an element reaches: 64 bytes of copy from 3. */
const EXPANSION_MAX = 64 / 3;

const HASH_BITS = 13;
const MIN_MATCH_BYTES = 4;
const COPY_BYTES_MAX = 64;
/** Literals and copies below this length go byte by byte, which beats the call into the runtime. */
const SHORT_COPY_BYTES = 32;

const LITERAL = 0;
const COPY_1 = 1;
const COPY_2 = 2;

/** Last position of each hash within the block at hand; cleared for every block, so nothing carries over. */
const table = new Uint16Array(1 << HASH_BITS);

/** Room that `encodeSnappyBlock` may need for `bytesCount` bytes. */
export function snappyBlockBound(bytesCount: number): number {
  return 32 + bytesCount + Math.floor(bytesCount / 6);
}

/**
 * Writes source[from, to), at most SNAPPY_BLOCK_BYTES_MAX bytes, as one block into `target` at `at`, where
 * snappyBlockBound() bytes are free. Returns the end of what was written.
 */
export function encodeSnappyBlock(
  source: Uint8Array,
  from: number,
  to: number,
  target: Uint8Array,
  at: number,
): number {
  const view = new DataView(source.buffer, source.byteOffset, source.byteLength);
  const matchStartEnd = to - MIN_MATCH_BYTES;
  table.fill(0);
  at = writeVarint(target, at, to - from);
  let anchor = from;
  let cursor = from + 1; // a match needs something before it
  let misses = 0;
  while (cursor <= matchStartEnd) {
    const sequence = view.getInt32(cursor, true);
    const hash = Math.imul(sequence, 0x1e35a7bd) >>> (32 - HASH_BITS);
    const candidate = from + (table[hash] ?? 0);
    table[hash] = cursor - from;
    if (view.getInt32(candidate, true) !== sequence) {
      // Bytes that do not repeat are passed in growing strides.
      cursor += 1 + (misses++ >> 5);
      continue;
    }
    misses = 0;
    if (anchor < cursor) at = writeLiteral(source, anchor, cursor, target, at);
    let end = cursor + MIN_MATCH_BYTES;
    for (let back = candidate + MIN_MATCH_BYTES; end < to && source[end] === source[back]; back++) end++;
    at = writeCopies(target, at, cursor - candidate, end - cursor);
    anchor = end;
    cursor = end;
  }
  return anchor < to ? writeLiteral(source, anchor, to, target, at) : at;
}

function writeVarint(target: Uint8Array, at: number, value: number): number {
  for (; value >= 0x80; value >>>= 7) target[at++] = (value & 0x7f) | 0x80;
  target[at++] = value;
  return at;
}

function writeLiteral(source: Uint8Array, from: number, to: number, target: Uint8Array, at: number): number {
  const stated = to - from - 1; // at most 65,535: two bytes always do
  if (stated < 60) {
    target[at++] = (stated << 2) | LITERAL;
  } else if (stated < 0x100) {
    target[at++] = (60 << 2) | LITERAL;
    target[at++] = stated;
  } else {
    target[at++] = (61 << 2) | LITERAL;
    target[at++] = stated & 0xff;
    target[at++] = stated >>> 8;
  }
  if (to - from < SHORT_COPY_BYTES) {
    for (let i = from; i < to; i++) target[at++] = source[i] ?? 0;
    return at;
  }
  target.set(source.subarray(from, to), at);
  return at + to - from;
}

/** Writes a match of at least 4 bytes as copies of at most 64, none of them below 4. */
function writeCopies(target: Uint8Array, at: number, offset: number, length: number): number {
  while (length > COPY_BYTES_MAX) {
    // 60 before a rest of 5 to 8 leaves that rest to the short form.
    const part = length < COPY_BYTES_MAX + MIN_MATCH_BYTES ? COPY_BYTES_MAX - MIN_MATCH_BYTES : COPY_BYTES_MAX;
    at = writeCopy2(target, at, offset, part);
    length -= part;
  }
  if (length > 11 || offset >= 2048) return writeCopy2(target, at, offset, length);
  target[at++] = ((offset >>> 8) << 5) | ((length - 4) << 2) | COPY_1;
  target[at++] = offset & 0xff;
  return at;
}

function writeCopy2(target: Uint8Array, at: number, offset: number, length: number): number {
  target[at++] = ((length - 1) << 2) | COPY_2;
  target[at++] = offset & 0xff;
  target[at++] = offset >>> 8;
  return at;
}

/** The length header of a block: what it says it inflates to, and where its elements begin. */
export interface SnappyBlockHeader {
  readonly uncompressedBytes: number;
  readonly elementsStart: number;
}

/** Reads the length header of the block source[from, to). Throws ProtoError CORRUPT_MESSAGE. */
export function readSnappyBlockHeader(source: Uint8Array, from: number, to: number): SnappyBlockHeader {
  let length = 0;
  for (let i = 0; i < 5; i++) {
    if (from + i >= to) throw malformed("snappy", "cut off within a length");
    const byte = source[from + i] ?? 0;
    length += (byte & 0x7f) * 2 ** (7 * i);
    if (byte >= 0x80) continue;
    if (length > 0xffff_ffff) break;
    return { uncompressedBytes: length, elementsStart: from + i + 1 };
  }
  throw malformed("snappy", "a length of more than 32 bits");
}

/** Whether elements of `elementsBytes` bytes can inflate to `uncompressedBytes` at all. */
export function isSnappyLengthPlausible(uncompressedBytes: number, elementsBytes: number): boolean {
  return uncompressedBytes <= elementsBytes * EXPANSION_MAX;
}

/**
 * Decodes the elements source[from, to) into target[at, end), filling it exactly. Throws ProtoError CORRUPT_MESSAGE.
 */
export function decodeSnappyElements(
  source: Uint8Array,
  from: number,
  to: number,
  target: Uint8Array,
  at: number,
  end: number,
): void {
  const start = at;
  let cursor = from;
  while (cursor < to) {
    const tag = source[cursor++] ?? 0;
    const kind = tag & 3;
    if (kind === LITERAL) {
      let length = tag >>> 2;
      if (length >= 60) {
        const lengthBytes = length - 59;
        if (lengthBytes > to - cursor) throw malformed("snappy", "cut off within a literal length");
        length = 0;
        for (let i = 0; i < lengthBytes; i++) length += (source[cursor++] ?? 0) * 2 ** (8 * i);
      }
      length += 1;
      if (length > to - cursor) throw malformed("snappy", "a literal reaches beyond its block");
      if (length > end - at) throw malformed("snappy", "a block inflates beyond its stated length");
      if (length < SHORT_COPY_BYTES) {
        for (const stop = at + length; at < stop; ) target[at++] = source[cursor++] ?? 0;
      } else {
        target.set(source.subarray(cursor, cursor + length), at);
        at += length;
        cursor += length;
      }
      continue;
    }

    const operandBytes = kind === COPY_1 ? 1 : kind === COPY_2 ? 2 : 4;
    if (operandBytes > to - cursor) throw malformed("snappy", "cut off within a copy");
    let offset = source[cursor] ?? 0;
    let length = (tag >>> 2) + 1;
    if (kind === COPY_1) {
      offset |= (tag >>> 5) << 8;
      length = ((tag >>> 2) & 7) + 4;
    } else {
      offset |= (source[cursor + 1] ?? 0) << 8;
      if (kind !== COPY_2) offset += (source[cursor + 2] ?? 0) * 2 ** 16 + (source[cursor + 3] ?? 0) * 2 ** 24;
    }
    cursor += operandBytes;
    if (offset === 0 || offset > at - start) throw malformed("snappy", "a copy refers to bytes before its block");
    if (length > end - at) throw malformed("snappy", "a block inflates beyond its stated length");
    if (length < SHORT_COPY_BYTES || offset < length) {
      // Byte by byte also because a copy may overlap itself: that is how runs are written.
      for (const stop = at + length; at < stop; at++) target[at] = target[at - offset] ?? 0;
    } else {
      target.copyWithin(at, at - offset, at - offset + length);
      at += length;
    }
  }
  if (at !== end) throw malformed("snappy", "a block inflates to less than its stated length");
}
