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

  it("says how long the next one takes, and when it is as good as new", () => {
    const bucket = new TokenBucket({ perSecond: 2, burst: 1 });
    expect(bucket.waitMs(0)).to.equal(0);
    bucket.take(0);
    expect(bucket.waitMs(100)).to.equal(400);
    expect(bucket.isFull(100)).to.equal(false);
    expect(bucket.isFull(500)).to.equal(true);
  });
});
