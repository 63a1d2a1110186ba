import { expect } from "chai";
import fc from "fast-check";
import { Histogram } from "../../src/bench/histogram.ts";

describe("the histogram of the benchmarks", () => {
  it("is off by at most 1.1 % at every percentile, and exact at its maximum", () => {
    const times = fc.array(fc.double({ min: 1, max: 1e8, noNaN: true }), { minLength: 1, maxLength: 200 });
    fc.assert(
      fc.property(times, fc.double({ min: 0, max: 1, noNaN: true }), (values, share) => {
        const histogram = new Histogram();
        for (const value of values) histogram.record(value);
        const sorted = values.toSorted((a, b) => a - b);
        const exact = sorted[Math.max(1, Math.ceil(share * values.length)) - 1] ?? 0;
        expect(histogram.percentile(share) / exact).to.be.within(1 / 1.011, 1.011);
        expect(histogram.max).to.equal(sorted.at(-1));
        expect(histogram.count).to.equal(values.length);
      }),
    );
  });

  it("takes what lies outside its buckets into the outermost", () => {
    const histogram = new Histogram();
    histogram.record(0);
    histogram.record(1e12);
    expect(histogram.percentile(0.5)).to.be.below(1.1);
    expect(histogram.max).to.equal(1e12);
  });
});
