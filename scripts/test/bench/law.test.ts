import { expect } from "chai";
import fc from "fast-check";
import { besides, growth } from "../../src/bench/scale/law.ts";

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
    const holds = (degree: 0 | 1, cost: (n: number) => number): boolean | null | undefined =>
      growth("x", degree, curve(cost)).law?.holds;
    expect(holds(0, () => 7)).to.equal(true);
    expect(holds(0, (n) => Math.log2(n) + 20)).to.equal(true);
    expect(holds(0, (n) => Math.sqrt(n))).to.equal(false);
    expect(holds(1, (n) => n + 5)).to.equal(true);
    expect(holds(1, (n) => n * n)).to.equal(false);
  });
});

describe("a cost beside a disturbance", () => {
  const holds = (alone: readonly number[], beside: readonly number[]): boolean | null | undefined =>
    besides("x", 1.2, alone, beside).law?.holds;

  it("is judged where the runs leave no doubt", () => {
    expect(holds([100, 102, 98], [110, 112, 105])).to.equal(true);
    expect(holds([100, 102, 98], [130, 150, 140])).to.equal(false);
    expect(holds([100, 150, 80], [181, 200, 300])).to.equal(false);
    expect(holds([100, 150, 80], [96, 60, 50])).to.equal(true);
  });

  it("is not judged where the runs leave it open, and says between what it lies", () => {
    expect(holds([100, 150, 80], [130, 120, 170])).to.equal(null);
    expect(besides("x", 1.2, [100, 150, 80], [130, 120, 170]).law?.says).to.include("between 0.80 and 2.13");
  });

  it("is judged by many runs though some of them were disturbed by others", () => {
    const noisy = (level: number): number[] =>
      Array.from({ length: 25 }, (_, at) => (at % 4 === 0 ? level * 50 : level + at / 10));
    expect(holds(noisy(100), noisy(105))).to.equal(true);
    expect(holds(noisy(100), noisy(130))).to.equal(false);
    expect(holds(noisy(100), noisy(119.5))).to.equal(null);
  });

  const runs = fc.array(fc.double({ min: 1, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 7 });

  it("does not depend on the unit or on the order of the runs", () => {
    fc.assert(
      fc.property(runs, runs, (alone, beside) => {
        const found = holds(alone, beside);
        // A power of two: no rounding.
        const scaled = (all: readonly number[]): number[] => all.map((one) => one * 1024);
        expect(holds(scaled(alone), scaled(beside))).to.equal(found);
        expect(holds(alone.toReversed(), beside.toReversed())).to.equal(found);
      }),
    );
  });

  it("never calls broken what the same machine shows alone, nor kept what is beyond all of it", () => {
    fc.assert(
      fc.property(runs, (alone) => {
        expect(holds(alone, alone)).not.to.equal(false);
        const beyond = alone.map(() => Math.max(...alone) * 1.3);
        expect(holds(alone, beyond)).to.equal(false);
      }),
    );
  });
});
