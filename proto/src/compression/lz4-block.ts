/**
 * The LZ4 block format (lz4_Block_format.md 1.6), both ways.
 *
 *   block    = sequence*; the last sequence ends after its literals
 *   sequence = token | more literal length | literals | match offset, 2 bytes LE | more match length
 *   token    = literal length (high 4 bits) and match length - 4 (low 4 bits); 15 goes on in bytes up to the first < 255
 *
 * The encoder keeps the format's end rules: the last five bytes are literals and no match begins in the last twelve.
 * The decoder trusts nothing: every length is checked against the input and the output before a byte moves, and since
 * each step consumes input, it ends.
 */
import { malformed } from "./faults.ts";

/** The largest block this encoder takes: match positions fit 16 bits, and 64 KiB is what Kafka's clients write. */
export const LZ4_BLOCK_BYTES_MAX = 65_536;
/** No byte of a block yields more output than a match length byte of 255. */
export const LZ4_EXPANSION_MAX = 255;

const MIN_MATCH_BYTES = 4;
const MATCH_START_MARGIN_BYTES = 12;
const LAST_LITERALS_BYTES = 5;
const HASH_BITS = 13;
/** Matches and literals below this length are copied byte by byte, which beats the call into the runtime. */
const SHORT_COPY_BYTES = 32;

/** Last position of each hash within the block at hand; cleared for every block, so nothing carries over. */
const table = new Uint16Array(1 << HASH_BITS);

/** Room that `encodeLz4Block` may need for `bytesCount` bytes. */
export function lz4BlockBound(bytesCount: number): number {
  return bytesCount + Math.floor(bytesCount / 255) + 16;
}

/**
 * Writes source[from, to), at most LZ4_BLOCK_BYTES_MAX bytes, as one block into `target` at `at`, where
 * lz4BlockBound() bytes are free. Returns the end of what was written.
 */
export function encodeLz4Block(source: Uint8Array, from: number, to: number, target: Uint8Array, at: number): number {
  const view = new DataView(source.buffer, source.byteOffset, source.byteLength);
  const matchStartEnd = to - MATCH_START_MARGIN_BYTES;
  const matchEnd = to - LAST_LITERALS_BYTES;
  table.fill(0);
  let anchor = from;
  let cursor = from + 1; // a match needs something before it
  let misses = 0;
  while (cursor < matchStartEnd) {
    const sequence = view.getInt32(cursor, true);
    const hash = Math.imul(sequence, 0x9e3779b1) >>> (32 - HASH_BITS);
    const candidate = from + (table[hash] ?? 0);
    table[hash] = cursor - from;
    if (view.getInt32(candidate, true) !== sequence) {
      // Bytes that do not repeat are passed in growing strides.
      cursor += 1 + (misses++ >> 6);
      continue;
    }
    misses = 0;
    let start = cursor;
    let match = candidate;
    while (start > anchor && match > from && source[start - 1] === source[match - 1]) {
      start--;
      match--;
    }
    let end = cursor + MIN_MATCH_BYTES;
    for (let back = candidate + MIN_MATCH_BYTES; end < matchEnd && source[end] === source[back]; back++) end++;
    at = writeSequence(source, anchor, start, target, at, end - start - MIN_MATCH_BYTES);
    const offset = start - match;
    target[at++] = offset & 0xff;
    target[at++] = offset >>> 8;
    at = writeLengthTail(target, at, end - start - MIN_MATCH_BYTES);
    anchor = end;
    cursor = end;
  }
  return writeSequence(source, anchor, to, target, at, 0);
}

/** Writes a token and the literals source[from, to) behind it. */
function writeSequence(
  source: Uint8Array,
  from: number,
  to: number,
  target: Uint8Array,
  at: number,
  matchLength: number,
): number {
  const literals = to - from;
  target[at++] = (Math.min(literals, 15) << 4) | Math.min(matchLength, 15);
  at = writeLengthTail(target, at, literals);
  if (literals < SHORT_COPY_BYTES) {
    for (let i = from; i < to; i++) target[at++] = source[i] ?? 0;
    return at;
  }
  target.set(source.subarray(from, to), at);
  return at + literals;
}

/** Writes what of a length does not fit the four bits of its token. */
function writeLengthTail(target: Uint8Array, at: number, length: number): number {
  if (length < 15) return at;
  let rest = length - 15;
  for (; rest >= 255; rest -= 255) target[at++] = 255;
  target[at++] = rest;
  return at;
}

/** Where the decoder writes, and what it may read back. */
export interface Lz4Output {
  readonly bytes: Uint8Array;
  /** Start of the bytes that a match may refer to: the block's own, or in frames of dependent blocks all before it. */
  readonly windowStart: number;
  /** End of the room of this block. */
  readonly end: number;
}

/**
 * Decodes the block source[from, to) into `output` from `at` on; returns the end of what was written. Throws ProtoError
 * CORRUPT_MESSAGE.
 */
export function decodeLz4Block(source: Uint8Array, from: number, to: number, output: Lz4Output, at: number): number {
  const target = output.bytes;
  let cursor = from;
  while (cursor < to) {
    const token = source[cursor++] ?? 0;
    let literals = token >>> 4;
    for (let more = literals === 15 ? 255 : 0; more === 255; literals += more) {
      if (cursor >= to) throw malformed("lz4", "a block ends within a length");
      more = source[cursor++] ?? 0;
    }
    if (literals > to - cursor) throw malformed("lz4", "literals reach beyond their block");
    if (literals > output.end - at) throw malformed("lz4", "a block inflates beyond its size");
    if (literals < SHORT_COPY_BYTES) {
      for (const end = at + literals; at < end; ) target[at++] = source[cursor++] ?? 0;
    } else {
      target.set(source.subarray(cursor, cursor + literals), at);
      at += literals;
      cursor += literals;
    }
    if (cursor === to) return at;

    if (to - cursor < 2) throw malformed("lz4", "a block ends within a match");
    const offset = (source[cursor] ?? 0) | ((source[cursor + 1] ?? 0) << 8);
    cursor += 2;
    let length = token & 15;
    for (let more = length === 15 ? 255 : 0; more === 255; length += more) {
      if (cursor >= to) throw malformed("lz4", "a block ends within a length");
      more = source[cursor++] ?? 0;
    }
    length += MIN_MATCH_BYTES;
    if (offset === 0 || offset > at - output.windowStart)
      throw malformed("lz4", "a match refers to bytes before its window");
    if (length > output.end - at) throw malformed("lz4", "a block inflates beyond its size");
    if (length < SHORT_COPY_BYTES || offset < length) {
      // Byte by byte also because a match may overlap itself: that is how runs are written.
      for (const end = at + length; at < end; at++) target[at] = target[at - offset] ?? 0;
    } else {
      target.copyWithin(at, at - offset, at - offset + length);
      at += length;
    }
  }
  throw malformed("lz4", "a block ends without its last literals");
}

/**
 * Size of what the block source[from, to) inflates to, from its lengths alone; nothing is written. Throws ProtoError
 * CORRUPT_MESSAGE. Exact for every block that decodes.
 */
export function measureLz4Block(source: Uint8Array, from: number, to: number): number {
  let cursor = from;
  let size = 0;
  while (cursor < to) {
    const token = source[cursor++] ?? 0;
    let literals = token >>> 4;
    for (let more = literals === 15 ? 255 : 0; more === 255; literals += more) {
      if (cursor >= to) throw malformed("lz4", "a block ends within a length");
      more = source[cursor++] ?? 0;
    }
    size += literals;
    cursor += literals;
    if (cursor === to) return size;
    cursor += 2;
    let length = token & 15;
    for (let more = length === 15 ? 255 : 0; more === 255; length += more) {
      if (cursor >= to) throw malformed("lz4", "a block ends within a length");
      more = source[cursor++] ?? 0;
    }
    size += length + MIN_MATCH_BYTES;
  }
  throw malformed("lz4", "a block ends without its last literals");
}
