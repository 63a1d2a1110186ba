/**
 * CRC-32C (Castagnoli, reflected polynomial 0x82f63b78; RFC 3720 appendix B.4): the checksum of record batches,
 * snapshots and checkpoints.
 *
 * The JavaScript implementation is slicing-by-16: sixteen look-ups take in four words, and none of them waits for another.
 * A process may register a native one; it is asked only for spans that are long enough to pay for the call. Both give the
 * same numbers.
 */

/** Shorter spans are done byte by byte in JavaScript: a DataView or a call into native code costs more than it saves. */
const LONG_SPAN_BYTES = 128;

const SLICES = 16;
const POLYNOMIAL = 0x82f63b78;

/** Slice k at [k * 256, (k + 1) * 256): what a byte does to the CRC when k more bytes follow it in the block. */
const TABLE = buildTable();

let native: ((bytes: Uint8Array) => number) | null = null;

/**
 * Makes `implementation` compute the CRC of long spans from now on, in this process; null takes it back. It returns a
 * signed or unsigned int32.
 */
export function registerCrc32c(implementation: ((bytes: Uint8Array) => number) | null): void {
  native = implementation;
}

/** CRC-32C of bytes[from, to), unsigned. Throws RangeError for a span that does not lie inside `bytes`. */
export function crc32c(bytes: Uint8Array, from = 0, to = bytes.length): number {
  if (native === null || to - from < LONG_SPAN_BYTES) return crc32cJs(bytes, from, to);
  assertSpan(bytes, from, to);
  return native(from === 0 && to === bytes.length ? bytes : bytes.subarray(from, to)) >>> 0;
}

/** As crc32c, in JavaScript whatever is registered. */
export function crc32cJs(bytes: Uint8Array, from = 0, to = bytes.length): number {
  assertSpan(bytes, from, to);
  const blocksEnd = to - from < LONG_SPAN_BYTES ? from : to - ((to - from) % SLICES);
  let crc = blocksEnd === from ? -1 : crcOfBlocks(bytes, from, blocksEnd);
  for (let at = blocksEnd; at < to; at += 1)
    crc = (TABLE[(crc ^ (bytes[at] as number)) & 0xff] as number) ^ (crc >>> 8);
  return ~crc >>> 0;
}

/** The running CRC after bytes[from, to), a multiple of sixteen bytes. */
function crcOfBlocks(bytes: Uint8Array, from: number, to: number): number {
  // Written out, tables and all: sixteen helper calls are not always inlined, and then cost four times as much.
  const table = TABLE;
  const words = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let crc = -1;
  for (let at = from; at < to; at += SLICES) {
    const first = words.getInt32(at, true) ^ crc;
    const second = words.getInt32(at + 4, true);
    const third = words.getInt32(at + 8, true);
    const fourth = words.getInt32(at + 12, true);
    crc =
      (table[3840 + (first & 0xff)] as number) ^
      (table[3584 + ((first >>> 8) & 0xff)] as number) ^
      (table[3328 + ((first >>> 16) & 0xff)] as number) ^
      (table[3072 + (first >>> 24)] as number) ^
      (table[2816 + (second & 0xff)] as number) ^
      (table[2560 + ((second >>> 8) & 0xff)] as number) ^
      (table[2304 + ((second >>> 16) & 0xff)] as number) ^
      (table[2048 + (second >>> 24)] as number) ^
      (table[1792 + (third & 0xff)] as number) ^
      (table[1536 + ((third >>> 8) & 0xff)] as number) ^
      (table[1280 + ((third >>> 16) & 0xff)] as number) ^
      (table[1024 + (third >>> 24)] as number) ^
      (table[768 + (fourth & 0xff)] as number) ^
      (table[512 + ((fourth >>> 8) & 0xff)] as number) ^
      (table[256 + ((fourth >>> 16) & 0xff)] as number) ^
      (table[fourth >>> 24] as number);
  }
  return crc;
}

function assertSpan(bytes: Uint8Array, from: number, to: number): void {
  if (!(from >= 0 && from <= to && to <= bytes.length))
    throw new RangeError(`no bytes [${from}, ${to}) in ${bytes.length}`);
}

function buildTable(): Int32Array {
  const table = new Int32Array(SLICES * 256);
  for (let value = 0; value < 256; value += 1) {
    let crc = value;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc & 1) === 0 ? crc >>> 1 : (crc >>> 1) ^ POLYNOMIAL;
    table[value] = crc;
  }
  for (let at = 256; at < table.length; at += 1) {
    const previous = table[at - 256] as number;
    table[at] = (table[previous & 0xff] as number) ^ (previous >>> 8);
  }
  return table;
}
