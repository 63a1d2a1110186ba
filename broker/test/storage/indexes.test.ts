import { expect } from "chai";
import fc from "fast-check";
import { OffsetIndex } from "../../src/storage/offset-index.ts";
import { TimeIndex } from "../../src/storage/time-index.ts";

const own = (bytes: Buffer | number[]): Buffer => {
  const copy = Buffer.allocUnsafeSlow(bytes.length);
  copy.set(bytes);
  return copy;
};

describe("offset index", () => {
  it("has Kafka's bytes: relative offset i32, position i32, big-endian", () => {
    const index = OffsetIndex.empty();
    index.add(7, 4100);
    index.add(258, 9000);
    expect(index.encode(0).toString("hex")).to.equal("0000000700001004" + "0000010200002328");
    expect(index.encode(1).toString("hex")).to.equal("0000010200002328");
  });

  it("reads back what it wrote, and accepts a tail of zeros", () => {
    const index = OffsetIndex.empty();
    index.add(7, 4100);
    index.add(258, 9000);
    const parsed = OffsetIndex.parse(own(Buffer.concat([index.encode(0), Buffer.alloc(64)])));
    expect(parsed?.count).to.equal(2);
    expect(parsed?.encode(0)).to.deep.equal(index.encode(0));
  });

  it("is corrupt when its size is no multiple of an entry, or its last entry lies below the base", () => {
    expect(OffsetIndex.parse(own([0, 0, 0, 1, 0, 0, 0]))).to.equal(null);
    expect(OffsetIndex.parse(own([0xff, 0xff, 0xff, 0xff, 0, 0, 0, 9]))).to.equal(null);
    expect(OffsetIndex.parse(own([]))?.count).to.equal(0);
  });

  it("finds the same place as a scan", () => {
    const entries = fc.uniqueArray(fc.tuple(fc.nat(10_000), fc.integer({ min: 1, max: 10_000 })), { maxLength: 200 });
    fc.assert(
      fc.property(entries, fc.array(fc.nat(10_000)), (pairs, asked) => {
        const offsets = [...new Set(pairs.map(([offset]) => offset))].sort((a, b) => a - b);
        const positions = [...new Set(pairs.map(([, position]) => position))].sort((a, b) => a - b);
        const count = Math.min(offsets.length, positions.length);
        const index = OffsetIndex.empty();
        for (let slot = 0; slot < count; slot += 1) index.add(offsets[slot] ?? 0, positions[slot] ?? 0);
        const parsed = OffsetIndex.parse(own(index.encode(0)));
        for (const offset of asked) {
          const slot = offsets.slice(0, count).filter((candidate) => candidate <= offset).length - 1;
          expect(index.floorPosition(offset)).to.equal(slot < 0 ? 0 : positions[slot]);
          expect(parsed?.floorPosition(offset)).to.equal(index.floorPosition(offset));
        }
      }),
    );
  });

  it("drops what lies at or behind a cut", () => {
    const index = OffsetIndex.empty();
    for (let slot = 1; slot <= 40; slot += 1) index.add(slot, slot * 100);
    index.truncate(1000);
    expect(index.count).to.equal(9);
    expect(index.lastPosition).to.equal(900);
  });
});

describe("time index", () => {
  it("has Kafka's bytes: timestamp i64, relative offset i32, big-endian", () => {
    const index = TimeIndex.empty();
    index.maybeAdd(1_700_000_000_123, 5);
    expect(index.encode(0).toString("hex")).to.equal("0000018bcfe5687b" + "00000005");
  });

  it("grows strictly, and says whether an entry was new", () => {
    const index = TimeIndex.empty();
    expect(index.maybeAdd(-1, 0)).to.equal(false);
    expect(index.maybeAdd(10, 1)).to.equal(true);
    expect(index.maybeAdd(10, 2)).to.equal(false);
    expect(index.maybeAdd(9, 3)).to.equal(false);
    expect(index.maybeAdd(11, 4)).to.equal(true);
    expect(index.count).to.equal(2);
  });

  it("accepts a tail of zeros, but keeps a lone record of 1970", () => {
    const index = TimeIndex.empty();
    index.maybeAdd(5, 0);
    expect(TimeIndex.parse(own(Buffer.concat([index.encode(0), Buffer.alloc(24)])))?.count).to.equal(1);
    expect(TimeIndex.parse(own(Buffer.alloc(12)))?.count).to.equal(1);
    expect(TimeIndex.parse(own(Buffer.alloc(24)))?.count).to.equal(0);
    expect(TimeIndex.parse(own(Buffer.alloc(13)))).to.equal(null);
  });

  it("finds the same slot as a scan", () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(1000)), fc.nat(1000), (timestamps, asked) => {
        const sorted = timestamps.sort((a, b) => a - b);
        const index = TimeIndex.empty();
        sorted.forEach((timestamp, slot) => index.maybeAdd(timestamp, slot));
        expect(index.floorSlot(asked)).to.equal(sorted.filter((timestamp) => timestamp <= asked).length - 1);
      }),
    );
  });
});
