/**
 * `npm run sim -- --profile P [--runs N] [--seed S] [--workers W] [--keep-going]`: simulated runs, one per seed from S on, and
 * what was done in them. Exit code 1 when a run failed; the failure names its invariant and the command that replays it.
 * `npm run crash` is the profile "log".
 *
 * Workers are threads; each takes every W-th seed, so that the outcome does not depend on their number.
 */
import { availableParallelism } from "node:os";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { runLogCrash, runRaftGroup, runReplicationCluster } from "@tidemark/broker/sim";
import { openLogDirectory } from "@tidemark/broker/storage";
import { readCommandLine } from "./command-line.ts";

interface Failure {
  readonly invariant: string;
  readonly message: string;
  readonly stack: string;
  readonly options: object;
  readonly lastEvents: readonly string[];
}

interface Outcome {
  readonly failure: Failure | null;
  /** What is summed up over all runs, beside `counts`. */
  readonly totals: Readonly<Record<string, number>>;
  /** What happened, by name: that the runs bit. */
  readonly counts: ReadonlyMap<string, number>;
}

const PROFILES: Readonly<Record<string, (seed: number) => Promise<Outcome>>> = {
  log: async (seed) => {
    const { failure, lives, operations, counts } = await runLogCrash(seed, openLogDirectory);
    const place = failure === null ? "" : `life ${failure.life}, operation ${failure.operation}: `;
    return {
      failure: failure === null ? null : { ...failure, message: place + failure.message },
      totals: { lives, operations },
      counts,
    };
  },
  raft: async (seed) => {
    const { failure, events, counts } = runRaftGroup(seed);
    return { failure, totals: { events }, counts };
  },
  replication: async (seed) => {
    const { failure, events, counts } = runReplicationCluster(seed);
    return { failure, totals: { events }, counts };
  },
};

interface Job {
  readonly profile: string;
  readonly seeds: { readonly from: number; readonly step: number; readonly count: number };
  readonly keepsGoing: boolean;
}

interface Tally {
  runs: number;
  readonly totals: Map<string, number>;
  readonly counts: Map<string, number>;
  readonly failures: { readonly seed: number; readonly failure: Failure }[];
}

/** Runs between two messages of a worker. */
const RUNS_PER_MESSAGE = 20;

const USAGE = `usage: npm run sim -- --profile ${Object.keys(PROFILES).join("|")} [options]

  --runs N        seeded runs, 200 unless told otherwise
  --seed S        of the first one; the others follow it
  --workers W     threads
  --keep-going    behind a run that failed, too

npm run crash is the profile "log".`;

if (isMainThread) await main();
else await work(workerData as Job);

async function main(): Promise<void> {
  const { values } = readCommandLine(USAGE, {
    options: {
      profile: { type: "string" },
      runs: { type: "string", default: "200" },
      seed: { type: "string" },
      workers: { type: "string" },
      "keep-going": { type: "boolean", default: false },
    },
  });
  const profile = values.profile ?? "";
  if (!Object.hasOwn(PROFILES, profile)) refuse(`--profile wants one of ${Object.keys(PROFILES).join(", ")}`);
  const runs = wholeNumber("--runs", values.runs, 1);
  const seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : wholeNumber("--seed", values.seed, 0);
  const workers = Math.min(
    runs,
    wholeNumber("--workers", values.workers ?? String(Math.min(2, availableParallelism())), 1),
  );
  const tally = newTally();
  const startedMs = performance.now();
  process.stderr.write(`${profile}: ${runs} runs, seeds ${seed} to ${seed + runs - 1}\n`);
  const jobs = Array.from({ length: workers }, (_, slot): Job => {
    const count = Math.ceil((runs - slot) / workers);
    return { profile, seeds: { from: seed + slot, step: workers, count }, keepsGoing: values["keep-going"] };
  });
  await Promise.all(jobs.map((job) => runWorker(job, tally, startedMs)));
  report(profile, tally, seed, (performance.now() - startedMs) / 1000);
  process.exit(tally.failures.length === 0 ? 0 : 1);
}

function runWorker(job: Job, tally: Tally, startedMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: job });
    let toldMs = startedMs;
    worker.on("message", (part: Tally) => {
      merge(tally, part);
      const nowMs = performance.now();
      if (nowMs - toldMs < 5000) return;
      toldMs = nowMs;
      process.stderr.write(`${job.profile}: ${tally.runs} runs done, ${tally.failures.length} failed\n`);
    });
    worker.on("error", reject);
    worker.on("exit", () => {
      resolve();
    });
  });
}

async function work({ profile, seeds, keepsGoing }: Job): Promise<void> {
  const run = PROFILES[profile];
  if (run === undefined) throw new Error(`no profile ${profile}`);
  let tally = newTally();
  for (let i = 0; i < seeds.count; i++) {
    const seed = seeds.from + i * seeds.step;
    // One after the other: a run is a stretch of simulated time.
    // oxlint-disable-next-line no-await-in-loop
    const { failure, totals, counts } = await run(seed);
    tally.runs += 1;
    addAll(tally.totals, Object.entries(totals));
    addAll(tally.counts, counts);
    if (failure !== null) tally.failures.push({ seed, failure });
    if (failure !== null && !keepsGoing) break;
    if (tally.runs < RUNS_PER_MESSAGE) continue;
    parentPort?.postMessage(tally);
    tally = newTally();
  }
  parentPort?.postMessage(tally);
}

function report(profile: string, tally: Tally, seed: number, seconds: number): void {
  for (const { seed: failed, failure } of tally.failures)
    process.stdout.write(`${describe(profile, failed, failure)}\n\n`);
  const { user, system } = process.cpuUsage();
  const cpuSeconds = (user + system) / 1e6;
  const lines = [
    `runs        ${tally.runs} (seeds from ${seed}), ${tally.failures.length} failed`,
    ...[...tally.totals].map(([what, total]) => `${what.padEnd(11)} ${total}`),
    `time        ${seconds.toFixed(1)} s, ${cpuSeconds.toFixed(1)} s CPU, ${(tally.runs / seconds).toFixed(0)} runs/s, ${((1000 * cpuSeconds) / Math.max(1, tally.runs)).toFixed(2)} ms CPU per run`,
    "what fired:",
    ...[...tally.counts]
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([what, count]) => `  ${String(count).padStart(8)}  ${what}`),
  ];
  process.stdout.write(`${lines.join("\n")}\n`);
}

function describe(profile: string, seed: number, failure: Failure): string {
  return [
    `SIM FAIL ${failure.invariant} profile=${profile} seed=${seed}`,
    failure.message,
    ...(failure.invariant === "error" ? [failure.stack] : []),
    `options ${JSON.stringify(failure.options)}`,
    ...failure.lastEvents,
    `replay: npm run sim -- --profile ${profile} --seed ${seed} --runs 1`,
  ].join("\n");
}

function newTally(): Tally {
  return { runs: 0, totals: new Map(), counts: new Map(), failures: [] };
}

function merge(tally: Tally, part: Tally): void {
  tally.runs += part.runs;
  addAll(tally.totals, part.totals);
  addAll(tally.counts, part.counts);
  tally.failures.push(...part.failures);
}

function addAll(sums: Map<string, number>, more: Iterable<readonly [string, number]>): void {
  for (const [what, count] of more) sums.set(what, (sums.get(what) ?? 0) + count);
}

function wholeNumber(option: string, text: string, least: number): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= least) return value;
  return refuse(`${option} wants a whole number, not ${JSON.stringify(text)}`);
}

function refuse(message: string): never {
  process.stderr.write(`error: ${message}\n`);
  process.exit(2);
}
