/** What `npm run sim` says of a series of runs: in words for people, and as JSON for scripts. */
import { STOPPED } from "@tidemark/broker/sim";
import type { Different } from "./again.ts";
import { SIMULATED_MS } from "./profiles.ts";
import type { Failed, Tally } from "./swarm.ts";

export interface Series {
  readonly profile: string;
  readonly commit: string;
  /** The first seed. */
  readonly from: number;
  /** As many seeds as were asked for; null: as many as there was time for. */
  readonly count: number | null;
  readonly tally: Tally;
  /** Of the wall clock. */
  readonly seconds: number;
}

/** What was found when all had run. */
export interface Verdict {
  /** What the exit code says. */
  readonly isOk: boolean;
  /** Null: nothing was run again. */
  readonly different: readonly Different[] | null;
  /** What a long series has to meet and this one has not; null: nobody asked. */
  readonly missing: readonly string[] | null;
}

/** What was only stopped has not failed. */
export function failedCount({ failures }: Tally): number {
  return failures.filter(({ file }) => file.invariant !== STOPPED).length;
}

export function wordsOf({ from, tally, seconds }: Series): string {
  const { runs, cpuSeconds } = tally;
  const { eventsPerCpuSecond, simulatedHours, simulatedHoursPerCpuHour } = speedOf(tally);
  const speed = [`${eventsPerCpuSecond.toFixed(0)} events per CPU second`];
  if (simulatedHours !== undefined)
    speed.push(
      `${simulatedHours.toFixed(2)} simulated hours`,
      `${(simulatedHoursPerCpuHour ?? 0).toFixed(1)} per CPU hour`,
    );
  return [
    `runs        ${runs} (seeds from ${from}), ${failedCount(tally)} failed`,
    ...[...tally.totals].map(([what, total]) => `${what.padEnd(11)} ${Math.round(total)}`),
    `time        ${seconds.toFixed(1)} s, ${cpuSeconds.toFixed(1)} s CPU, ${(runs / seconds).toFixed(0)} runs/s, ${((1000 * cpuSeconds) / Math.max(1, runs)).toFixed(2)} ms CPU per run`,
    `speed       ${speed.join(", ")}`,
    "what fired:",
    ...byName(tally.counts).map(([what, count]) => `  ${String(count).padStart(8)}  ${what}`),
  ].join("\n");
}

/** A line of its own, as soon as it is known. */
export function jsonOfFailure({ file, path, replay }: Failed): object {
  const { profile, seed, commit, invariant, message, event } = file;
  const kind = invariant === STOPPED ? "stopped" : "failure";
  return { kind, profile, seed, commit, invariant, message, event, file: path, replay };
}

/** The last line: all of it. */
export function jsonOfSeries(
  { profile, commit, from, count, tally, seconds }: Series,
  { isOk, different, missing }: Verdict,
): object {
  return {
    kind: "series",
    ok: isOk,
    profile,
    commit,
    seeds: { from, count },
    runs: tally.runs,
    failed: failedCount(tally),
    failures: tally.failures.map(jsonOfFailure),
    runAgain: different === null ? 0 : tally.sample.size,
    leftAnotherTrace: different ?? [],
    ...(missing === null ? {} : { notFired: missing }),
    seconds,
    cpuSeconds: tally.cpuSeconds,
    ...speedOf(tally),
    totals: Object.fromEntries(tally.totals),
    fired: Object.fromEntries(byName(tally.counts)),
  };
}

function byName(counts: ReadonlyMap<string, number>): readonly (readonly [string, number])[] {
  return [...counts].toSorted(([a], [b]) => (a < b ? -1 : 1));
}

function speedOf({ totals, cpuSeconds }: Tally): {
  readonly eventsPerCpuSecond: number;
  readonly simulatedHours?: number;
  readonly simulatedHoursPerCpuHour?: number;
} {
  // Of the profile "log" these are the operations of its disks.
  const events = totals.get("events") ?? totals.get("operations") ?? 0;
  const simulatedMs = totals.get(SIMULATED_MS);
  // Nothing has run where every process died in its first run.
  const seconds = Math.max(cpuSeconds, 1e-6);
  return {
    eventsPerCpuSecond: events / seconds,
    ...(simulatedMs === undefined
      ? {}
      : { simulatedHours: simulatedMs / 3_600_000, simulatedHoursPerCpuHour: simulatedMs / 1000 / seconds }),
  };
}
