/**
 * A group without its leader has another one soon, with default settings and whatever voters see together (10.4(6)): the times of many
 * seeds, each bound far above what they are and below the second that a failover may take.
 */
import { expect } from "chai";
import { electionTime, type ElectionOptions } from "./election-time.ts";

const SEEDS = Number(process.env["ELECTION_RUNS"] ?? 300);

interface Case {
  readonly what: string;
  readonly options: ElectionOptions;
  readonly medianMsMost: number;
  readonly p99MsMost: number;
}

const QUIET = { noticedWithinMs: 0, diskMeanMs: 8, hangChance: 0, hangMsMax: 0 };
const BUSY = { noticedWithinMs: 0, diskMeanMs: 30, hangChance: 0.2, hangMsMax: 60 };

const CASES: readonly Case[] = [
  { what: "3 voters", options: { votersCount: 3, ...QUIET }, medianMsMost: 60, p99MsMost: 150 },
  { what: "5 voters", options: { votersCount: 5, ...QUIET }, medianMsMost: 60, p99MsMost: 150 },
  { what: "3 busy voters", options: { votersCount: 3, ...BUSY }, medianMsMost: 200, p99MsMost: 600 },
  { what: "5 busy voters", options: { votersCount: 5, ...BUSY }, medianMsMost: 200, p99MsMost: 600 },
  {
    what: "5 busy voters, another one dead too",
    options: { votersCount: 5, alsoDead: 1, ...BUSY },
    medianMsMost: 250,
    p99MsMost: 1000,
  },
  {
    what: "3 busy voters that see it within 100 ms",
    options: { votersCount: 3, ...BUSY, noticedWithinMs: 100 },
    medianMsMost: 250,
    p99MsMost: 600,
  },
];

function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}

describe("The time without a leader", () => {
  for (const { what, options, medianMsMost, p99MsMost } of CASES) {
    it(`${what}: half of them within ${medianMsMost} ms, 99 % within ${p99MsMost} ms, hardly ever a split vote`, () => {
      const times = Array.from({ length: SEEDS }, (_, slot) => electionTime(slot + 1, options));
      const sorted = times.map(({ ms }) => ms).toSorted((a, b) => a - b);
      const told = [0.5, 0.99, 1].map((share) => quantile(sorted, share).toFixed(0)).join(", ");
      expect(quantile(sorted, 0.5), `median, p99, longest: ${told} ms`).to.be.lessThan(medianMsMost);
      expect(quantile(sorted, 0.99), `median, p99, longest: ${told} ms`).to.be.lessThan(p99MsMost);
      const splits = times.filter(({ splitVotes }) => splitVotes > 0).length;
      expect(splits / SEEDS, "share of split votes").to.be.lessThan(0.03);
    });
  }
});
