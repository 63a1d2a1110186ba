/**
 * Big-endian numbers in bytes that are known to be there. Buffer's own readers check each number and are too many calls to
 * be inlined, so that a batch header took four times as long; here the caller has checked, once for all fields.
 *
 * A read outside of the bytes throws nothing: what is missing counts as zero.
 */

export function readInt16(bytes: Uint8Array, at: number): number {
  return (((bytes[at] as number) << 24) >> 16) | (bytes[at + 1] as number);
}

export function readInt32(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at] as number) << 24) |
    ((bytes[at + 1] as number) << 16) |
    ((bytes[at + 2] as number) << 8) |
    (bytes[at + 3] as number)
  );
}

export function readUint32(bytes: Uint8Array, at: number): number {
  return readInt32(bytes, at) >>> 0;
}

/** An int64 as the nearest double: exact for safe integers, not a safe integer for all others. */
export function readInt64(bytes: Uint8Array, at: number): number {
  return readInt32(bytes, at) * 0x1_0000_0000 + readUint32(bytes, at + 4);
}

/** Writes a safe integer as an int64. */
export function writeInt64(bytes: Buffer, at: number, value: number): void {
  const high = Math.floor(value / 0x1_0000_0000);
  bytes.writeInt32BE(high, at);
  bytes.writeUInt32BE(value - high * 0x1_0000_0000, at + 4);
}
