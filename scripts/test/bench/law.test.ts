import { expect } from "chai";
import fc from "fast-check";
import { growth } from "../../src/bench/scale/law.ts";

const curve = (cost: (n: number) => number): { n: number; cost: number }[] =>
  [1, 10, 100, 1000].map((n) => ({ n, cost: cost(n) }));

describe("a growth law", () => {
  it("finds the exponent of a power of n", () => {
    fc.assert(
      fc.property(
        fc.double({ min: -1, max: 3, noNaN: true }),
        fc.double({ min: 0.1, max: 10, noNaN: true }),
        (exponent, factor) => {
          const { value } = growth(
            "x",
            0,
            curve((n) => factor * n ** exponent),
          );
          expect(value).to.be.closeTo(exponent, 1e-9);
        },
      ),
    );
  });

  it("is broken by a cost that grows faster than it allows, and by no other", () => {
    const holds = (degree: 0 | 1, cost: (n: number) => number): boolean | undefined =>
      growth("x", degree, curve(cost)).law?.holds;
    expect(holds(0, () => 7)).to.equal(true);
    expect(holds(0, (n) => Math.log2(n) + 20)).to.equal(true);
    expect(holds(0, (n) => Math.sqrt(n))).to.equal(false);
    expect(holds(1, (n) => n + 5)).to.equal(true);
    expect(holds(1, (n) => n * n)).to.equal(false);
  });
});
