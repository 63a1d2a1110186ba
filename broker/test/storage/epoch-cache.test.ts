import { expect } from "chai";
import fc from "fast-check";
import { asLeaderEpoch, asOffset } from "../../src/base/index.ts";
import { EpochCache } from "../../src/storage/epoch-cache.ts";

const cacheOf = (...entries: [number, number][]): EpochCache =>
  new EpochCache(entries.map(([epoch, startOffset]) => ({ epoch, startOffset })));
const entriesOf = (cache: EpochCache): [number, number][] => cache.entries.map((e) => [e.epoch, e.startOffset]);
const endOf = (cache: EpochCache, epoch: number, end = 100): [number, number] | null => {
  const found = cache.endOffsetFor(asLeaderEpoch(epoch), asOffset(end));
  return found === null ? null : [found.epoch, found.endOffset];
};

describe("epoch cache (5.1)", () => {
  it("adds an epoch that begins, and nothing when it is known", () => {
    const cache = cacheOf();
    cache.add(asLeaderEpoch(1), asOffset(0));
    cache.add(asLeaderEpoch(1), asOffset(5));
    cache.add(asLeaderEpoch(3), asOffset(9));
    expect(entriesOf(cache)).to.deep.equal([
      [1, 0],
      [3, 9],
    ]);
    expect(cache.latest).to.equal(3);
  });

  it("first removes what the new entry contradicts", () => {
    const cache = cacheOf([1, 0], [2, 10], [5, 20]);
    cache.add(asLeaderEpoch(3), asOffset(15));
    expect(entriesOf(cache)).to.deep.equal([
      [1, 0],
      [2, 10],
      [3, 15],
    ]);
    cache.add(asLeaderEpoch(4), asOffset(10));
    expect(entriesOf(cache)).to.deep.equal([
      [1, 0],
      [4, 10],
    ]);
    cache.add(asLeaderEpoch(4), asOffset(7));
    expect(entriesOf(cache)).to.deep.equal([
      [1, 0],
      [4, 7],
    ]);
  });

  it("answers where an epoch ends", () => {
    const cache = cacheOf([2, 10], [4, 20], [7, 30]);
    expect(endOf(cacheOf(), 0)).to.equal(null);
    expect(endOf(cache, 7)).to.deep.equal([7, 100]);
    expect(endOf(cache, 8)).to.equal(null);
    expect(endOf(cache, 1)).to.deep.equal([1, 10]);
    expect(endOf(cache, 2)).to.deep.equal([2, 20]);
    expect(endOf(cache, 3)).to.deep.equal([2, 20]);
    expect(endOf(cache, 6)).to.deep.equal([4, 30]);
    expect(endOf(cache, -1)).to.equal(null);
  });

  it("truncates its end also where the log is not shortened", () => {
    const cache = cacheOf([1, 0], [2, 10]);
    cache.truncateEnd(10);
    expect(entriesOf(cache)).to.deep.equal([[1, 0]]);
    expect(cache.latest).to.equal(1);
  });

  it("keeps the last entry at or below a raised log start", () => {
    const cache = cacheOf([1, 0], [2, 10], [3, 20]);
    cache.truncateStart(asOffset(15));
    expect(entriesOf(cache)).to.deep.equal([
      [2, 15],
      [3, 20],
    ]);
    cache.truncateStart(asOffset(15));
    cache.truncateStart(asOffset(3));
    expect(entriesOf(cache)).to.deep.equal([
      [2, 15],
      [3, 20],
    ]);
  });

  it("knows from where on its file is out of date (P61)", () => {
    const cache = cacheOf([1, 0], [2, 10], [3, 20]);
    expect(cache.dirtyFrom).to.equal(Number.POSITIVE_INFINITY);
    cache.add(asLeaderEpoch(4), asOffset(30));
    expect(cache.dirtyFrom).to.equal(30);
    cache.truncateEnd(10);
    expect(cache.dirtyFrom).to.equal(10);
    cache.beginWrite();
    expect(cache.dirtyFrom, "not before it is durable").to.equal(10);
    cache.add(asLeaderEpoch(5), asOffset(12));
    cache.endWrite(true);
    expect(cache.dirtyFrom).to.equal(12);
    cache.beginWrite();
    cache.endWrite(false);
    expect(cache.dirtyFrom).to.equal(12);
  });

  it("equals a slow oracle over any history of batches and cuts (ST4)", () => {
    const step = fc.oneof(
      { weight: 4, arbitrary: fc.record({ kind: fc.constant("batch" as const), raise: fc.nat(2) }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant("cut" as const), to: fc.nat(100) }) },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const cache = new EpochCache();
        let epochs: number[] = []; // epoch of the record at each offset
        let epoch = 0;
        for (const next of steps) {
          if (next.kind === "cut") {
            const to = Math.min(next.to, epochs.length);
            epochs = epochs.slice(0, to);
            cache.truncateEnd(to);
            epoch = epochs.at(-1) ?? 0;
          } else {
            epoch += next.raise;
            cache.add(asLeaderEpoch(epoch), asOffset(epochs.length));
            epochs.push(epoch);
          }
        }
        const starts = epochs
          .map((e, offset) => [e, offset] as [number, number])
          .filter(([e, offset]) => epochs[offset - 1] !== e);
        expect(entriesOf(cache)).to.deep.equal(starts);
        for (const asked of new Set(epochs)) {
          const end = epochs.findIndex((e) => e > asked);
          expect(endOf(cache, asked, epochs.length)).to.deep.equal([asked, end < 0 ? epochs.length : end]);
        }
      }),
    );
  });
});
