import { expect } from "chai";
import fc from "fast-check";
import { crc32c, crc32cJs, registerCrc32c } from "../src/index.ts";

/** Bit by bit, from the polynomial: the slow oracle. */
function oracle(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc & 1) === 0 ? crc >>> 1 : (crc >>> 1) ^ 0x82f63b78;
  }
  return ~crc >>> 0;
}

describe("crc32c", () => {
  it("gives the sums of RFC 3720 appendix B.4", () => {
    expect(crc32c(Buffer.alloc(32, 0))).to.equal(0x8a9136aa);
    expect(crc32c(Buffer.alloc(32, 0xff))).to.equal(0x62a8ab43);
    expect(crc32c(Uint8Array.from({ length: 32 }, (_, at) => at))).to.equal(0x46dd794e);
    expect(crc32c(Uint8Array.from({ length: 32 }, (_, at) => 31 - at))).to.equal(0x113fdb5c);
    const readCommand = Buffer.from(
      `01c0${"00".repeat(14)}14000000000004000000001400000018280000000000000002${"00".repeat(7)}`,
      "hex",
    );
    expect(crc32c(readCommand)).to.equal(0xd9963a56);
    expect(crc32c(Buffer.from("123456789"))).to.equal(0xe3069283);
    expect(crc32c(Buffer.alloc(0))).to.equal(0);
  });

  it("agrees with the polynomial for every length, span and alignment", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), fc.nat(40), fc.nat(40), (bytes, before, after) => {
        const padded = Buffer.concat([Buffer.alloc(before, 7), bytes, Buffer.alloc(after, 9)]);
        expect(crc32c(padded, before, before + bytes.length)).to.equal(oracle(bytes));
      }),
    );
  });

  it("refuses spans that do not lie inside the bytes", () => {
    for (const [from, to] of [
      [-1, 2],
      [2, 1],
      [0, 5],
      [Number.NaN, 4],
      [0, Number.NaN],
    ] as const) {
      expect(() => crc32c(Buffer.alloc(4), from, to)).to.throw(RangeError);
    }
  });

  describe("with a registered implementation", () => {
    const spans: number[] = [];
    before(() =>
      registerCrc32c((bytes) => {
        spans.push(bytes.length);
        return oracle(bytes) | 0;
      }),
    );
    after(() => registerCrc32c(null));
    beforeEach(() => spans.splice(0));

    it("asks it for long spans and returns its number unsigned", () => {
      const bytes = Buffer.from("tide".repeat(1000));
      expect(crc32c(bytes, 3, 3003)).to.equal(crc32cJs(bytes, 3, 3003));
      expect(crc32c(bytes)).to.equal(crc32cJs(bytes));
      expect(spans).to.deep.equal([3000, 4000]);
    });

    it("keeps short spans in JavaScript", () => {
      expect(crc32c(Buffer.alloc(100))).to.equal(oracle(Buffer.alloc(100)));
      expect(spans).to.deep.equal([]);
    });

    it("checks the span of a long one too", () => {
      expect(() => crc32c(Buffer.alloc(200), 0, 500)).to.throw(RangeError);
    });
  });
});
