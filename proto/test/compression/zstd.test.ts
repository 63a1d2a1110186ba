/** Golden frames come from the zstd command line tool 1.5.4. Where node:zlib has no zstd, the refusal is tested instead. */
import * as zlib from "node:zlib";

import { expect } from "chai";
import fc from "fast-check";

import { zstdCodec, zstdUncompressedBound } from "../../src/compression/index.ts";
import { expectProtoError, LIMIT_BYTES, payloads, TIDE_TEXT } from "./fixtures.ts";

/** Made from a pipe: no content size, with a checksum. */
const STREAMED = Buffer.from(
  "28b52ffd0458450100e0746865207469646520636f6d657320696e2c20676f6573206f75743b0300fea42800fbb46286010879b715",
  "hex",
);
/** Made from a file: single segment, content size, no checksum. */
const SIZED = Buffer.from(
  "28b52ffd603000450100e0746865207469646520636f6d657320696e2c20676f6573206f75743b0300fea42800fbb4628601",
  "hex",
);
const SKIPPABLE = Buffer.from("502a4d1803000000010203", "hex");
const hasZstd = "zstdCompressSync" in zlib;

/** A frame of `count` blocks, each one zero byte repeated 128 KiB times: four bytes of input per block. */
function runsFrame(count: number): Buffer {
  const header = Buffer.from("28b52ffd0058", "hex"); // window of 2 MiB, size not stated
  const block = (isLast: boolean): number[] => {
    const word = ((128 * 1024) << 3) | (1 << 1) | (isLast ? 1 : 0);
    return [word & 0xff, (word >>> 8) & 0xff, word >>> 16, 0];
  };
  return Buffer.concat([header, ...Array.from({ length: count }, (_, i) => Buffer.from(block(i === count - 1)))]);
}

describe("zstd", () => {
  it("reads the bound of a frame from its header, or from the number of its blocks", () => {
    expect(zstdUncompressedBound(SIZED, LIMIT_BYTES)).to.equal(TIDE_TEXT.length);
    expect(zstdUncompressedBound(STREAMED, LIMIT_BYTES)).to.equal(128 * 1024);
    expect(zstdUncompressedBound(Buffer.concat([SIZED, SKIPPABLE, STREAMED]), LIMIT_BYTES)).to.equal(
      128 * 1024 + TIDE_TEXT.length,
    );
    expectProtoError(() => zstdUncompressedBound(SIZED, TIDE_TEXT.length - 1), "INVALID_RECORD");
  });

  it("refuses 8 KiB that inflate to 256 MiB, without a moment's work", () => {
    const bomb = runsFrame(2048);
    expect(bomb.length).to.be.below(8200);
    expectProtoError(() => zstdUncompressedBound(bomb, LIMIT_BYTES), "INVALID_RECORD");
    expectProtoError(() => zstdUncompressedBound(Buffer.concat([SIZED, bomb]), LIMIT_BYTES), "INVALID_RECORD");
    expect(zstdUncompressedBound(runsFrame(16), LIMIT_BYTES)).to.equal(2 << 20);
  });

  it("refuses a stated size that the blocks cannot hold", () => {
    const lying = Buffer.from(SIZED);
    lying.writeUInt16LE(0xffff, 5); // the same block with 65,791 bytes stated still may hold them
    expect(zstdUncompressedBound(lying, LIMIT_BYTES)).to.equal(65_791);
    const header = Buffer.from("28b52ffda000000004", "hex"); // 64 MiB stated, single segment
    expectProtoError(
      () => zstdUncompressedBound(Buffer.concat([header, SIZED.subarray(7)]), LIMIT_BYTES),
      "CORRUPT_MESSAGE",
    );
  });

  it("refuses no data, cut data, data behind the frame, dictionaries and reserved bits", () => {
    expectProtoError(() => zstdUncompressedBound(Buffer.alloc(0), LIMIT_BYTES), "CORRUPT_MESSAGE");
    for (let end = 1; end < STREAMED.length; end++) {
      expectProtoError(() => zstdUncompressedBound(STREAMED.subarray(0, end), LIMIT_BYTES), "CORRUPT_MESSAGE");
    }
    expectProtoError(
      () => zstdUncompressedBound(Buffer.concat([SIZED, Buffer.from("tail")]), LIMIT_BYTES),
      "CORRUPT_MESSAGE",
    );
    for (const hex of ["28b52ffd015801010000", "28b52ffd0858010000", "28b52ffd00580700002a"]) {
      expectProtoError(() => zstdUncompressedBound(Buffer.from(hex, "hex"), LIMIT_BYTES), "CORRUPT_MESSAGE");
    }
  });

  if (!hasZstd) {
    it("says how to get an implementation where node:zlib has none", () => {
      expect(expectProtoError(() => zstdCodec.compress(TIDE_TEXT), "UNSUPPORTED_COMPRESSION_TYPE").message).to.match(
        /22\.15/,
      );
      expectProtoError(() => zstdCodec.decompress(SIZED, LIMIT_BYTES), "UNSUPPORTED_COMPRESSION_TYPE");
    });
    return;
  }

  it("gives back what it was given", () => {
    fc.assert(
      fc.property(payloads, (bytes) => {
        expect(zstdCodec.decompress(zstdCodec.compress(bytes), bytes.length).equals(bytes)).to.equal(true);
      }),
      { numRuns: 60 },
    );
  });

  it("reads golden frames, one after another, and passes over skippable ones", () => {
    const bytes = Buffer.concat([SKIPPABLE, STREAMED, SKIPPABLE, SIZED, runsFrame(1)]);
    const expected = Buffer.concat([TIDE_TEXT, TIDE_TEXT, Buffer.alloc(128 * 1024)]);
    expect(zstdCodec.decompress(bytes, LIMIT_BYTES).equals(expected)).to.equal(true);
  });

  it("notices a wrong checksum", () => {
    const damaged = Buffer.from(STREAMED);
    damaged[damaged.length - 1] = 0;
    expectProtoError(() => zstdCodec.decompress(damaged, LIMIT_BYTES), "CORRUPT_MESSAGE");
  });
});
