/**
 * `npm run sim -- [--profile P] [--seed S | --seeds A..B | --runs N | --minutes M] [--workers W] [--keep-going] [--shrink]`: simulated runs,
 * one per seed, and what was done in them. Exit code 1 when a run failed, or left another trace when it was run again; the failure names
 * its invariant and the command that replays it, and stands in a file. `npm run crash` is the profile "log".
 */
import { availableParallelism } from "node:os";
import { MUST_FIRE, STOPPED } from "@tidemark/broker/sim";
import { readCommandLine } from "./command-line.ts";
import { AGAIN_EVERY, printHashes, runAgain } from "./sim/again.ts";
import { commitOf, type FailureFile, readFailure, writeFailure } from "./sim/failure.ts";
import { PROFILES, type RunOptions, SIMULATED_MS } from "./sim/profiles.ts";
import { shrinkFailure } from "./sim/shrink.ts";
import { type Job, merge, isWorker, newTally, runWorker, type Tally, work } from "./sim/swarm.ts";

/** The one with everything in it. */
const PROFILE = "cluster";
const USAGE = `usage: npm run sim -- [--profile ${Object.keys(PROFILES).join("|")}] [options]
       npm run sim -- --replay FILE [--stop-at EVENT] [--shrink]

  --profile P     what is run; ${PROFILE} unless told otherwise
  --seed S        one run, that of this seed; of several the first, the others follow it
  --seeds A..B    the runs of these seeds, both included
  --runs N        so many runs; 200 unless told otherwise
  --minutes M     runs for so long
  --workers W     processes
  --keep-going    behind a run that failed, too
  --stop-at EVENT ends a run behind this event of its trace, and shows the last ones before it
  --replay FILE   the run of a file sim-fail-<seed>.json: its options, and its plan where it has one
  --shrink        makes the first failure smaller, step by step, while it fails in the same way (profile cluster)
  --shrink-runs N runs that this may take; 400 unless told otherwise

A run that fails is written to sim-fail-<seed>.json, and smaller to sim-fail-<seed>.shrunk.json. Of several runs one in ${AGAIN_EVERY}, the first
at any rate, is run again in another process, and has to leave the same trace.

npm run sim -- --mutations [--help] runs the known mistakes, which the simulators must find. npm run crash is the profile "log".`;

/** A series of so many seeds has to have met everything that the profile says it meets. */
const LONG_SERIES = 1_000;

/** The one who runs, and what of. */
interface Wanted {
  readonly profile: string;
  readonly from: number;
  /** Null: as many as there is time for. */
  readonly count: number | null;
  readonly given: RunOptions;
  readonly file: string | null;
}

if (isWorker()) await work();
else await main();

async function main(): Promise<void> {
  const { values } = readCommandLine(USAGE, {
    options: {
      profile: { type: "string" },
      runs: { type: "string" },
      seed: { type: "string" },
      seeds: { type: "string" },
      minutes: { type: "string" },
      workers: { type: "string" },
      "keep-going": { type: "boolean", default: false },
      "stop-at": { type: "string" },
      replay: { type: "string" },
      shrink: { type: "boolean", default: false },
      "shrink-runs": { type: "string" },
      // For the process that runs seeds again.
      hashes: { type: "string" },
    },
  });
  const shrinkRuns = wholeNumber("--shrink-runs", values["shrink-runs"] ?? "400", 1);
  const stopAt = values["stop-at"] === undefined ? undefined : wholeNumber("--stop-at", values["stop-at"], 0);
  const { profile, from: seed, count: runs, given, file } = wantedOf(values, stopAt);
  if (values.hashes !== undefined) return printHashes(profile, values.hashes.split(",").map(Number));
  if (values.shrink && profile !== "cluster") refuse("--shrink is for the profile cluster: the others have no plan");
  const minutes = values.minutes === undefined ? null : positive("--minutes", values.minutes);
  const workers = Math.min(
    runs ?? Number.POSITIVE_INFINITY,
    wholeNumber("--workers", values.workers ?? String(Math.min(2, availableParallelism())), 1),
  );
  const extent =
    runs === null ? `${minutes} minutes, seeds from ${seed}` : `${runs} runs, seeds ${seed} to ${seed + runs - 1}`;
  process.stderr.write(`${profile}: ${extent}\n`);
  const untilMs = minutes === null ? null : Date.now() + minutes * 60_000;
  const commit = commitOf(import.meta.dirname);
  const jobs = Array.from({ length: workers }, (_, slot): Job => {
    const count = runs === null ? null : Math.ceil((runs - slot) / workers);
    const seeds = { first: seed, from: seed + slot, step: workers, count };
    const replay = file === null ? null : `npm run sim -- --replay ${file}`;
    const isTold = runs === 1;
    return { profile, commit, seeds, untilMs, keepsGoing: values["keep-going"], isTold, given, replay };
  });
  const tally = newTally();
  const startedMs = performance.now();
  await Promise.all(jobs.map((job) => runWorker(import.meta.url, job, tellerOf(profile, tally))));
  report(tally, seed, (performance.now() - startedMs) / 1000);
  const [first] = tally.failures;
  if (values.shrink) {
    if (first === undefined || first.path === null) say("nothing failed, and nothing is made smaller");
    else await shrink(first.file, shrinkRuns);
  }
  if (stopAt !== undefined) {
    if (first === undefined) say(`nothing was stopped: no trace goes as far as event ${stopAt}`);
    if (tally.failures.every(({ file }) => file.invariant === STOPPED)) process.exit(0);
  }
  const isOnce = runs === 1 || stopAt !== undefined || (await isTheSameAgain(profile, tally));
  process.exit(tally.failures.length === 0 && isOnce && hasFired(profile, tally) ? 0 : 1);
}

/** Of several short series whoever adds them up sees it: what one has not met another one may have. */
function hasFired(profile: string, { runs, counts }: Tally): boolean {
  if (profile !== "cluster" || runs === 1) return true;
  const missing = MUST_FIRE.filter((name) => !counts.has(name));
  const isLong = runs >= LONG_SERIES;
  const fired = `${MUST_FIRE.length - missing.length} of ${MUST_FIRE.length} that a series of ${LONG_SERIES} must have met`;
  process.stdout.write(`fired       ${fired}\n`);
  if (missing.length === 0) return true;
  process.stdout.write(`${isLong ? "SIM FAIL never fired:" : "not fired yet:"} ${missing.join("; ")}\n`);
  return !isLong;
}

function wantedOf(values: Readonly<Record<string, unknown>>, stopAt: number | undefined): Wanted {
  const limits: RunOptions = stopAt === undefined ? {} : { stopAt };
  const { replay } = values;
  if (typeof replay !== "string") {
    const profile = typeof values["profile"] === "string" ? values["profile"] : PROFILE;
    if (!Object.hasOwn(PROFILES, profile))
      refuse(`--profile wants one of ${Object.keys(PROFILES).join(", ")}, not ${JSON.stringify(profile)}`);
    return { profile, ...seedsOf(values), given: limits, file: null };
  }
  for (const name of ["profile", "seed", "seeds", "runs", "minutes"])
    if (values[name] !== undefined) refuse(`--${name} is said by the file that --replay names`);
  const { profile, seed, options, plan } = read(replay);
  // Without a plan the seed says everything.
  const given = plan === null ? limits : { ...limits, options, plan };
  return { profile, from: seed, count: 1, given, file: replay };
}

function read(path: string): FailureFile {
  try {
    return readFailure(path);
  } catch (error: unknown) {
    return refuse(`${path} cannot be replayed: ${error instanceof Error ? error.message : String(error)}`);
  }
}

async function shrink(file: FailureFile, runsMax: number): Promise<void> {
  const path = `sim-fail-${file.seed}.shrunk.json`;
  // Each time: whoever gives up early has what there is, and a run that never ends takes nothing with it.
  if (await shrinkFailure(file, runsMax, (smaller) => writeFailure(path, smaller)))
    say(`written to ${path}\nreplay: npm run sim -- --replay ${path}`);
  else say("its plan does not make it fail again: this is a fault of the simulation");
}

async function isTheSameAgain(profile: string, { sample }: Tally): Promise<boolean> {
  if (sample.size === 0) return true;
  const others = await runAgain(import.meta.filename, profile, sample);
  process.stdout.write(`again       ${sample.size} of them in another process, ${others.length} left another trace\n`);
  for (const line of others) process.stdout.write(`SIM FAIL determinism ${line}\n`);
  return others.length === 0;
}

function tellerOf(profile: string, tally: Tally): (part: Tally) => void {
  let toldMs = performance.now();
  return (part) => {
    merge(tally, part);
    // At once: a long series may be given up for it.
    for (const { text, path } of part.failures)
      process.stdout.write(`${text}\n${path === null ? "" : `written to ${path}\n`}\n`);
    const nowMs = performance.now();
    if (nowMs - toldMs < 5000) return;
    toldMs = nowMs;
    process.stderr.write(`${profile}: ${tally.runs} runs done, ${tally.failures.length} failed\n`);
  };
}

function report(tally: Tally, seed: number, seconds: number): void {
  const { cpuSeconds } = tally;
  const simulatedMs = tally.totals.get(SIMULATED_MS);
  // Of the profile "log" these are the operations of its disks.
  const events = tally.totals.get("events") ?? tally.totals.get("operations") ?? 0;
  const speed = [`${(events / cpuSeconds).toFixed(0)} events per CPU second`];
  if (simulatedMs !== undefined)
    speed.push(
      `${(simulatedMs / 3_600_000).toFixed(2)} simulated hours`,
      `${(simulatedMs / 1000 / cpuSeconds).toFixed(1)} per CPU hour`,
    );
  const lines = [
    `runs        ${tally.runs} (seeds from ${seed}), ${tally.failures.filter(({ path }) => path !== null).length} failed`,
    ...[...tally.totals].map(([what, total]) => `${what.padEnd(11)} ${Math.round(total)}`),
    `time        ${seconds.toFixed(1)} s, ${cpuSeconds.toFixed(1)} s CPU, ${(tally.runs / seconds).toFixed(0)} runs/s, ${((1000 * cpuSeconds) / Math.max(1, tally.runs)).toFixed(2)} ms CPU per run`,
    `speed       ${speed.join(", ")}`,
    "what fired:",
    ...[...tally.counts]
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([what, count]) => `  ${String(count).padStart(8)}  ${what}`),
  ];
  process.stdout.write(`${lines.join("\n")}\n`);
}

function seedsOf({ seed, seeds, runs, minutes }: Readonly<Record<string, unknown>>): {
  from: number;
  /** Null: as many as there is time for. */
  count: number | null;
} {
  if (typeof seeds === "string") {
    if (seed !== undefined || runs !== undefined) refuse("--seeds says all of them; --seed and --runs go without it");
    const [, first = "", last = ""] = /^(\d+)\.\.(\d+)$/u.exec(seeds) ?? [];
    const [from, to] = [Number(first), Number(last)];
    if (first === "" || !Number.isSafeInteger(to) || to < from)
      refuse(`--seeds wants the first and the last, as 1..200, not ${JSON.stringify(seeds)}; --runs N is so many`);
    return { from, count: to - from + 1 };
  }
  const from = typeof seed === "string" ? wholeNumber("--seed", seed, 0) : Math.floor(Math.random() * 2 ** 31);
  if (typeof runs === "string") return { from, count: wholeNumber("--runs", runs, 1) };
  if (typeof minutes === "string") return { from, count: null };
  return { from, count: typeof seed === "string" ? 1 : 200 };
}

function positive(option: string, text: string): number {
  const value = Number(text);
  return value > 0 && value < Number.POSITIVE_INFINITY
    ? value
    : refuse(`${option} wants a number above 0, not ${JSON.stringify(text)}`);
}

function wholeNumber(option: string, text: string, least: number): number {
  const value = Number(text);
  if (text.trim() !== "" && Number.isSafeInteger(value) && value >= least) return value;
  return refuse(`${option} wants a whole number from ${least} on, not ${JSON.stringify(text)}`);
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

function refuse(message: string): never {
  process.stderr.write(`error: ${message}\n`);
  process.exit(2);
}
