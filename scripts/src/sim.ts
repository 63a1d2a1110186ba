/**
 * `npm run sim -- --profile P [--seed S | --seeds A..B | --runs N | --minutes M] [--workers W] [--keep-going]`: simulated runs, one per
 * seed, and what was done in them. Exit code 1 when a run failed; the failure names its invariant and the command that replays it.
 * `npm run crash` is the profile "log".
 *
 * Workers are threads; each takes every W-th seed, so that the outcome does not depend on their number.
 */
import { availableParallelism } from "node:os";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { runCluster, runLogCrash, runRaftGroup, runReplicationCluster } from "@tidemark/broker/sim";
import { openLogDirectory } from "@tidemark/broker/storage";
import { createProducerCore, createReaderCore } from "@tidemark/client/core";
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
  /** As drawn from the seed; what a single run prints. */
  readonly options?: object;
  readonly traceHash?: string;
}

/** Of the totals: virtual time, where a profile has it. */
const SIMULATED_MS = "simulated ms";

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
  cluster: async (seed) => {
    const { makeNode } = await import("@tidemark/broker/simulation");
    const { failure, events, counts, simulatedMs, options, traceHash } = await runCluster(seed, {
      makeNode,
      makeProducerCore: createProducerCore,
      makeReaderCore: createReaderCore,
    });
    return { failure, totals: { events, [SIMULATED_MS]: simulatedMs }, counts, options, traceHash };
  },
};

interface Job {
  readonly profile: string;
  /** `count` null: until `untilMs`. */
  readonly seeds: { readonly from: number; readonly step: number; readonly count: number | null };
  /** Of the wall clock, after which no run begins. */
  readonly untilMs: number | null;
  readonly keepsGoing: boolean;
  /** Each run is told in a line. */
  readonly isTold: boolean;
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

  --seed S        one run, that of this seed; of several the first, the others follow it
  --seeds A..B    the runs of these seeds, both included
  --runs N        so many runs; 200 unless told otherwise
  --minutes M     runs for so long
  --workers W     threads
  --keep-going    behind a run that failed, too

npm run sim -- --mutations [--help] runs the known mistakes, which the simulators must find. npm run crash is the profile "log".`;

if (isMainThread) await main();
else await work(workerData as Job);

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
    },
  });
  const profile = values.profile ?? "";
  if (!Object.hasOwn(PROFILES, profile)) refuse(`--profile wants one of ${Object.keys(PROFILES).join(", ")}`);
  const { from: seed, count: runs } = seedsOf(values);
  const minutes = values.minutes === undefined ? null : positive("--minutes", values.minutes);
  const workers = Math.min(
    runs ?? Number.POSITIVE_INFINITY,
    wholeNumber("--workers", values.workers ?? String(Math.min(2, availableParallelism())), 1),
  );
  const tally = newTally();
  const startedMs = performance.now();
  const extent =
    runs === null ? `${minutes} minutes, seeds from ${seed}` : `${runs} runs, seeds ${seed} to ${seed + runs - 1}`;
  process.stderr.write(`${profile}: ${extent}\n`);
  const untilMs = minutes === null ? null : Date.now() + minutes * 60_000;
  const jobs = Array.from({ length: workers }, (_, slot): Job => {
    const count = runs === null ? null : Math.ceil((runs - slot) / workers);
    const seeds = { from: seed + slot, step: workers, count };
    return { profile, seeds, untilMs, keepsGoing: values["keep-going"], isTold: runs === 1 };
  });
  await Promise.all(jobs.map((job) => runWorker(job, tally, startedMs)));
  report(tally, seed, (performance.now() - startedMs) / 1000);
  process.exit(tally.failures.length === 0 ? 0 : 1);
}

function runWorker(job: Job, tally: Tally, startedMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: job });
    let toldMs = startedMs;
    worker.on("message", (part: Tally) => {
      merge(tally, part);
      // At once: a long series may be given up for it.
      for (const { seed, failure } of part.failures)
        process.stdout.write(`${describe(job.profile, seed, failure)}\n\n`);
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

async function work({ profile, seeds, untilMs, keepsGoing, isTold }: Job): Promise<void> {
  const run = PROFILES[profile];
  if (run === undefined) throw new Error(`no profile ${profile}`);
  let tally = newTally();
  for (let i = 0; i < (seeds.count ?? Number.POSITIVE_INFINITY); i++) {
    if (untilMs !== null && Date.now() >= untilMs) break;
    const seed = seeds.from + i * seeds.step;
    // One after the other: a run is a stretch of simulated time.
    // oxlint-disable-next-line no-await-in-loop
    const { failure, totals, counts, options, traceHash } = await run(seed);
    if (isTold && options !== undefined)
      process.stderr.write(`seed ${seed}: ${JSON.stringify(options)}\ntrace ${traceHash}\n`);
    tally.runs += 1;
    addAll(tally.totals, Object.entries(totals));
    addAll(tally.counts, counts);
    if (failure !== null) tally.failures.push({ seed, failure });
    if (failure !== null && !keepsGoing) break;
    if (tally.runs < RUNS_PER_MESSAGE && failure === null) continue;
    parentPort?.postMessage(tally);
    tally = newTally();
  }
  parentPort?.postMessage(tally);
}

function report(tally: Tally, seed: number, seconds: number): void {
  const { user, system } = process.cpuUsage();
  const cpuSeconds = (user + system) / 1e6;
  const simulatedMs = tally.totals.get(SIMULATED_MS);
  const lines = [
    `runs        ${tally.runs} (seeds from ${seed}), ${tally.failures.length} failed`,
    ...[...tally.totals].map(([what, total]) => `${what.padEnd(11)} ${total}`),
    `time        ${seconds.toFixed(1)} s, ${cpuSeconds.toFixed(1)} s CPU, ${(tally.runs / seconds).toFixed(0)} runs/s, ${((1000 * cpuSeconds) / Math.max(1, tally.runs)).toFixed(2)} ms CPU per run`,
    ...(simulatedMs === undefined
      ? []
      : [
          `speed       ${(simulatedMs / 3_600_000).toFixed(2)} simulated hours, ${(simulatedMs / 1000 / cpuSeconds).toFixed(1)} per CPU hour`,
        ]),
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

function seedsOf({ seed, seeds, runs, minutes }: Readonly<Record<string, unknown>>): {
  from: number;
  /** Null: as many as there is time for. */
  count: number | null;
} {
  if (typeof seeds === "string") {
    const [, first = "", last = ""] = /^(\d+)\.\.(\d+)$/u.exec(seeds) ?? [];
    const from = wholeNumber("--seeds", first, 0);
    return { from, count: wholeNumber("--seeds", last, from) - from + 1 };
  }
  const from = typeof seed === "string" ? wholeNumber("--seed", seed, 0) : Math.floor(Math.random() * 2 ** 31);
  if (typeof runs === "string") return { from, count: wholeNumber("--runs", runs, 1) };
  if (typeof minutes === "string") return { from, count: null };
  return { from, count: typeof seed === "string" ? 1 : 200 };
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

function positive(option: string, text: string): number {
  const value = Number(text);
  return value > 0 && value < Number.POSITIVE_INFINITY
    ? value
    : refuse(`${option} wants a number above 0, not ${JSON.stringify(text)}`);
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
