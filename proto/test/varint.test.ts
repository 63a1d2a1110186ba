import { expect } from "chai";
import fc from "fast-check";
import { ByteReader } from "../src/byte-reader.ts";
import { ProtoError } from "../src/errors.ts";
import {
  unsignedVarintBytes,
  varintBytes,
  varlongBytes,
  writeUnsignedVarint,
  writeVarint,
  writeVarlong,
} from "../src/varint.ts";

const int32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const safe = fc.oneof(fc.maxSafeInteger(), int32);

/** LEB128 through BigInt: the slow oracle. */
function leb128(value: bigint): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  bytes.push(Number(rest));
  return Buffer.from(bytes);
}

function zigzag(value: number): bigint {
  return BigInt.asUintN(64, (BigInt(value) << 1n) ^ (BigInt(value) >> 63n));
}

function written(write: (target: Uint8Array, at: number, value: number) => number, value: number): Buffer {
  const target = Buffer.alloc(12);
  return target.subarray(1, write(target, 1, value));
}

function reader(bytes: Uint8Array): ByteReader {
  const fresh = new ByteReader("INVALID_REQUEST");
  fresh.open(Buffer.from(bytes), 0, bytes.length);
  return fresh;
}

describe("varints", () => {
  it("are those of the zig-zag table", () => {
    expect(written(writeVarint, 0).toString("hex")).to.equal("00");
    expect(written(writeVarint, -1).toString("hex")).to.equal("01");
    expect(written(writeVarint, 1).toString("hex")).to.equal("02");
    expect(written(writeVarint, -64).toString("hex")).to.equal("7f");
    expect(written(writeVarint, 64).toString("hex")).to.equal("8001");
    expect(written(writeVarint, 8191).toString("hex")).to.equal("fe7f");
    expect(written(writeVarint, -8193).toString("hex")).to.equal("818001");
    expect(written(writeVarint, 2 ** 31 - 1).toString("hex")).to.equal("feffffff0f");
    expect(written(writeVarint, -(2 ** 31)).toString("hex")).to.equal("ffffffff0f");
  });

  it("write and size every int32 as the oracle does, and read back", () => {
    fc.assert(
      fc.property(int32, (value) => {
        const bytes = written(writeVarint, value);
        expect(bytes).to.deep.equal(leb128(zigzag(value)));
        expect(varintBytes(value)).to.equal(bytes.length);
        expect(reader(bytes).zigzag32()).to.equal(value);
        expect(reader(bytes).zigzag64()).to.equal(value);
      }),
    );
  });

  it("write and size every safe integer as the oracle does, and read back", () => {
    fc.assert(
      fc.property(safe, (value) => {
        const bytes = written(writeVarlong, value);
        expect(bytes).to.deep.equal(leb128(zigzag(value)));
        expect(varlongBytes(value)).to.equal(bytes.length);
        expect(reader(bytes).zigzag64()).to.equal(value);
      }),
      {
        examples: [
          [2 ** 52],
          [-(2 ** 52)],
          [2 ** 52 - 1],
          [-(2 ** 52) - 1],
          [Number.MAX_SAFE_INTEGER],
          [Number.MIN_SAFE_INTEGER],
        ],
      },
    );
  });

  it("write and size unsigned integers as the oracle does, and read back", () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), fc.nat(52), (large, shift) => {
        const value = Math.floor(large / 2 ** shift);
        const bytes = written(writeUnsignedVarint, value);
        expect(bytes).to.deep.equal(leb128(BigInt(value)));
        expect(unsignedVarintBytes(value)).to.equal(bytes.length);
        expect(reader(bytes).varint64()).to.equal(value);
      }),
    );
  });

  it("refuses truncation, more than ten bytes and numbers beyond 2^53, and moves over nothing then", () => {
    const beyond = leb128(2n ** 53n);
    const endless = Buffer.alloc(11, 0x80);
    for (const method of ["varint32", "varint64", "zigzag32", "zigzag64"] as const) {
      expect(() => reader(Buffer.alloc(0))[method](), method).to.throw(ProtoError, "truncated");
      expect(() => reader(Buffer.from([0x80, 0x80]))[method](), method).to.throw(ProtoError, "truncated");
      expect(() => reader(endless)[method](), method).to.throw(ProtoError, "more than 10 bytes");
    }
    expect(() => reader(beyond).varint64()).to.throw(ProtoError, "2^53");
    expect(() => reader(leb128(2n ** 64n - 1n)).varint64()).to.throw(ProtoError, "2^53");
    expect(() => reader(leb128(2n ** 54n)).zigzag64()).to.throw(ProtoError, "2^53");
    expect(() => reader(leb128(2n ** 64n - 1n)).zigzag64()).to.throw(ProtoError, "2^53");
    const kept = reader(beyond);
    expect(() => kept.varint64()).to.throw(ProtoError);
    expect(kept.at).to.equal(0);
  });
});
