/**
 * `npm run sim -- [--profile P] [--seed S | --seeds A..B | --runs N | --minutes M] [--workers W] [--keep-going] [--shrink] [--json]`: simulated
 * runs, one per seed, and what was done in them. Exit code 1 when a run failed, or left another trace when it was run again; the failure names
 * its invariant and the command that replays it, and stands in a file. `npm run crash` is the profile "log".
 */
import { availableParallelism } from "node:os";
import { MUST_FIRE, STOPPED } from "@tidemark/broker/sim";
import { didYouMean, readCommandLine } from "./command-line.ts";
import { AGAIN_EVERY, type Different, printHashes, runAgain } from "./sim/again.ts";
import { commitOf, type FailureFile, readFailure, writeFailure } from "./sim/failure.ts";
import { PROFILES, type RunOptions } from "./sim/profiles.ts";
import { failedCount, jsonOfFailure, jsonOfSeries, type Series, wordsOf } from "./sim/report.ts";
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
  --json          to stdout a JSON object per line: each failure when it is known, and last the whole series; all words to stderr

A run that fails is written to sim-fail-<seed>.json, and smaller to sim-fail-<seed>.shrunk.json. Of several runs one in ${AGAIN_EVERY}, the first
at any rate, is run again in another process, and has to leave the same trace. A process that dies is a failure of the seed it was at.

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
      json: { type: "boolean", default: false },
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
  const { say, tell } = speakerOf(values.json);
  const onProgress = progressOf(profile, tally);
  await Promise.all(
    jobs.map((job) =>
      runWorker(import.meta.url, job, (part) => {
        merge(tally, part);
        // At once: a long series may be given up for it.
        for (const failed of part.failures) {
          say(`${failed.text}\n${failed.path === null ? "" : `written to ${failed.path}\n`}`);
          tell(jsonOfFailure(failed));
        }
        onProgress();
      }),
    ),
  );
  const series: Series = {
    profile,
    commit,
    from: seed,
    count: runs,
    tally,
    seconds: (performance.now() - startedMs) / 1000,
  };
  say(wordsOf(series));
  const first = tally.failures.find(({ path }) => path !== null);
  const shrunk = values.shrink ? await shrink(first?.file ?? null, shrinkRuns, say) : null;
  if (shrunk !== null) tell(shrunk);
  if (stopAt !== undefined && tally.failures.length === 0)
    say(`nothing was stopped: no trace goes as far as event ${stopAt}`);
  const isPlain = stopAt === undefined && runs !== 1;
  const different = isPlain ? await differentAgain(profile, tally, say) : null;
  const missing = isPlain && profile === "cluster" ? notFired(tally, say) : null;
  const isOk =
    tally.failures.every(({ file }) => file.invariant === STOPPED) &&
    (different ?? []).length === 0 &&
    ((missing ?? []).length === 0 || tally.runs < LONG_SERIES);
  tell(jsonOfSeries(series, { isOk, different, missing }));
  process.exit(isOk ? 0 : 1);
}

function wantedOf(values: Readonly<Record<string, unknown>>, stopAt: number | undefined): Wanted {
  const limits: RunOptions = stopAt === undefined ? {} : { stopAt };
  const { replay } = values;
  if (typeof replay !== "string") {
    const profile = typeof values["profile"] === "string" ? values["profile"] : PROFILE;
    if (!Object.hasOwn(PROFILES, profile))
      refuse(
        `--profile wants one of ${Object.keys(PROFILES).join(", ")}, not ${JSON.stringify(profile)}${didYouMean(profile, Object.keys(PROFILES))}`,
      );
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

/** What to say, where --json has stdout for itself, and what a script is to read. */
interface Speaker {
  readonly say: (words: string) => void;
  readonly tell: (line: object) => void;
}

function speakerOf(isJson: boolean): Speaker {
  const words = isJson ? process.stderr : process.stdout;
  return {
    say: (text) => void words.write(`${text}\n`),
    tell: (line) => void (isJson && process.stdout.write(`${JSON.stringify(line)}\n`)),
  };
}

function progressOf(profile: string, tally: Tally): () => void {
  let toldMs = performance.now();
  return () => {
    const nowMs = performance.now();
    if (nowMs - toldMs < 5000) return;
    toldMs = nowMs;
    process.stderr.write(`${profile}: ${tally.runs} runs done, ${failedCount(tally)} failed\n`);
  };
}

/** Of several short series whoever adds them up sees it: what one has not met another one may have. */
function notFired({ runs, counts }: Tally, say: Speaker["say"]): readonly string[] {
  const missing = MUST_FIRE.filter((name) => !counts.has(name));
  say(
    `fired       ${MUST_FIRE.length - missing.length} of ${MUST_FIRE.length} that a series of ${LONG_SERIES} must have met`,
  );
  if (missing.length > 0)
    say(`${runs >= LONG_SERIES ? "SIM FAIL never fired:" : "not fired yet:"} ${missing.join("; ")}`);
  return missing;
}

async function differentAgain(profile: string, { sample }: Tally, say: Speaker["say"]): Promise<readonly Different[]> {
  if (sample.size === 0) return [];
  const others = await runAgain(import.meta.filename, profile, sample);
  say(`again       ${sample.size} of them in another process, ${others.length} left another trace`);
  for (const { seed, message } of others) say(`SIM FAIL determinism seed ${seed}: ${message}`);
  return others;
}

/** What a script is told of it; null: nothing was made smaller. */
async function shrink(file: FailureFile | null, runsMax: number, say: Speaker["say"]): Promise<object | null> {
  if (file === null) {
    say("nothing failed, and nothing is made smaller");
    return null;
  }
  const path = `sim-fail-${file.seed}.shrunk.json`;
  // Each time: whoever gives up early has what there is, and a run that never ends takes nothing with it.
  const shrunk = await shrinkFailure(file, runsMax, { say, onSmaller: (smaller) => writeFailure(path, smaller) });
  if (shrunk === null) {
    say("its plan does not make it fail again: this is a fault of the simulation");
    return null;
  }
  const replay = `npm run sim -- --replay ${path}`;
  say(`written to ${path}\nreplay: ${replay}`);
  const { seed, invariant, message, plan } = shrunk;
  return { kind: "shrunk", seed, invariant, message, steps: plan?.length ?? 0, file: path, replay };
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

function refuse(message: string): never {
  process.stderr.write(`error: ${message}\n`);
  process.exit(2);
}
