/** A run that failed: what is printed of it, and the file that makes the same run again. */
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { type ClusterOptions, type PlanStep, parsePlan, STOPPED } from "@tidemark/broker/sim";
import { type Outcome, PROFILES } from "./profiles.ts";

/** What stands for an invariant where the process of a run has died. */
const DIED = "died";

/** Where in the code, and when, a run failed, and all that it depends on. */
export interface FailureFile {
  readonly profile: string;
  readonly seed: number;
  /** Of the code; "+": changed since. */
  readonly commit: string;
  readonly invariant: string;
  readonly message: string;
  /** Events of the trace before it failed; null: its process died, and nobody knows. */
  readonly event: number | null;
  readonly traceHash: string;
  /** Who should act where something did not come about in time; for people. */
  readonly waitChain?: readonly string[];
  readonly options: object;
  /** Null: the seed draws everything. */
  readonly plan: readonly PlanStep[] | null;
}

export function commitOf(directory: string): string {
  const git = (...args: string[]): string =>
    execFileSync("git", ["-C", directory, ...args], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
  try {
    return git("rev-parse", "--short=12", "HEAD") + (git("status", "--porcelain", "-uno") === "" ? "" : "+");
  } catch {
    return "unknown";
  }
}

/** Of a run that took its process with it: out of memory, an exception that nobody caught, a signal. */
export function failureOfDeath(profile: string, seed: number, how: string, commit: string): FailureFile {
  const message = `its process ended with ${how}`;
  return { profile, seed, commit, invariant: DIED, message, event: null, traceHash: "", options: {}, plan: null };
}

/** Null: it did not fail. */
export function failureFile(profile: string, seed: number, outcome: Outcome, commit: string): FailureFile | null {
  const { failure, event, traceHash, plan = null } = outcome;
  if (failure === null) return null;
  const { invariant, message, waitChain = [], options } = failure;
  const chain = waitChain.length === 0 ? {} : { waitChain };
  return { profile, seed, commit, invariant, message, event, traceHash, ...chain, options, plan };
}

export function writeFailure(path: string, file: FailureFile): void {
  const { plan, ...rest } = file;
  // A step is a line.
  const steps = plan?.map((step) => `    ${JSON.stringify(step)}`).join(",\n");
  const head = JSON.stringify(rest, null, 2).slice(0, -2);
  writeFileSync(path, `${head},\n  "plan": ${steps === undefined ? "null" : `[\n${steps}\n  ]`}\n}\n`);
}

/** Throws an Error that says what is wrong with the file. */
export function readFailure(path: string): FailureFile {
  const file = JSON.parse(readFileSync(path, "utf8")) as FailureFile;
  const { profile, seed, options, plan } = file;
  if (!Object.hasOwn(PROFILES, profile ?? "")) throw new Error(`it names no profile: ${profile}`);
  if (!Number.isSafeInteger(seed)) throw new Error(`it names no seed: ${seed}`);
  if (typeof options !== "object" || options === null) throw new Error("it has no options");
  if (plan !== null) parsePlan(plan);
  return file;
}

/** What is printed: the line that names it, what it said, its options, the last events, the command that replays it. */
export function describeFailure(
  { profile, seed, commit, invariant, message, event, waitChain = [], options }: FailureFile,
  outcome: Pick<Outcome, "failure">,
  replay: string,
): string {
  const { stack = "", lastEvents = [] } = outcome.failure ?? {};
  const what = invariant === STOPPED ? "SIM STOP" : `SIM FAIL ${invariant}`;
  return [
    `${what} seed=${seed} commit=${commit} event=${event ?? "unknown"} profile=${profile}`,
    message,
    ...waitChain,
    ...(invariant === "error" ? [stack] : []),
    ...(invariant === DIED ? [] : [`options ${JSON.stringify(options)}`]),
    ...lastEvents,
    `replay: ${replay}`,
  ].join("\n");
}

/** A plan that is small enough to be read: an option that is not the plainest, and a step, a line each. */
export function describePlan(options: object, plan: readonly PlanStep[]): string {
  const sends = plan.filter((step) => "send" in step).length;
  return [
    `${plan.length} steps, ${sends} of them records to send`,
    ...Object.entries(options as ClusterOptions).map(([name, value]) => `  ${name} ${JSON.stringify(value)}`),
    ...plan.map(describeStep),
  ].join("\n");
}

function describeStep({ atMs, ...step }: PlanStep): string {
  const words = Object.entries(step).map(([name, value]) => `${name} ${Array.isArray(value) ? value.join() : value}`);
  return `  ${atMs.toFixed(3).padStart(10)} ms  ${words.join(", ")}`;
}
