/**
 * Reads numbers off the front of bytes that nobody vouches for: the wire, a fetched batch, an inflated block.
 *
 * Every step is checked against `end`; whatever does not fit throws a ProtoError with the code that the reader was made
 * for. Nothing is allocated on the word of a length. 64-bit values outside the safe integers are refused.
 * One class for all users, so that its methods stay monomorphic and inlined.
 */
import { type ErrorName, ProtoError } from "./errors.ts";
import { MAX_VARINT_BYTES } from "./varint.ts";

const EMPTY = Buffer.alloc(0);

export class ByteReader {
  /** The place of the next byte. Invariant: 0 <= at <= end <= bytes.length. */
  at = 0;
  end = 0;
  bytes: Buffer = EMPTY;
  /** How many elements of repeated fields may still come; the reader's owner sets it. */
  elementsLeft = 0;
  readonly #code: ErrorName;

  constructor(code: ErrorName) {
    this.#code = code;
  }

  /** Starts over on bytes[from, to). */
  open(bytes: Buffer, from: number, to: number): void {
    this.bytes = bytes;
    this.at = from;
    this.end = to;
  }

  get remaining(): number {
    return this.end - this.at;
  }

  fail(what: string): ProtoError {
    return new ProtoError(this.#code, `${what} at byte ${this.at}`);
  }

  /** Moves over `count` bytes and returns where they begin. `count` may be anything a varint can hold. */
  skip(count: number): number {
    const from = this.at;
    if (!(count >= 0 && count <= this.end - from)) {
      throw this.fail(`length ${count} does not fit into the ${this.end - from} bytes left`);
    }
    this.at = from + count;
    return from;
  }

  /** Moves over a length and as many bytes, and returns where they begin; they end at `at`. */
  skipPrefixed(): number {
    return this.skip(this.varint64());
  }

  /** Counts one element of a repeated field: two bytes on the wire may be a hundred in memory. */
  countElement(): void {
    if (this.elementsLeft === 0) throw this.fail("too many elements");
    this.elementsLeft -= 1;
  }

  /** The low 32 bits of an unsigned varint, as a signed int32. Longer varints are read to their end, as Protocol Buffers do. */
  varint32(): number {
    const bytes = this.bytes;
    let at = this.at;
    let value = 0;
    for (let shift = 0; shift < 7 * MAX_VARINT_BYTES; shift += 7) {
      if (at >= this.end) throw this.fail("truncated varint");
      const byte = bytes[at] as number;
      at += 1;
      if (shift < 32) value |= (byte & 0x7f) << shift;
      if (byte < 0x80) {
        this.at = at;
        return value;
      }
    }
    throw this.fail(`varint of more than ${MAX_VARINT_BYTES} bytes`);
  }

  /** A zig-zag varint of an int32, as records write their lengths: five bytes at most. */
  zigzag32(): number {
    const from = this.at;
    const value = this.varint32();
    if (this.at - from > 5) throw this.fail("varint of more than 5 bytes");
    return (value >>> 1) ^ -(value & 1);
  }

  /** A varint of any length, as false (0) or true. */
  bool(): boolean {
    const from = this.at;
    this.varint32();
    for (let at = from; at < this.at; at += 1) if (((this.bytes[at] as number) & 0x7f) !== 0) return true;
    return false;
  }

  /** An unsigned varint of 64 bits; refuses what is no safe integer. */
  varint64(): number {
    const bytes = this.bytes;
    const from = this.at;
    const first = from < this.end ? (bytes[from] as number) : 0x80;
    if (first < 0x80) {
      this.at = from + 1;
      return first;
    }
    let at = from;
    let value = 0;
    let scale = 1;
    for (;;) {
      if (at >= this.end) throw this.fail("truncated varint");
      const byte = bytes[at] as number;
      at += 1;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) break;
      if (at - from === MAX_VARINT_BYTES) throw this.fail(`varint of more than ${MAX_VARINT_BYTES} bytes`);
      scale *= 0x80;
    }
    // Sums of doubles are exact up to 2^53 and stay above it once they are: the check after the fact is enough.
    if (value > Number.MAX_SAFE_INTEGER) throw this.fail("number beyond 2^53");
    this.at = at;
    return value;
  }

  /** A zig-zag varint of 64 bits; refuses what is no safe integer. */
  zigzag64(): number {
    const bytes = this.bytes;
    const from = this.at;
    const first = from < this.end ? (bytes[from] as number) : 0x80;
    if (first < 0x80) {
      this.at = from + 1;
      return (first >>> 1) ^ -(first & 1);
    }
    // The sign sits in the lowest bit: 2^54 - 1 unsigned is still a safe integer once halved, so the halves are summed.
    let at = from;
    let half = 0;
    let scale = 0.5;
    let isNegative = false;
    for (;;) {
      if (at >= this.end) throw this.fail("truncated varint");
      const byte = bytes[at] as number;
      const bits = at === from ? byte & 0x7e : byte & 0x7f;
      if (at === from) isNegative = (byte & 1) === 1;
      at += 1;
      half += bits * scale;
      if (byte < 0x80) break;
      if (at - from === MAX_VARINT_BYTES) throw this.fail(`varint of more than ${MAX_VARINT_BYTES} bytes`);
      scale *= 0x80;
    }
    const value = isNegative ? -half - 1 : half;
    if (!Number.isSafeInteger(value)) throw this.fail("number beyond 2^53");
    this.at = at;
    return value;
  }
}
