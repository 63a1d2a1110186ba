/**
 * CRC-32C (Castagnoli, reflected polynomial 0x82f63b78; RFC 3720 appendix B.4): the checksum of record batches,
 * snapshots and checkpoints.
 *
 * The JavaScript implementation is slicing-by-16: sixteen table look-ups take in sixteen bytes, and none of them waits for
 * another. A process may register a native one; it is asked only for spans that are long enough to pay for the call.
 * Both give the same numbers.
 */

/** Spans below this many bytes are always done in JavaScript: the call into native code costs more than it saves. */
const NATIVE_MIN_BYTES = 128;

const SLICES = 16;
const POLYNOMIAL = 0x82f63b78;

/** Slice k at [k * 256, (k + 1) * 256): what a byte does to the CRC when k more bytes follow it in the block. */
const TABLE = buildTable();

let native: ((bytes: Uint8Array) => number) | null = null;

/** Makes `implementation` compute the CRC of long spans from now on, in this process. It returns a signed or unsigned int32. */
export function registerCrc32c(implementation: (bytes: Uint8Array) => number): void {
  native = implementation;
}

/** CRC-32C of bytes[from, to), unsigned. The span must lie inside `bytes`. */
export function crc32c(bytes: Uint8Array, from = 0, to = bytes.length): number {
  if (native !== null && to - from >= NATIVE_MIN_BYTES) {
    return native(from === 0 && to === bytes.length ? bytes : bytes.subarray(from, to)) >>> 0;
  }
  return crc32cJs(bytes, from, to);
}

/** As crc32c, in JavaScript whatever is registered. */
export function crc32cJs(bytes: Uint8Array, from = 0, to = bytes.length): number {
  if (!(from >= 0 && from <= to && to <= bytes.length)) throw new RangeError(`no bytes [${from}, ${to}) in ${bytes.length}`);
  const table = TABLE;
  // Indexes below are all in range, so `| 0` only tells the compiler that no undefined comes out.
  const slice = (at: number): number => table[at] as number;
  const byte = (index: number): number => bytes[index] as number;
  let crc = -1;
  let at = from;
  for (const blocksEnd = to - ((to - from) % SLICES); at < blocksEnd; at += SLICES) {
    crc =
      slice(3840 + (byte(at) ^ (crc & 0xff))) ^
      slice(3584 + (byte(at + 1) ^ ((crc >>> 8) & 0xff))) ^
      slice(3328 + (byte(at + 2) ^ ((crc >>> 16) & 0xff))) ^
      slice(3072 + (byte(at + 3) ^ (crc >>> 24))) ^
      slice(2816 + byte(at + 4)) ^
      slice(2560 + byte(at + 5)) ^
      slice(2304 + byte(at + 6)) ^
      slice(2048 + byte(at + 7)) ^
      slice(1792 + byte(at + 8)) ^
      slice(1536 + byte(at + 9)) ^
      slice(1280 + byte(at + 10)) ^
      slice(1024 + byte(at + 11)) ^
      slice(768 + byte(at + 12)) ^
      slice(512 + byte(at + 13)) ^
      slice(256 + byte(at + 14)) ^
      slice(byte(at + 15));
  }
  for (; at < to; at += 1) crc = slice((crc ^ byte(at)) & 0xff) ^ (crc >>> 8);
  return ~crc >>> 0;
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
