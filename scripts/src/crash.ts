/**
 * `npm run crash -- [--runs N] [--seed S] [--workers W] [--keep-going]`: crashes the log on the simulated disk, one run per
 * seed from S on, and says what was done: runs, lives, operations, faults that fired, runs per second. Exit code 1 when a
 * run failed; the failure names its invariant and the command that replays it.
 *
 * Workers are threads; each takes every W-th seed, so that the outcome does not depend on their number.
 */
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { runLogCrash } from "@tidemark/broker/sim";
import type { CrashFailure, CrashRunResult } from "@tidemark/broker/sim";
import { openLogDirectory } from "@tidemark/broker/storage";

interface Job {
  readonly seeds: { readonly from: number; readonly step: number; readonly count: number };
  readonly keepsGoing: boolean;
}

interface Tally {
  runs: number;
  lives: number;
  operations: number;
  readonly counts: Map<string, number>;
  readonly failures: { readonly seed: number; readonly failure: CrashFailure }[];
}

/** Runs between two messages of a worker. */
const RUNS_PER_MESSAGE = 20;

if (isMainThread) await main();
else await work(workerData as Job);

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      runs: { type: "string", default: "200" },
      seed: { type: "string" },
      workers: { type: "string" },
      "keep-going": { type: "boolean", default: false },
    },
  });
  const runs = wholeNumber("--runs", values.runs);
  const seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : wholeNumber("--seed", values.seed);
  const workers = Math.min(
    runs,
    wholeNumber("--workers", values.workers ?? String(Math.min(2, availableParallelism()))),
  );
  const tally = newTally();
  const startedMs = performance.now();
  process.stderr.write(`crash: ${runs} runs, seeds ${seed} to ${seed + runs - 1}\n`);
  const jobs = Array.from({ length: workers }, (_, slot): Job => {
    const count = Math.ceil((runs - slot) / workers);
    return { seeds: { from: seed + slot, step: workers, count }, keepsGoing: values["keep-going"] };
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
      const nowMs = performance.now();
      if (nowMs - toldMs < 5000) return;
      toldMs = nowMs;
      process.stderr.write(`crash: ${tally.runs} runs done, ${tally.failures.length} failed\n`);
    });
    worker.on("error", reject);
    worker.on("exit", () => {
      resolve();
    });
  });
}

async function work({ seeds, keepsGoing }: Job): Promise<void> {
  let tally = newTally();
  for (let i = 0; i < seeds.count; i++) {
    const result = await runLogCrash(seeds.from + i * seeds.step, openLogDirectory);
    add(tally, result);
    if (result.failure !== null && !keepsGoing) break;
    if (tally.runs < RUNS_PER_MESSAGE) continue;
    parentPort?.postMessage(tally);
    tally = newTally();
  }
  parentPort?.postMessage(tally);
}

function report(tally: Tally, seed: number, seconds: number): void {
  for (const { seed: failed, failure } of tally.failures) process.stdout.write(`${describe(failed, failure)}\n\n`);
  const { user, system } = process.cpuUsage();
  const cpuSeconds = (user + system) / 1e6;
  const lines = [
    `runs        ${tally.runs} (seeds from ${seed}), ${tally.failures.length} failed`,
    `lives       ${tally.lives}`,
    `operations  ${tally.operations}`,
    `time        ${seconds.toFixed(1)} s, ${cpuSeconds.toFixed(1)} s CPU, ${(tally.runs / seconds).toFixed(0)} runs/s, ${((1000 * cpuSeconds) / Math.max(1, tally.runs)).toFixed(2)} ms CPU per run`,
    "what fired:",
    ...[...tally.counts]
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([what, count]) => `  ${String(count).padStart(8)}  ${what}`),
  ];
  process.stdout.write(`${lines.join("\n")}\n`);
}

function describe(seed: number, failure: CrashFailure): string {
  return [
    `CRASH FAIL ${failure.invariant} seed=${seed} life=${failure.life} operation=${failure.operation}`,
    failure.message,
    ...(failure.invariant === "error" ? [failure.stack] : []),
    `options ${JSON.stringify(failure.options)}`,
    ...failure.lastEvents,
    `replay: npm run crash -- --seed ${seed} --runs 1`,
  ].join("\n");
}

function newTally(): Tally {
  return { runs: 0, lives: 0, operations: 0, counts: new Map(), failures: [] };
}

function add(tally: Tally, result: CrashRunResult): void {
  tally.runs += 1;
  tally.lives += result.lives;
  tally.operations += result.operations;
  for (const [what, count] of result.counts) tally.counts.set(what, (tally.counts.get(what) ?? 0) + count);
  if (result.failure !== null) tally.failures.push({ seed: result.seed, failure: result.failure });
}

function merge(tally: Tally, part: Tally): void {
  tally.runs += part.runs;
  tally.lives += part.lives;
  tally.operations += part.operations;
  for (const [what, count] of part.counts) tally.counts.set(what, (tally.counts.get(what) ?? 0) + count);
  tally.failures.push(...part.failures);
}

function wholeNumber(option: string, text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= (option === "--seed" ? 0 : 1)) return value;
  process.stderr.write(`error: ${option} wants a whole number, not ${JSON.stringify(text)}\n`);
  process.exit(2);
}
