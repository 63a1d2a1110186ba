/** The golden block comes from the Rust implementation behind the snappy package 7.2.2, the framing from snappy-java. */
import { expect } from "chai";
import fc from "fast-check";

import { snappyCodec, snappyUncompressedBound, XERIAL_HEADER } from "../../src/compression/index.ts";
import { expectProtoError, LIMIT_BYTES, noise, payloads, TIDE_TEXT } from "./fixtures.ts";

const BARE = Buffer.from(
  "b00248746865207469646520636f6d657320696e2c20151320676f6573206f75743b1913fe2600fe2600fe2600ee26000526",
  "hex",
);

function framed(...blocks: Buffer[]): Buffer {
  return Buffer.concat([
    XERIAL_HEADER,
    ...blocks.flatMap((block) => {
      const size = Buffer.alloc(4);
      size.writeUInt32BE(block.length);
      return [size, block];
    }),
  ]);
}

describe("snappy", () => {
  it("gives back what it was given", () => {
    fc.assert(
      fc.property(payloads, (bytes) => {
        const stream = snappyCodec.compress(bytes);
        expect(snappyUncompressedBound(stream, bytes.length)).to.equal(bytes.length);
        expect(snappyCodec.decompress(stream, bytes.length).equals(bytes)).to.equal(true);
      }),
      { numRuns: 150 },
    );
  });

  it("writes the framing of snappy-java", () => {
    const stream = snappyCodec.compress(TIDE_TEXT);
    expect(stream.subarray(0, 16).toString("hex")).to.equal("82534e41505059000000000100000001");
    expect(stream.readUInt32BE(16)).to.equal(stream.length - 20);
    expect(stream.length).to.be.below(TIDE_TEXT.length / 3);
    expect(snappyCodec.compress(Buffer.alloc(1 << 20)).length).to.be.below(60_000);
    expect(snappyCodec.compress(noise(1, 1 << 20)).length).to.be.below((1 << 20) + 200);
  });

  it("reads a golden block, bare as librdkafka sends it and framed as Java does", () => {
    expect(snappyCodec.decompress(BARE, TIDE_TEXT.length).equals(TIDE_TEXT)).to.equal(true);
    expect(snappyCodec.decompress(framed(BARE), TIDE_TEXT.length).equals(TIDE_TEXT)).to.equal(true);
    expectProtoError(() => snappyCodec.decompress(BARE, TIDE_TEXT.length - 1), "INVALID_RECORD");
  });

  it("reads several blocks, and streams one after another", () => {
    const bytes = Buffer.concat([framed(BARE, BARE), framed(), framed(BARE)]);
    expect(
      snappyCodec.decompress(bytes, LIMIT_BYTES).equals(Buffer.concat([TIDE_TEXT, TIDE_TEXT, TIDE_TEXT])),
    ).to.equal(true);
    expectProtoError(() => snappyCodec.decompress(bytes, 3 * TIDE_TEXT.length - 1), "INVALID_RECORD");
  });

  it("reads every kind of element", () => {
    const literal = noise(3, 70_000);
    const stated = Buffer.from([0xff, 0xff, 0x00]); // 65,536 - 1, in three bytes
    const block = Buffer.concat([
      Buffer.from([0x93, 0x80, 0x04]), // varint of 65,555
      Buffer.from([62 << 2]),
      stated,
      literal.subarray(0, 65_536),
      Buffer.from([(0 << 2) | 1, 4]), // copy 4 bytes from 4 back
      Buffer.from([(9 << 2) | 2, 10, 0]), // copy 10 from 10 back
      Buffer.from([(4 << 2) | 3, 0, 0, 1, 0]), // copy 5 from 65,536 back
    ]);
    const output = snappyCodec.decompress(block, LIMIT_BYTES);
    const expected = Buffer.concat([literal.subarray(0, 65_536), literal.subarray(65_532, 65_536)]);
    const withTen = Buffer.concat([expected, expected.subarray(expected.length - 10)]);
    const start = withTen.length - 65_536;
    expect(output.equals(Buffer.concat([withTen, withTen.subarray(start, start + 5)]))).to.equal(true);
  });

  it("refuses six bytes that promise 4 GiB, without a moment's work", () => {
    const bomb = Buffer.from("ffffffff0f00", "hex");
    expectProtoError(() => snappyCodec.decompress(bomb, LIMIT_BYTES), "INVALID_RECORD");
    expectProtoError(() => snappyCodec.decompress(framed(bomb), LIMIT_BYTES), "INVALID_RECORD");
    // Within the limit, but more than so few bytes can hold: nothing is allocated for it.
    expectProtoError(() => snappyCodec.decompress(Buffer.from("ffffff1f00", "hex"), LIMIT_BYTES), "CORRUPT_MESSAGE");
  });

  it("refuses no data, cut data and data behind the block", () => {
    expectProtoError(() => snappyCodec.decompress(Buffer.alloc(0), LIMIT_BYTES), "CORRUPT_MESSAGE");
    for (const whole of [BARE, framed(BARE)]) {
      for (let end = whole === BARE ? 1 : 17; end < whole.length; end++) {
        expectProtoError(() => snappyCodec.decompress(whole.subarray(0, end), LIMIT_BYTES), "CORRUPT_MESSAGE");
      }
      const tailed = Buffer.concat([whole, Buffer.from("garbage")]);
      expectProtoError(() => snappyCodec.decompress(tailed, LIMIT_BYTES), "CORRUPT_MESSAGE");
    }
  });

  it("refuses lengths beyond 32 bits and copies from nowhere", () => {
    for (const hex of ["ffffffffff01", "8080808080", "0401ff", "040500", "08000005"]) {
      expectProtoError(() => snappyCodec.decompress(Buffer.from(hex, "hex"), 2 ** 40), "CORRUPT_MESSAGE");
    }
  });
});
