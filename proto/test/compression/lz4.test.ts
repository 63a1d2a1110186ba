/** Golden frames come from the lz4 command line tool 1.9.4. */
import { expect } from "chai";
import fc from "fast-check";

import { lz4Codec, lz4UncompressedBound } from "../../src/compression/index.ts";
import { xxhash32 } from "../../src/compression/xxhash32.ts";
import { expectProtoError, LIMIT_BYTES, noise, payloads, TIDE_TEXT } from "./fixtures.ts";

const BLOCK = "2d000000f504746865207469646520636f6d657320696e2c20130096676f6573206f75743b13000f2600e9506f75743b20";
const WITH_CONTENT_CHECKSUM = Buffer.from(`04224d186440a7${BLOCK}00000000e490cae1`, "hex");
const WITH_BLOCK_CHECKSUMS = Buffer.from(`04224d187440bd${BLOCK}72fb108a00000000e490cae1`, "hex");
const WITH_CONTENT_SIZE = Buffer.from(`04224d1868403001000000000000${"30"}${BLOCK}00000000`, "hex");

/** A frame around ready-made blocks; `flags` as in FLG, no checksums of blocks or content. */
function frameOf(flags: number, blocks: readonly { data: Buffer; isStored: boolean }[]): Buffer {
  const header = Buffer.from([0x04, 0x22, 0x4d, 0x18, flags, 0x40, 0]);
  header[6] = (xxhash32(header, 4, 6) >>> 8) & 0xff;
  const parts: Buffer[] = [header];
  for (const { data, isStored } of blocks) {
    const size = Buffer.alloc(4);
    size.writeUInt32LE(data.length + (isStored ? 2 ** 31 : 0));
    parts.push(size, data);
  }
  return Buffer.concat([...parts, Buffer.alloc(4)]);
}

describe("lz4", () => {
  it("hashes as the published vectors of xxHash32", () => {
    expect(xxhash32(Buffer.from(""))).to.equal(0x02cc5d05);
    expect(xxhash32(Buffer.from("a"))).to.equal(0x550d7456);
    expect(xxhash32(Buffer.from("abc"))).to.equal(0x32d153ff);
    expect(xxhash32(Buffer.from("Nobody inspects the spammish repetition"))).to.equal(0xe2293b2f);
  });

  it("gives back what it was given", () => {
    fc.assert(
      fc.property(payloads, (bytes) => {
        const frame = lz4Codec.compress(bytes);
        expect(lz4UncompressedBound(frame, bytes.length)).to.equal(bytes.length);
        expect(lz4Codec.decompress(frame, bytes.length).equals(bytes)).to.equal(true);
      }),
      { numRuns: 150 },
    );
  });

  it("writes what Java clients insist on: version 1, independent blocks of 64 KiB, a true header checksum", () => {
    const frame = lz4Codec.compress(noise(1, 150_000));
    expect(frame.subarray(0, 7).toString("hex")).to.equal("04224d18604082");
    // Noise does not shrink: the blocks stand as they are, and say so.
    expect(frame.readUInt32LE(7)).to.equal(65_536 + 2 ** 31);
    expect(frame.readUInt32LE(frame.length - 4)).to.equal(0);
  });

  it("squeezes text and runs", () => {
    expect(lz4Codec.compress(TIDE_TEXT).length).to.be.below(TIDE_TEXT.length / 3);
    expect(lz4Codec.compress(Buffer.alloc(1 << 20)).length).to.be.below(6000);
  });

  for (const [name, frame] of Object.entries({ WITH_CONTENT_CHECKSUM, WITH_BLOCK_CHECKSUMS, WITH_CONTENT_SIZE })) {
    it(`reads a golden frame: ${name}`, () => {
      expect(lz4Codec.decompress(frame, LIMIT_BYTES).equals(TIDE_TEXT)).to.equal(true);
      expect(lz4Codec.decompress(frame, TIDE_TEXT.length).equals(TIDE_TEXT)).to.equal(true);
      expectProtoError(() => lz4Codec.decompress(frame, TIDE_TEXT.length - 1), "INVALID_RECORD");
    });
  }

  it("reads frames one after another and passes over skippable ones", () => {
    const skippable = Buffer.from("5a2a4d1803000000010203", "hex");
    const frames = Buffer.concat([
      WITH_CONTENT_CHECKSUM,
      skippable,
      lz4Codec.compress(Buffer.from("after")),
      skippable,
    ]);
    expect(lz4Codec.decompress(frames, LIMIT_BYTES).toString()).to.equal(`${TIDE_TEXT.toString()}after`);
  });

  it("reads dependent blocks, and refuses the same match in independent ones", () => {
    // A match of 8 bytes, 8 back, which is the whole first block; then five literals.
    const blocks = [
      { data: Buffer.from("highlow!"), isStored: true },
      { data: Buffer.from("04080050" + Buffer.from("tide.").toString("hex"), "hex"), isStored: false },
    ];
    expect(lz4Codec.decompress(frameOf(0x40, blocks), LIMIT_BYTES).toString()).to.equal("highlow!highlow!tide.");
    expectProtoError(() => lz4Codec.decompress(frameOf(0x60, blocks), LIMIT_BYTES), "CORRUPT_MESSAGE");
  });

  it("does not let a frame refer into the one before it", () => {
    const first = frameOf(0x40, [{ data: Buffer.from("highlow!"), isStored: true }]);
    const second = frameOf(0x40, [{ data: Buffer.from("0408005074696465", "hex"), isStored: false }]);
    expectProtoError(() => lz4Codec.decompress(Buffer.concat([first, second]), LIMIT_BYTES), "CORRUPT_MESSAGE");
  });

  it("notices each wrong checksum and a wrong content size", () => {
    for (const [frame, at] of [
      [WITH_CONTENT_CHECKSUM, 6],
      [WITH_CONTENT_CHECKSUM, WITH_CONTENT_CHECKSUM.length - 1],
      [WITH_BLOCK_CHECKSUMS, WITH_BLOCK_CHECKSUMS.length - 9],
      [WITH_CONTENT_SIZE, 14],
    ] as const) {
      const damaged = Buffer.from(frame);
      damaged[at] = (damaged[at] ?? 0) ^ 1;
      expectProtoError(() => lz4Codec.decompress(damaged, LIMIT_BYTES), "CORRUPT_MESSAGE");
    }
    const sized = Buffer.from(WITH_CONTENT_SIZE);
    sized[6] = 0x31;
    sized[14] = (xxhash32(sized, 4, 14) >>> 8) & 0xff;
    expectProtoError(() => lz4Codec.decompress(sized, LIMIT_BYTES), "CORRUPT_MESSAGE");
  });

  it("refuses a bomb before it runs, and without its memory", () => {
    const bomb = Buffer.concat(Array.from({ length: 600 }, () => lz4Codec.compress(Buffer.alloc(1 << 17))));
    const before = process.memoryUsage().arrayBuffers;
    expectProtoError(() => lz4Codec.decompress(bomb, LIMIT_BYTES), "INVALID_RECORD");
    expect(process.memoryUsage().arrayBuffers - before).to.be.below(4 << 20);
  });

  it("measures exactly where block headers alone say too much", () => {
    const small = Buffer.alloc(3000, 7);
    const frames = Buffer.concat(Array.from({ length: 10 }, () => lz4Codec.compress(small)));
    expect(lz4UncompressedBound(frames, LIMIT_BYTES)).to.be.above(30_000 - 1);
    expect(lz4UncompressedBound(frames, 30_000)).to.be.within(30_000, 30_000);
    expectProtoError(() => lz4UncompressedBound(frames, 29_999), "INVALID_RECORD");
  });

  it("refuses no data, cut data and data behind the frame", () => {
    expectProtoError(() => lz4Codec.decompress(Buffer.alloc(0), LIMIT_BYTES), "CORRUPT_MESSAGE");
    for (let end = 1; end < WITH_BLOCK_CHECKSUMS.length; end++) {
      expectProtoError(
        () => lz4Codec.decompress(WITH_BLOCK_CHECKSUMS.subarray(0, end), LIMIT_BYTES),
        "CORRUPT_MESSAGE",
      );
    }
    for (const tail of ["00", "garbage", "\0\0\0\0"]) {
      const bytes = Buffer.concat([WITH_CONTENT_CHECKSUM, Buffer.from(tail)]);
      expectProtoError(() => lz4Codec.decompress(bytes, LIMIT_BYTES), "CORRUPT_MESSAGE");
    }
  });
});
