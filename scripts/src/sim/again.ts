/**
 * The proof that a seed is one run (testing.md 3.5): some are run again in a fresh process, in another time zone and language and at
 * another time of another day, and must leave the same trace.
 */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { PROFILES, type RunSeed } from "./profiles.ts";

/** Of the seeds that are run, one in so many is run again. */
export const AGAIN_EVERY = 50;

/** Another day, before anything else is loaded. */
const LATER = `
const Real = Date;
const later = 400.3 * 86_400_000;
globalThis.Date = class Date extends Real {
  constructor(...args) { if (args.length === 0) super(Real.now() + later); else super(...args); }
  static now() { return Real.now() + later; }
};`;

export interface Different {
  readonly seed: number;
  readonly message: string;
}

/** What execFile rejects with. */
interface Death {
  readonly stdout: string;
  readonly signal: string | null;
  readonly code: number | string | null;
}

/** Each seed that left another trace than in `sample`, or at which the other process died; empty: none did. */
export async function runAgain(
  entry: string,
  profile: string,
  sample: ReadonlyMap<number, string>,
): Promise<Different[]> {
  const seeds = [...sample.keys()].toSorted((a, b) => a - b);
  const args = ["--import", `data:text/javascript,${encodeURIComponent(LATER)}`, entry];
  const env = { ...process.env, TZ: "Asia/Kathmandu", LANG: "tr_TR.UTF-8", LC_ALL: "tr_TR.UTF-8" };
  const { stdout, death } = await promisify(execFile)(
    process.execPath,
    [...args, "--profile", profile, "--hashes", seeds.join()],
    { env, maxBuffer: 2 ** 26 },
  ).then(
    (heard) => ({ ...heard, death: null }),
    // As far as it came.
    ({ stdout, signal, code }: Death) => ({ stdout, death: signal ?? `code ${code}` }),
  );
  const again = new Map(stdout.split("\n").map((line) => line.split(" ") as [string, string]));
  const missing = seeds.find((seed) => !again.has(String(seed)));
  if (missing !== undefined)
    return [{ seed: missing, message: `the other process ended with ${death ?? "nothing to say"}` }];
  return seeds.flatMap((seed) => {
    const hash = again.get(String(seed));
    const message = `trace ${sample.get(seed)}, and ${hash} in another process`;
    return hash === sample.get(seed) ? [] : [{ seed, message }];
  });
}

/** In that process: a line for each seed. */
export async function printHashes(profile: string, seeds: readonly number[]): Promise<void> {
  for (const seed of seeds) {
    // oxlint-disable-next-line no-await-in-loop
    process.stdout.write(`${seed} ${await hashOf(PROFILES[profile] as RunSeed, seed)}\n`);
  }
}

/** What it leaves a plan of has to come of that plan, too. */
async function hashOf(run: RunSeed, seed: number): Promise<string> {
  const { traceHash, plan, options } = await run(seed, {});
  if (plan === undefined || options === undefined) return traceHash;
  const replayed = await run(seed, { plan, options });
  return replayed.traceHash === traceHash ? traceHash : `${replayed.traceHash}-from-its-plan`;
}
