/**
 * Many seeds, in processes: each takes every W-th of them, so that the outcome does not depend on their number. Not in threads: the native
 * zstd has one context for a whole process, and runs that share it fail each other.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { STOPPED } from "@tidemark/broker/sim";
import { AGAIN_EVERY } from "./again.ts";
import { describeFailure, type FailureFile, failureFile, failureOfDeath, writeFailure } from "./failure.ts";
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
  /** Where it was written; null: it was only stopped, or its process has died. */
  readonly path: string | null;
  readonly text: string;
  /** The command that makes it again. */
  readonly replay: string;
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

export function newTally(): Tally {
  return { runs: 0, totals: new Map(), counts: new Map(), failures: [], sample: new Map(), cpuSeconds: 0 };
}

/**
 * Resolves when a process has done its seeds; `entry` calls `work()` there. One that dies is a run that failed: that of the seed it was at,
 * behind which another goes on where that is wanted.
 */
export async function runWorker(entry: string, job: Job, onPart: (part: Tally) => void): Promise<void> {
  const { profile, commit, keepsGoing, seeds } = job;
  let done = 0;
  const death = await lifeOf(entry, job, (part) => {
    done += part.runs;
    onPart(part);
  });
  if (death === null) return;
  const seed = seeds.from + done * seeds.step;
  const file = failureOfDeath(profile, seed, death, commit);
  const replay = replayOf(job, seed);
  const text = describeFailure(file, { failure: null }, replay);
  onPart({ ...newTally(), runs: 1, failures: [{ file, path: null, text, replay }] });
  const count = seeds.count === null ? null : seeds.count - done - 1;
  if (!keepsGoing || (count !== null && count <= 0)) return;
  await runWorker(entry, { ...job, seeds: { ...seeds, from: seed + seeds.step, count } }, onPart);
}

/** Resolves to how it died; null: it has come to its end. */
function lifeOf(entry: string, job: Job, onPart: (part: Tally) => void): Promise<string | null> {
  return new Promise((resolve, reject) => {
    const execArgv = [...process.execArgv, INTERRUPT_BUDGET];
    const worker = fork(fileURLToPath(entry), [WORKER], { serialization: "advanced", execArgv });
    worker.on("message", onPart);
    worker.on("error", reject);
    // What it has said last may come behind its exit.
    const isHeard = once(worker, "disconnect");
    worker.on("exit", (code, signal) => {
      void isHeard.then(() => resolve(code === 0 ? null : (signal ?? `code ${code}`)));
    });
    // Whoever cannot be told has died.
    worker.send(job, () => undefined);
  });
}

function replayOf({ profile, replay }: Job, seed: number): string {
  return replay ?? `npm run sim -- --profile ${profile} --seed ${seed}`;
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
  const { profile, commit, seeds, untilMs, keepsGoing, isTold, given } = job;
  const run = PROFILES[profile];
  if (run === undefined) throw new Error(`no profile ${profile}`);
  let before = { user: 0, system: 0 };
  for (let i = 0; i < (seeds.count ?? Number.POSITIVE_INFINITY); i++) {
    if (untilMs !== null && Date.now() >= untilMs) break;
    const seed = seeds.from + i * seeds.step;
    // One after the other: a run is a stretch of simulated time.
    // oxlint-disable-next-line no-await-in-loop
    const outcome = await run(seed, given);
    const { totals, counts, options, traceHash } = outcome;
    if (isTold && options !== undefined)
      process.stderr.write(`seed ${seed}: ${JSON.stringify(options)}\ntrace ${traceHash}\n`);
    const tally = { ...newTally(), runs: 1 };
    addAll(tally.totals, Object.entries(totals));
    addAll(tally.counts, counts);
    if ((seed - seeds.first) % AGAIN_EVERY === 0) tally.sample.set(seed, traceHash);
    const file = failureFile(profile, seed, outcome, commit);
    if (file !== null) {
      const path = file.invariant === STOPPED ? null : `sim-fail-${seed}.json`;
      if (path !== null) writeFailure(path, file);
      const again = replayOf(job, seed);
      tally.failures.push({ file, path, text: describeFailure(file, outcome, again), replay: again });
    }
    const usage = process.cpuUsage();
    tally.cpuSeconds = (usage.user + usage.system - before.user - before.system) / 1e6;
    before = usage;
    // Handed over before the next begins: whoever dies there takes nothing with it.
    // oxlint-disable-next-line no-await-in-loop
    await new Promise<void>((resolve) => process.send?.(tally, () => resolve()));
    if (file !== null && !keepsGoing) break;
  }
  process.exit(0);
}

function addAll(sums: Map<string, number>, more: Iterable<readonly [string, number]>): void {
  for (const [what, count] of more) sums.set(what, (sums.get(what) ?? 0) + count);
}
