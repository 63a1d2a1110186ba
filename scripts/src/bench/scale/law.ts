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
 * `most`. Where runs alone differ from each other by more than the law allows, the machine decides and not the disturbance:
 * then it is judged only if all runs beside stand on one side of what all runs alone allow.
 */
export function besides(row: string, most: number, alone: readonly number[], beside: readonly number[]): Row {
  const ratio = median(beside) / median(alone);
  const noise = (Math.max(...alone) - Math.min(...alone)) / median(alone);
  const isWithinAny = Math.max(...beside) <= most * Math.min(...alone);
  const isBeyondAll = Math.min(...beside) > most * Math.max(...alone);
  const holds = isWithinAny ? true : isBeyondAll ? false : noise > most - 1 ? null : ratio <= most;
  const says = `at most ${most}${holds === null ? `; runs alone differ by ${(noise * 100).toFixed(0)} %` : ""}`;
  return figure(row, "", [ratio], { headline: true, runs: beside.length, law: { holds, says } });
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
