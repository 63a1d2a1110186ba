/** What the curves of `scale` share: rows of laws over figures. */
import { figure, median, type Row } from "../measure.ts";

export interface CurveOptions {
  /** Null: the curve's own. */
  readonly points: readonly number[] | null;
  readonly isTiny: boolean;
  /** How often each point is measured; the median counts. */
  readonly runs: number;
}

export interface Point {
  readonly n: number;
  readonly cost: number;
}

/** O(1) means a slope of at most this, O(n) of at most one more. */
const SLOPE_SLACK = 0.1;

/** A figure that may not be above `most`. */
export function atMost(row: string, unit: string, value: number, most: number): Row {
  return figure(row, unit, [value], {
    headline: true,
    law: { holds: value <= most, says: `at most ${most} ${unit}` },
  });
}

/** A figure that may not be below `least`. */
export function atLeast(row: string, unit: string, value: number, least: number): Row {
  return figure(row, unit, [value], {
    headline: true,
    law: { holds: value >= least, says: `at least ${least} ${unit}` },
  });
}

/**
 * How much more something costs beside a disturbance than alone: the ratio of the medians of runs that took turns, held to
 * `most`. It is judged only where the medians are known well enough to say so: a shared machine decides the rest, and more
 * runs narrow it.
 */
export function besides(row: string, most: number, alone: readonly number[], beside: readonly number[]): Row {
  const [aloneFrom, aloneTo] = rangeOfMedian(alone);
  const [besideFrom, besideTo] = rangeOfMedian(beside);
  const [least, greatest] = [besideFrom / aloneTo, besideTo / aloneFrom];
  const holds = greatest <= most ? true : least > most ? false : null;
  const says = `at most ${most}; it lies between ${least.toFixed(2)} and ${greatest.toFixed(2)}`;
  return figure(row, "", [median(beside) / median(alone)], {
    headline: true,
    runs: beside.length,
    law: { holds, says },
  });
}

/**
 * Between which of its values the median of what was sampled lies, missed on either side once in ten times at most: the order
 * statistics of the binomial interval, which asks nothing of the distribution. Of fewer than four samples: all there is.
 */
function rangeOfMedian(values: readonly number[]): [from: number, to: number] {
  const sorted = [...values].sort((a, b) => a - b);
  const n = sorted.length;
  let rank = 0;
  let probability = 0.5 ** n;
  for (let below = probability; below <= 0.1 && rank < (n - 1) >> 1; below += probability) {
    rank += 1;
    probability *= (n - rank + 1) / rank;
  }
  const from = Math.max(rank - 1, 0);
  return [sorted[from] as number, sorted[n - 1 - from] as number];
}

/** The slope of log(cost) over log(n) by least squares, held to O(n^`degree`). Fewer than two points say nothing. */
export function growth(row: string, degree: 0 | 1, points: readonly Point[]): Row {
  const slope = points.length < 2 ? 0 : slopeOf(points);
  const most = degree + SLOPE_SLACK;
  return figure(`${row}: slope of the cost`, "", [slope], {
    headline: true,
    law: { holds: slope <= most, says: `O(${degree === 0 ? "1" : "n"}), at most ${most.toFixed(1)}` },
  });
}

function slopeOf(points: readonly Point[]): number {
  const logs = points.map(({ n, cost }) => [Math.log(n), Math.log(cost)] as const);
  const mean = (of: 0 | 1): number => logs.reduce((sum, pair) => sum + pair[of], 0) / logs.length;
  const [meanN, meanCost] = [mean(0), mean(1)];
  const covariance = logs.reduce((sum, [n, cost]) => sum + (n - meanN) * (cost - meanCost), 0);
  const variance = logs.reduce((sum, [n]) => sum + (n - meanN) ** 2, 0);
  return covariance / variance;
}

export function count(n: number): string {
  return n.toLocaleString("en-US");
}
