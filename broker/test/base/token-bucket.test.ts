import { expect } from "chai";
import { TokenBucket } from "../../src/base/index.ts";

describe("TokenBucket", () => {
  it("gives a burst, then as many as time brings, and never more than the burst", () => {
    const bucket = new TokenBucket({ perSecond: 2, burst: 3 });
    const takenAt = (now: number): number => {
      let taken = 0;
      while (bucket.take(now)) taken += 1;
      return taken;
    };
    expect([takenAt(0), takenAt(0), takenAt(499), takenAt(500), takenAt(1500), takenAt(1e9)]).to.deep.equal([
      3, 0, 0, 1, 2, 3,
    ]);
  });

  it("reserves what is to come, no further than asked, and says when it is as good as new", () => {
    const bucket = new TokenBucket({ perSecond: 2, burst: 1 });
    expect([0, 0, 0, 0].map((now) => bucket.reserve(now, 1000))).to.deep.equal([0, 500, 1000, null]);
    expect(bucket.reserve(100, 1400)).to.equal(1400);
    expect(bucket.take(1499)).to.equal(false);
    expect(bucket.isFull(1999)).to.equal(false);
    expect(bucket.isFull(2000)).to.equal(true);
  });
});
