/** Numbers of batch headers and index files: the same as Node's own readers see, whatever the bytes are. */
import { expect } from "chai";
import fc from "fast-check";
import { BATCH_HEADER_BYTES, readBatchHeader, readInt16, readInt32, readInt64, readUint32 } from "../src/index.ts";

describe("big-endian numbers", () => {
  it("are what Buffer reads", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 12, maxLength: 12 }), fc.integer({ min: 0, max: 4 }), (content, at) => {
        const bytes = Buffer.from(content);
        expect(readInt16(bytes, at)).to.equal(bytes.readInt16BE(at));
        expect(readInt32(bytes, at)).to.equal(bytes.readInt32BE(at));
        expect(readUint32(bytes, at)).to.equal(bytes.readUInt32BE(at));
        expect(readInt64(bytes, at)).to.equal(Number(bytes.readBigInt64BE(at)));
      }),
    );
  });

  it("are signed at their borders", () => {
    expect(readInt16(Buffer.from("8000", "hex"), 0)).to.equal(-0x8000);
    expect(readInt32(Buffer.from("80000000", "hex"), 0)).to.equal(-0x8000_0000);
    expect(readUint32(Buffer.from("ffffffff", "hex"), 0)).to.equal(0xffff_ffff);
    expect(readInt64(Buffer.from("ffffffffffffffff", "hex"), 0)).to.equal(-1);
  });

  it("of a header that is not all there are refused", () => {
    const bytes = Buffer.alloc(BATCH_HEADER_BYTES);
    expect(readBatchHeader(bytes, 0).sizeBytes).to.equal(12);
    for (const at of [-1, 1, Number.NaN])
      expect(() => readBatchHeader(bytes, at)).to.throw(RangeError, "no batch header");
  });
});
