/**
 * Variable-length integers, seven bits a byte, lowest first, the high bit saying that more follow: as Protocol Buffers
 * write them, and with zig-zag (0, -1, 1, -2 … become 0, 1, 2, 3 …) as records of batch format v2 do.
 *
 * Writers return the place behind what they wrote and rely on the caller for room. Numbers are safe integers; 64-bit
 * values beyond 2^53 cannot come in here and are refused by the reader (byte-reader.ts).
 */

/** A varint of 64 bits takes at most this many bytes. */
export const MAX_VARINT_BYTES = 10;

/** Beyond this magnitude a zig-zag value is no safe integer any more. */
const ZIGZAG_SAFE = 2 ** 52;

/** Size of an unsigned varint of a safe integer >= 0. */
export function unsignedVarintBytes(value: number): number {
  if (value <= 0xffffffff) return bytesOfBits(value);
  return 4 + unsignedVarintBytes(Math.floor(value / 0x10000000));
}

/** Writes an unsigned varint of a safe integer >= 0. */
export function writeUnsignedVarint(target: Uint8Array, at: number, value: number): number {
  let rest = value;
  let next = at;
  // Bit operations see 32 bits only: whatever is larger is divided down first.
  while (rest > 0x7fffffff) {
    target[next] = (rest % 0x80) | 0x80;
    next += 1;
    rest = Math.floor(rest / 0x80);
  }
  while (rest > 0x7f) {
    target[next] = (rest & 0x7f) | 0x80;
    next += 1;
    rest >>>= 7;
  }
  target[next] = rest;
  return next + 1;
}

/** Size of a zig-zag varint of an int32. */
export function varintBytes(value: number): number {
  return bytesOfBits((value << 1) ^ (value >> 31));
}

/** Writes a zig-zag varint of an int32. */
export function writeVarint(target: Uint8Array, at: number, value: number): number {
  const raw = (value << 1) ^ (value >> 31);
  if (raw >>> 7 === 0) {
    target[at] = raw;
    return at + 1;
  }
  if (raw >>> 14 === 0) {
    target[at] = raw | 0x80;
    target[at + 1] = raw >>> 7;
    return at + 2;
  }
  return writeUnsignedVarint(target, at, raw >>> 0);
}

/** Size of a zig-zag varint of a safe integer. */
export function varlongBytes(value: number): number {
  if ((value | 0) === value) return varintBytes(value);
  if (value >= -ZIGZAG_SAFE && value < ZIGZAG_SAFE) return unsignedVarintBytes(zigzag(value));
  return 8;
}

/** Writes a zig-zag varint of a safe integer. */
export function writeVarlong(target: Uint8Array, at: number, value: number): number {
  if ((value | 0) === value) return writeVarint(target, at, value);
  if (value >= -ZIGZAG_SAFE && value < ZIGZAG_SAFE) return writeUnsignedVarint(target, at, zigzag(value));
  // 54 bits: eight bytes. BigInt is slow, and right; such numbers do not occur in honest data.
  let rest = BigInt.asUintN(64, (BigInt(value) << 1n) ^ (BigInt(value) >> 63n));
  let next = at;
  for (; rest > 0x7fn; rest >>= 7n) {
    target[next] = Number(rest & 0x7fn) | 0x80;
    next += 1;
  }
  target[next] = Number(rest);
  return next + 1;
}

/** Varint size of an unsigned int32: its significant bits by sevens, at least one. */
function bytesOfBits(value: number): number {
  return ((38 - Math.clz32(value | 1)) / 7) | 0;
}

function zigzag(value: number): number {
  return value < 0 ? -2 * value - 1 : 2 * value;
}
