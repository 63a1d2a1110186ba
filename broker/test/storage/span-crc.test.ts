import { expect } from "chai";
import fc from "fast-check";
import { crc32c } from "@tidemark/proto";
import { SpanCrc } from "../../src/storage/span-crc.ts";

describe("CRC of a run of batches", () => {
  const span = new SpanCrc();

  it("equals the CRC of the bytes, however they are cut into sums and bytes", () => {
    const part = fc.record({ length: fc.oneof(fc.nat(50), fc.nat(9000)), isSum: fc.boolean() });
    fc.assert(
      fc.property(fc.array(part, { maxLength: 8 }), fc.nat(255), (parts, fill) => {
        const pieces = parts.map(({ length }, slot) => Buffer.alloc(length, `${fill} ${slot} `));
        span.reset();
        for (const [slot, { isSum }] of parts.entries()) {
          const piece = pieces[slot] ?? Buffer.alloc(0);
          if (isSum) span.appendSum(crc32c(piece), piece.length);
          else span.appendBytes(piece, 0, piece.length);
        }
        expect(span.value).to.equal(crc32c(Buffer.concat(pieces)));
      }),
    );
  });

  it("holds for the largest batch", () => {
    const large = Buffer.alloc(32 * 1024 * 1024, "tide");
    span.reset();
    span.appendBytes(Buffer.from("head"), 0, 4);
    span.appendSum(crc32c(large), large.length);
    expect(span.value).to.equal(crc32c(Buffer.concat([Buffer.from("head"), large])));
  });
});
