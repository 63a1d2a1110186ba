/**
 * The scalar types of proto3 that the contract uses, as fields of a message's table. Zero values are not written, as
 * proto3 has it. Integers of 64 bits are numbers: safe integers, refused beyond.
 */
import type { ByteReader } from "../byte-reader.ts";
import { unsignedVarintBytes, varintBytes, varlongBytes, writeVarint, writeVarlong } from "../varint.ts";
import { type Field, lengthFieldBytes, skipField, WireType, type Writer } from "./codec.ts";

/** How the values of one type are sized, written and read, without their tag. */
interface Scalar<V> {
  readonly wireType: number;
  readonly zero: V;
  isZero(value: V): boolean;
  /** Throws RangeError for a value that the type cannot hold. */
  bytes(value: V): number;
  write(value: V, writer: Writer): void;
  read(reader: ByteReader): V;
}

const NO_BYTES = Buffer.alloc(0);

const isZero = (value: number): boolean => value === 0;

const UINT32: Scalar<number> = {
  wireType: WireType.VARINT,
  zero: 0,
  isZero,
  bytes: (value) => unsignedVarintBytes(inRange("uint32", value, value >>> 0 === value)),
  write: (value, writer) => writer.unsigned(value),
  read: (reader) => reader.varint32() >>> 0,
};

const UINT64: Scalar<number> = {
  wireType: WireType.VARINT,
  zero: 0,
  isZero,
  bytes: (value) => unsignedVarintBytes(inRange("uint64", value, Number.isSafeInteger(value) && value >= 0)),
  write: (value, writer) => writer.unsigned(value),
  read: (reader) => reader.varint64(),
};

/** Negative values take ten bytes: the sign is extended to 64 bits. Enums are int32 on the wire. */
const INT32: Scalar<number> = {
  wireType: WireType.VARINT,
  zero: 0,
  isZero,
  bytes: (value) => (inRange("int32", value, (value | 0) === value) < 0 ? 10 : unsignedVarintBytes(value)),
  write: (value, writer) => {
    if (value >= 0) writer.unsigned(value);
    else writeNegative(value, writer);
  },
  read: (reader) => reader.varint32(),
};

const SINT32: Scalar<number> = {
  wireType: WireType.VARINT,
  zero: 0,
  isZero,
  bytes: (value) => varintBytes(inRange("sint32", value, (value | 0) === value)),
  write: (value, writer) => {
    writer.at = writeVarint(writer.bytes, writer.at, value);
  },
  read: (reader) => {
    const raw = reader.varint32();
    return (raw >>> 1) ^ -(raw & 1);
  },
};

const SINT64: Scalar<number> = {
  wireType: WireType.VARINT,
  zero: 0,
  isZero,
  bytes: (value) => varlongBytes(inRange("sint64", value, Number.isSafeInteger(value))),
  write: (value, writer) => {
    writer.at = writeVarlong(writer.bytes, writer.at, value);
  },
  read: (reader) => reader.zigzag64(),
};

const BOOL: Scalar<boolean> = {
  wireType: WireType.VARINT,
  zero: false,
  isZero: (value) => !value,
  bytes: () => 1,
  write: (value, writer) => writer.unsigned(value ? 1 : 0),
  read: (reader) => reader.bool(),
};

/** Malformed UTF-8 becomes U+FFFD: no name that means anything holds one. */
const STRING: Scalar<string> = {
  wireType: WireType.LENGTH,
  zero: "",
  isZero: (value) => value === "",
  bytes: (value) => Buffer.byteLength(value),
  write: (value, writer) => {
    writer.at += writer.bytes.write(value, writer.at, "utf8");
  },
  read: (reader) => {
    const from = reader.skipPrefixed();
    return reader.bytes.toString("utf8", from, reader.at);
  },
};

const BYTES: Scalar<Buffer> = {
  wireType: WireType.LENGTH,
  zero: NO_BYTES,
  isZero: (value) => value.length === 0,
  bytes: (value) => value.length,
  write: (value, writer) => {
    writer.bytes.set(value, writer.at);
    writer.at += value.length;
  },
  read: (reader) => {
    const from = reader.skipPrefixed();
    return reader.bytes.subarray(from, reader.at);
  },
};

export const uint32 = (number: number): Field<number> => singular(number, UINT32);
export const uint64 = (number: number): Field<number> => singular(number, UINT64);
export const int32 = (number: number): Field<number> => singular(number, INT32);
export const sint32 = (number: number): Field<number> => singular(number, SINT32);
export const sint64 = (number: number): Field<number> => singular(number, SINT64);
export const bool = (number: number): Field<boolean> => singular(number, BOOL);
export const string = (number: number): Field<string> => singular(number, STRING);
export const bytes = (number: number): Field<Buffer> => singular(number, BYTES);
/** An open enum: numbers that the contract does not know pass through. */
export const enumeration = int32;
export const strings = (number: number): Field<string[]> => repeated(number, STRING);
export const uint32s = (number: number): Field<number[]> => packed(number, UINT32);
export const sint32s = (number: number): Field<number[]> => packed(number, SINT32);

function singular<V>(number: number, type: Scalar<V>): Field<V> {
  const tagBytes = unsignedVarintBytes(number * 8);
  return {
    number,
    initial: () => type.zero,
    size: (value) => {
      if (type.isZero(value)) return 0;
      const size = type.bytes(value);
      return type.wireType === WireType.LENGTH ? lengthFieldBytes(number, size) : tagBytes + size;
    },
    write: (value, writer) => {
      if (type.isZero(value)) return;
      writer.tag(number, type.wireType);
      if (type.wireType === WireType.LENGTH) writer.unsigned(type.bytes(value));
      type.write(value, writer);
    },
    read: (reader, wireType, previous) => {
      if (wireType === type.wireType) return type.read(reader);
      skipField(reader, wireType);
      return previous;
    },
  };
}

/** Repeated strings: one field each, empty ones included. */
function repeated<V>(number: number, type: Scalar<V>): Field<V[]> {
  return {
    number,
    initial: () => [],
    size: (values) => {
      let size = 0;
      for (const value of values) size += lengthFieldBytes(number, type.bytes(value));
      return size;
    },
    write: (values, writer) => {
      for (const value of values) {
        writer.tag(number, type.wireType);
        writer.unsigned(type.bytes(value));
        type.write(value, writer);
      }
    },
    read: (reader, wireType, values) => {
      if (wireType === type.wireType) {
        reader.countElement();
        values.push(type.read(reader));
      } else skipField(reader, wireType);
      return values;
    },
  };
}

/** Repeated numbers: written packed, read in both forms. */
function packed(number: number, type: Scalar<number>): Field<number[]> {
  const sizeOf = (values: number[]): number => {
    let size = 0;
    for (const value of values) size += type.bytes(value);
    return size;
  };
  return {
    number,
    initial: () => [],
    size: (values) => (values.length === 0 ? 0 : lengthFieldBytes(number, sizeOf(values))),
    write: (values, writer) => {
      if (values.length === 0) return;
      writer.tag(number, WireType.LENGTH);
      writer.unsigned(sizeOf(values));
      for (const value of values) type.write(value, writer);
    },
    read: (reader, wireType, values) => {
      if (wireType === WireType.LENGTH) readPacked(reader, type, values);
      else if (wireType === type.wireType) {
        reader.countElement();
        values.push(type.read(reader));
      } else skipField(reader, wireType);
      return values;
    },
  };
}

function readPacked(reader: ByteReader, type: Scalar<number>, values: number[]): void {
  const outerEnd = reader.end;
  const from = reader.skipPrefixed();
  reader.end = reader.at;
  reader.at = from;
  while (reader.remaining > 0) {
    reader.countElement();
    values.push(type.read(reader));
  }
  reader.end = outerEnd;
}

/** A negative int32 as the varint of its 64-bit two's complement. */
function writeNegative(value: number, writer: Writer): void {
  const bytes = writer.bytes;
  let at = writer.at;
  for (let shift = 0; shift < 28; shift += 7) {
    bytes[at] = ((value >>> shift) & 0x7f) | 0x80;
    at += 1;
  }
  bytes[at] = (value >>> 28) | 0xf0;
  bytes.fill(0xff, at + 1, at + 5);
  bytes[at + 5] = 1;
  writer.at = at + 6;
}

function inRange(type: string, value: number, isIn: boolean): number {
  if (!isIn) throw new RangeError(`not a ${type}: ${value}`);
  return value;
}
