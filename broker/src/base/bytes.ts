/**
 * Big-endian fields in a row, written and read. A reader throws RangeError beyond the end of its bytes and for integers
 * that a number cannot hold; whoever reads what others wrote catches that once, at the top.
 */
const FIRST_BYTES = 256;
const TWO_TO_32 = 2 ** 32;

const utf8 = { encoder: new TextEncoder(), decoder: new TextDecoder("utf-8", { fatal: true }) };

export class ByteWriter {
  #bytes = new Uint8Array(FIRST_BYTES);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  /** So far; the next write may move it. */
  get written(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  u8(value: number): this {
    const at = this.#reserve(1);
    this.#view.setUint8(at, value);
    return this;
  }

  u16(value: number): this {
    const at = this.#reserve(2);
    this.#view.setUint16(at, value);
    return this;
  }

  u32(value: number): this {
    const at = this.#reserve(4);
    this.#view.setUint32(at, value);
    return this;
  }

  /** A safe integer >= 0. */
  u64(value: number): this {
    if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`${value} is no unsigned safe integer`);
    const at = this.#reserve(8);
    this.#view.setUint32(at, Math.floor(value / TWO_TO_32));
    this.#view.setUint32(at + 4, value % TWO_TO_32);
    return this;
  }

  bytes(value: Uint8Array): this {
    const at = this.#reserve(value.byteLength);
    this.#bytes.set(value, at);
    return this;
  }

  /** UTF-8 behind its length, one byte. */
  shortText(value: string): this {
    const bytes = utf8.encoder.encode(value);
    if (bytes.length > 0xff) throw new RangeError(`a text of ${bytes.length} bytes, 255 fit`);
    return this.u8(bytes.length).bytes(bytes);
  }

  /** What was written; the writer must not be used any more. */
  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** To be called first: it may replace the view. */
  #reserve(count: number): number {
    const at = this.#length;
    const end = at + count;
    if (end > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(end, 2 * this.#bytes.length));
      grown.set(this.#bytes);
      this.#bytes = grown;
      this.#view = new DataView(grown.buffer);
    }
    this.#length = end;
    return at;
  }
}

export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at: number;

  constructor(bytes: Uint8Array, at = 0) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#at = at;
  }

  /** Of the next field. */
  get position(): number {
    return this.#at;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#take(2));
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4));
  }

  u64(): number {
    const at = this.#take(8);
    const value = this.#view.getUint32(at) * TWO_TO_32 + this.#view.getUint32(at + 4);
    if (!Number.isSafeInteger(value)) throw new RangeError("an integer beyond 2^53");
    return value;
  }

  /** A view of the next `count` bytes, not a copy. */
  bytes(count: number): Uint8Array {
    const at = this.#take(count);
    return this.#bytes.subarray(at, at + count);
  }

  shortText(): string {
    try {
      return utf8.decoder.decode(this.bytes(this.u8()));
    } catch (cause: unknown) {
      if (cause instanceof RangeError) throw cause;
      throw new RangeError("a text that is no UTF-8", { cause });
    }
  }

  #take(count: number): number {
    if (count > this.left) throw new RangeError(`${count} bytes are wanted, ${this.left} are left`);
    const at = this.#at;
    this.#at += count;
    return at;
  }
}
