import { expect } from "chai";
import { evaluate, parsePromql, type Sample, type Scrape } from "../support/promql.ts";

function scrape(
  atMs: number,
  rows: Readonly<Record<string, readonly [labels: Record<string, string>, value: number][]>>,
): Scrape {
  const series = Object.entries(rows).map(([name, samples]): [string, Sample[]] => [
    name,
    samples.map(([labels, value]) => ({ labels: new Map(Object.entries(labels)), value })),
  ]);
  return { atMs, series: new Map(series) };
}

function values(text: string, ...scrapes: Scrape[]): [string, number][] {
  return evaluate(parsePromql(text), scrapes).map(({ labels, value }) => [[...labels.values()].join(), value]);
}

describe("the evaluator of rules", () => {
  const now = scrape(60_000, {
    a: [
      [{ i: "1" }, 10],
      [{ i: "2" }, 30],
    ],
    b: [
      [{ i: "1" }, 20],
      [{ i: "2" }, 40],
    ],
  });

  it("filters, divides, sums and joins by labels", () => {
    expect(values("a > 10", now)).to.deep.equal([["2", 30]]);
    expect(values('a{i="1"} + b', now)).to.deep.equal([["1", 30]]);
    expect(values("a / b < 0.6", now)).to.deep.equal([["1", 0.5]]);
    expect(values("sum(a) != 40", now)).to.deep.equal([]);
    expect(values("sum by (i) (b) >= 40", now)).to.deep.equal([["2", 40]]);
    expect(values("a > 10 and b > 0", now)).to.deep.equal([["2", 30]]);
    expect(values("a > 10 or b > 0", now)).to.deep.equal([
      ["2", 30],
      ["1", 20],
    ]);
    expect(values("sum(nothing) > 0", now), "no series, no alert").to.deep.equal([]);
  });

  it("knows growth within the range alone, and counters that began anew", () => {
    const before = scrape(0, {
      a: [
        [{ i: "1" }, 4],
        [{ i: "2" }, 90],
      ],
    });
    expect(values("increase(a[1m])", before, now)).to.deep.equal([
      ["1", 6],
      ["2", 30],
    ]);
    expect(values("rate(a[5m])", before, now)[0]).to.deep.equal(["1", 0.1]);
    expect(values("deriv(a[5m]) < 0", before, now)).to.deep.equal([["2", -1]]);
    expect(values("rate(a[30s])", before, now)).to.deep.equal([]);
  });

  it("has quantiles of histograms as Prometheus has them", () => {
    const buckets = scrape(0, {
      h_bucket: [
        [{ le: "0.1" }, 50],
        [{ le: "0.2" }, 99],
        [{ le: "+Inf" }, 100],
      ],
    });
    expect(values("histogram_quantile(0.5, h_bucket)", buckets)[0]?.[1]).to.be.closeTo(0.1, 1e-9);
    expect(values("histogram_quantile(0.745, h_bucket)", buckets)[0]?.[1]).to.be.closeTo(0.15, 1e-9);
    expect(values("histogram_quantile(0.999, h_bucket)", buckets)[0]?.[1]).to.equal(0.2);
  });

  it("refuses what it does not understand", () => {
    for (const text of ["topk(3, a)", "a offset 5m", 'a{i=~"x"}', "a >", "sum(a", "a b", "rate(a)", "1 < a"])
      expect(() => values(text, now), text).to.throw();
  });
});
