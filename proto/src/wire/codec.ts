/**
 * Protocol Buffers by table: a message is a table of named fields, a field knows how to size, write and read its values.
 * Ordinary proto3 bytes come out, so that generated clients of any language read them.
 *
 * Encoding makes two passes, sizes then bytes, into one exact buffer or a place that the carrier names: payloads are copied once. Decoding copies nothing:
 * `bytes` fields are views. It accepts fields in any order, packed and unpacked scalars, unknown fields and fields of an
 * unexpected wire type (skipped) and keeps the last value of a repeated singular field. It refuses truncated varints,
 * lengths beyond the buffer and group wire types, and creates nothing on the word of a length; the elements of all
 * repeated fields of one message are bounded by MAX_ELEMENTS. Refusals are ProtoError INVALID_REQUEST.
 */
import { ByteReader } from "../byte-reader.ts";
import { MAX_ELEMENTS } from "../limits.ts";
import { unsignedVarintBytes, writeUnsignedVarint } from "../varint.ts";

/** Encodes and decodes messages of one type. */
export interface MessageCodec<T> {
  /** Throws RangeError for a number that its field cannot hold. */
  encode(message: T): Buffer;
  /** The views in the result keep `bytes` alive. Throws ProtoError INVALID_REQUEST. */
  decode(bytes: Buffer): T;
  /** Sizes the message now and writes it later, once, where its carrier wants it. It must not change in between. */
  defer(message: T): DeferredMessage;
}

/**
 * A message that is written straight into its frame. It has the two members that grpc-js uses of a serialized message, so a
 * payload is copied once on its way out instead of twice.
 */
export interface DeferredMessage {
  /** Size in bytes. */
  readonly length: number;
  /** Writes all bytes into `target` from `at` on; to be called once. Answers how many. */
  copy(target: Buffer, at: number): number;
}

export const WireType = { VARINT: 0, FIXED64: 1, LENGTH: 2, FIXED32: 5 } as const;

/** One column of a message's table: where the value goes, and in which shape. */
export interface Field<V> {
  readonly number: number;
  /** What a message without this field reads as. */
  initial(): V;
  /** Size with its tag; 0 = not written. Notes the sizes of nested messages in `writer`, in the order of writing. */
  size(value: V, writer: Writer): number;
  write(value: V, writer: Writer): void;
  /** The value after a field of this number was met; `previous` is what it was before. */
  read(reader: ByteReader, wireType: number, previous: V): V;
}

/** The table of a message: every property, exactly once. */
export type Fields<T> = { readonly [Name in keyof T]: Field<T[Name]> };

/** The target of one encoding, with the sizes of nested messages between its two passes. */
export class Writer {
  bytes: Buffer = EMPTY;
  at = 0;
  readonly #sizes: number[] = [];
  #read = 0;

  /** Sizing pass: keeps the place of a nested size, which is known only after the sizes inside it. */
  openSize(): number {
    return this.#sizes.push(0) - 1;
  }

  closeSize(slot: number, size: number): void {
    this.#sizes[slot] = size;
  }

  /** Writing pass: the next nested size, in the order in which they were opened. */
  nextSize(): number {
    const size = this.#sizes[this.#read] as number;
    this.#read += 1;
    return size;
  }

  unsigned(value: number): void {
    this.at = writeUnsignedVarint(this.bytes, this.at, value);
  }

  tag(number: number, wireType: number): void {
    this.unsigned(number * 8 + wireType);
  }
}

const EMPTY = Buffer.alloc(0);

/**
 * The codec of a message from its table. Fields are written in the order of the table. `maxElements` bounds the elements of
 * all repeated fields when it is decoded.
 */
export function message<T extends object>(fields: Fields<T>, maxElements = MAX_ELEMENTS): Message<T> {
  return new Message(fields, maxElements);
}

export class Message<T extends object> implements MessageCodec<T> {
  /** Names and fields in table order; values are typed by the table, which is why the walks below may forget V. */
  readonly #columns: readonly Column[];
  readonly #byNumber: (Column | undefined)[] = [];
  readonly #maxElements: number;

  constructor(fields: Fields<T>, maxElements: number) {
    this.#maxElements = maxElements;
    this.#columns = Object.entries(fields).map(([name, field]) => ({ name, field: field as Field<unknown> }));
    for (const column of this.#columns) this.#byNumber[column.field.number] = column;
  }

  encode(value: T): Buffer {
    const writer = new Writer();
    writer.bytes = Buffer.allocUnsafe(this.size(value, writer));
    this.write(value, writer);
    return writer.bytes;
  }

  defer(value: T): DeferredMessage {
    const writer = new Writer();
    const length = this.size(value, writer);
    return {
      length,
      copy: (target, at) => {
        writer.bytes = target;
        writer.at = at;
        this.write(value, writer);
        return length;
      },
    };
  }

  decode(bytes: Buffer): T {
    const reader = new ByteReader("INVALID_REQUEST");
    reader.elementsLeft = this.#maxElements;
    reader.open(bytes, 0, bytes.length);
    return this.read(reader);
  }

  /** Size of the fields, without tag and length of the message itself. */
  size(value: T, writer: Writer): number {
    const values = value as Values;
    let size = 0;
    for (const { name, field } of this.#columns) size += field.size(values[name], writer);
    return size;
  }

  write(value: T, writer: Writer): void {
    const values = value as Values;
    for (const { name, field } of this.#columns) field.write(values[name], writer);
  }

  /** Reads fields up to the reader's end. */
  read(reader: ByteReader): T {
    const values: Values = {};
    for (const { name, field } of this.#columns) values[name] = field.initial();
    while (reader.remaining > 0) {
      const tag = reader.varint64();
      if (tag < 8 || tag > 0xffffffff) throw reader.fail(`field number ${Math.floor(tag / 8)}`);
      const wireType = tag & 7;
      const column = this.#byNumber[tag >>> 3];
      if (column === undefined) skipField(reader, wireType);
      else values[column.name] = column.field.read(reader, wireType, values[column.name]);
    }
    return values as T;
  }
}

interface Column {
  readonly name: string;
  readonly field: Field<unknown>;
}

type Values = Record<string, unknown>;

/** Passes over the value of a field that nobody here knows, or whose wire type is not the one of its table. */
export function skipField(reader: ByteReader, wireType: number): void {
  switch (wireType) {
    case WireType.VARINT:
      reader.varint32();
      return;
    case WireType.FIXED64:
      reader.skip(8);
      return;
    case WireType.LENGTH:
      reader.skipPrefixed();
      return;
    case WireType.FIXED32:
      reader.skip(4);
      return;
    default:
      throw reader.fail(`wire type ${wireType}`);
  }
}

/** A nested message; null when absent. */
export function optional<T extends object>(number: number, type: Message<T>): Field<T | null> {
  return {
    number,
    initial: () => null,
    size: (value, writer) => (value === null ? 0 : nestedSize(number, type, value, writer)),
    write: (value, writer) => {
      if (value !== null) writeNested(number, type, value, writer);
    },
    read: (reader, wireType, previous) => {
      if (wireType === WireType.LENGTH) return readNested(type, reader);
      skipField(reader, wireType);
      return previous;
    },
  };
}

/** Repeated messages. */
export function list<T extends object>(number: number, type: Message<T>): Field<T[]> {
  return {
    number,
    initial: () => [],
    size: (values, writer) => {
      let size = 0;
      for (const value of values) size += nestedSize(number, type, value, writer);
      return size;
    },
    write: (values, writer) => {
      for (const value of values) writeNested(number, type, value, writer);
    },
    read: (reader, wireType, values) => {
      if (wireType === WireType.LENGTH) {
        reader.countElement();
        values.push(readNested(type, reader));
      } else skipField(reader, wireType);
      return values;
    },
  };
}

function nestedSize<T extends object>(number: number, type: Message<T>, value: T, writer: Writer): number {
  const slot = writer.openSize();
  const size = type.size(value, writer);
  writer.closeSize(slot, size);
  return lengthFieldBytes(number, size);
}

function writeNested<T extends object>(number: number, type: Message<T>, value: T, writer: Writer): void {
  writer.tag(number, WireType.LENGTH);
  writer.unsigned(writer.nextSize());
  type.write(value, writer);
}

function readNested<T extends object>(type: Message<T>, reader: ByteReader): T {
  const outerEnd = reader.end;
  const from = reader.skipPrefixed();
  const end = reader.at;
  reader.at = from;
  reader.end = end;
  const value = type.read(reader);
  reader.end = outerEnd;
  return value;
}

/** Size of a length-delimited field: tag, length, `length` bytes. */
export function lengthFieldBytes(number: number, length: number): number {
  return unsignedVarintBytes(number * 8) + unsignedVarintBytes(length) + length;
}
