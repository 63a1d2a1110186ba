import { expect } from "chai";
import fc from "fast-check";
import { Histogram } from "../../src/base/index.ts";

describe("Histogram", () => {
  it("counts what lies at or below each bound", () => {
    const bounds = [1, 5, 25];
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 30 })), (values) => {
        const histogram = new Histogram(bounds);
        for (const value of values) histogram.observe(value);
        expect(histogram.cumulativeCounts()).to.deep.equal([
          ...bounds.map((bound) => values.filter((value) => value <= bound).length),
          values.length,
        ]);
        expect(histogram.count).to.equal(values.length);
        expect(histogram.sum).to.equal(values.reduce((sum, value) => sum + value, 0));
      }),
    );
  });
});
