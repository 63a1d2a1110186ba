/**
 * The CRC-32C of a run of batches, computed from the sums that the batches carry instead of from their bytes. Recovery
 * compares it with the real CRC of the run: one native call checks a thousand small batches, where a call for each costs
 * several times its work.
 *
 * CRC(A B) = CRC(A) * x^(8 |B|) mod P  xor  CRC(B)   (zlib's crc32_combine; reflected, P = Castagnoli)
 *
 * A run with one bad batch never passes: the factor is invertible, so the whole differs exactly when that batch's own sum
 * does. Several bad ones cancel out with a probability of 2^-32, which is what one CRC promises of any damage.
 */
const POLYNOMIAL = 0x82f63b78;

/** A length is taken apart into digits of this many values; three of them reach beyond the largest batch. */
const DIGIT_BITS = 10;
const DIGIT_VALUES = 1 << DIGIT_BITS;

export class SpanCrc {
  readonly #byteTable = buildByteTable();
  /** x^(8 n * 1024^digit) for n < 1024: what the n bytes of a digit do to the CRC of what stands before them. */
  readonly #factors: readonly Int32Array[];
  #crc = 0;

  constructor() {
    const ones = powers(1 << 23, DIGIT_VALUES + 1); // x^8, reflected: bit 31 is x^0
    const thousands = powers(at(ones, DIGIT_VALUES), DIGIT_VALUES + 1);
    // 2^20 bytes and more: few values are enough for the last digit.
    this.#factors = [ones, thousands, powers(at(thousands, DIGIT_VALUES), 64)];
  }

  /** Unsigned; of everything appended since `reset`. */
  get value(): number {
    return this.#crc >>> 0;
  }

  reset(): void {
    this.#crc = 0;
  }

  /** Appends bytes[from, to) by their content. */
  appendBytes(bytes: Uint8Array, from: number, to: number): void {
    const table = this.#byteTable;
    let state = ~this.#crc;
    for (let index = from; index < to; index += 1)
      state = at(table, (state ^ (bytes[index] as number)) & 0xff) ^ (state >>> 8);
    this.#crc = ~state;
  }

  /** Appends `length` bytes by their CRC. */
  appendSum(crc: number, length: number): void {
    let shifted = this.#crc;
    let left = length;
    for (const factors of this.#factors) {
      shifted = multiply(at(factors, left & (DIGIT_VALUES - 1)), shifted);
      left >>>= DIGIT_BITS;
      if (left === 0) break;
    }
    this.#crc = shifted ^ crc;
  }
}

/** a * b mod P. Without branches: the bits are random, and a processor would guess half of them wrong. */
function multiply(a: number, b: number): number {
  let product = 0;
  let factor = a;
  let shifted = b;
  for (let bit = 0; bit < 32; bit += 1) {
    product ^= shifted & (factor >> 31);
    factor <<= 1;
    shifted = (shifted >>> 1) ^ (POLYNOMIAL & -(shifted & 1));
  }
  return product;
}

/** base^0, base^1 … */
function powers(base: number, count: number): Int32Array {
  const table = new Int32Array(count);
  let power = 1 << 31;
  for (let exponent = 0; exponent < count; exponent += 1) {
    table[exponent] = power;
    power = multiply(base, power);
  }
  return table;
}

function buildByteTable(): Int32Array {
  const table = new Int32Array(256);
  for (let value = 0; value < 256; value += 1) {
    let crc = value;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (POLYNOMIAL & -(crc & 1));
    table[value] = crc;
  }
  return table;
}

/** The caller knows that the index is in range. */
function at(table: Int32Array, index: number): number {
  return table[index] as number;
}
