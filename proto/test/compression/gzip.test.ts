/** The golden member comes from the gzip command line tool. */
import { expect } from "chai";
import fc from "fast-check";

import { codecByName } from "../../src/compression/index.ts";
import { expectProtoError, LIMIT_BYTES, payloads, TIDE_TEXT } from "./fixtures.ts";

const GOLDEN = Buffer.from(
  "1f8b08000000000002032bc9485528c94c495548cecf4d2d56c8ccd351288109a5e70345f24b4bac1142235e15007fae658330010000",
  "hex",
);
const gzip = codecByName("gzip");

describe("gzip", () => {
  it("gives back what it was given", () => {
    fc.assert(
      fc.property(payloads, (bytes) => {
        expect(gzip.decompress(gzip.compress(bytes), bytes.length).equals(bytes)).to.equal(true);
      }),
      { numRuns: 40 },
    );
  });

  it("reads a golden member, and members one after another", () => {
    expect(gzip.decompress(GOLDEN, TIDE_TEXT.length).equals(TIDE_TEXT)).to.equal(true);
    const twice = gzip.decompress(Buffer.concat([GOLDEN, GOLDEN]), LIMIT_BYTES);
    expect(twice.equals(Buffer.concat([TIDE_TEXT, TIDE_TEXT]))).to.equal(true);
  });

  it("stops at the limit, exactly", () => {
    expectProtoError(() => gzip.decompress(GOLDEN, TIDE_TEXT.length - 1), "INVALID_RECORD");
    expectProtoError(() => gzip.decompress(GOLDEN, 0), "INVALID_RECORD");
    expectProtoError(() => gzip.decompress(gzip.compress(Buffer.from("x")), 0), "INVALID_RECORD");
    expect(gzip.decompress(gzip.compress(Buffer.alloc(0)), 0).length).to.equal(0);
  });

  it("refuses a bomb after the limit's worth of work", () => {
    const bomb = Buffer.concat(Array.from({ length: 10 }, () => gzip.compress(Buffer.alloc(10 << 20))));
    expectProtoError(() => gzip.decompress(bomb, LIMIT_BYTES), "INVALID_RECORD");
  });

  it("refuses no data, cut data and data behind the member, zeros too", () => {
    expectProtoError(() => gzip.decompress(Buffer.alloc(0), LIMIT_BYTES), "CORRUPT_MESSAGE");
    for (let end = 1; end < GOLDEN.length; end++) {
      expectProtoError(() => gzip.decompress(GOLDEN.subarray(0, end), LIMIT_BYTES), "CORRUPT_MESSAGE");
    }
    for (const tail of ["garbage", "\0", "\0\0\0\0\0\0\0\0"]) {
      expectProtoError(
        () => gzip.decompress(Buffer.concat([GOLDEN, Buffer.from(tail)]), LIMIT_BYTES),
        "CORRUPT_MESSAGE",
      );
    }
  });
});
