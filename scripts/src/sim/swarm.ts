/**
 * Many seeds, in processes: each takes every W-th of them, so that the outcome does not depend on their number. Not in threads: the native
 * zstd has one context for a whole process, and runs that share it fail each other.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { STOPPED } from "@tidemark/broker/sim";
import { AGAIN_EVERY } from "./again.ts";
import { type FailureFile, describeFailure, failureFile, writeFailure } from "./failure.ts";
import { PROFILES, type RunOptions } from "./profiles.ts";

export interface Job {
  readonly profile: string;
  readonly commit: string;
  /** `count` null: until `untilMs`. */
  readonly seeds: {
    /** Of all processes. */
    readonly first: number;
    readonly from: number;
    readonly step: number;
    readonly count: number | null;
  };
  /** Of the wall clock, after which no run begins. */
  readonly untilMs: number | null;
  readonly keepsGoing: boolean;
  /** Each run is told in a line. */
  readonly isTold: boolean;
  /** In the place of what a seed draws. */
  readonly given: RunOptions;
  /** How a run is made again, but for its seed; null: as it stands with the failure. */
  readonly replay: string | null;
}

export interface Failed {
  readonly file: FailureFile;
  /** Where it was written; null: it was only stopped. */
  readonly path: string | null;
  readonly text: string;
}

export interface Tally {
  runs: number;
  readonly totals: Map<string, number>;
  readonly counts: Map<string, number>;
  readonly failures: Failed[];
  /** Trace hashes by seed. */
  readonly sample: Map<number, string>;
  cpuSeconds: number;
}

/** First of the arguments of a process that works. */
const WORKER = "--worker";

export function isWorker(): boolean {
  return process.argv[2] === WORKER;
}

/** Four times V8's own, as a broker has it: a seed starts brokers, and what V8 would compile of that is over before it pays. */
const INTERRUPT_BUDGET = "--interrupt-budget=270336";

/** Runs between two messages of a worker. */
const RUNS_PER_MESSAGE = 20;

export function newTally(): Tally {
  return { runs: 0, totals: new Map(), counts: new Map(), failures: [], sample: new Map(), cpuSeconds: 0 };
}

/** Resolves when a process has done its seeds; `entry` calls `work()` there. */
export function runWorker(entry: string, job: Job, onPart: (part: Tally) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const execArgv = [...process.execArgv, INTERRUPT_BUDGET];
    const worker = fork(fileURLToPath(entry), [WORKER], { serialization: "advanced", execArgv });
    worker.on("message", onPart);
    worker.on("error", reject);
    worker.on("exit", (code, signal) => {
      if (code === 0) resolve();
      else reject(new Error(`a process of the simulation ended with ${signal ?? code}`));
    });
    worker.send(job);
  });
}

export function merge(tally: Tally, part: Tally): void {
  tally.runs += part.runs;
  addAll(tally.totals, part.totals);
  addAll(tally.counts, part.counts);
  tally.failures.push(...part.failures);
  for (const [seed, hash] of part.sample) tally.sample.set(seed, hash);
  tally.cpuSeconds += part.cpuSeconds;
}

/** In a process of its own: the job that it is given. */
export async function work(): Promise<void> {
  // Whoever wants to know is gone.
  process.once("disconnect", () => process.exit(1));
  const [job] = (await once(process, "message")) as [Job];
  const { profile, commit, seeds, untilMs, keepsGoing, isTold, given, replay } = job;
  const run = PROFILES[profile];
  if (run === undefined) throw new Error(`no profile ${profile}`);
  let tally = newTally();
  for (let i = 0; i < (seeds.count ?? Number.POSITIVE_INFINITY); i++) {
    if (untilMs !== null && Date.now() >= untilMs) break;
    const seed = seeds.from + i * seeds.step;
    // One after the other: a run is a stretch of simulated time.
    // oxlint-disable-next-line no-await-in-loop
    const outcome = await run(seed, given);
    const { totals, counts, options, traceHash } = outcome;
    if (isTold && options !== undefined)
      process.stderr.write(`seed ${seed}: ${JSON.stringify(options)}\ntrace ${traceHash}\n`);
    tally.runs += 1;
    addAll(tally.totals, Object.entries(totals));
    addAll(tally.counts, counts);
    if ((seed - seeds.first) % AGAIN_EVERY === 0) tally.sample.set(seed, traceHash);
    const file = failureFile(profile, seed, outcome, commit);
    if (file !== null) {
      const path = file.invariant === STOPPED ? null : `sim-fail-${seed}.json`;
      if (path !== null) writeFailure(path, file);
      const again = replay ?? `npm run sim -- --profile ${profile} --seed ${seed}`;
      tally.failures.push({ file, path, text: describeFailure(file, outcome, again) });
      if (!keepsGoing) break;
    } else if (tally.runs < RUNS_PER_MESSAGE) continue;
    process.send?.(tally);
    tally = newTally();
  }
  const { user, system } = process.cpuUsage();
  tally.cpuSeconds = (user + system) / 1e6;
  process.send?.(tally, () => process.exit(0));
}

function addAll(sums: Map<string, number>, more: Iterable<readonly [string, number]>): void {
  for (const [what, count] of more) sums.set(what, (sums.get(what) ?? 0) + count);
}
