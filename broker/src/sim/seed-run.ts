/** One seed is one run, and a run answers with a verdict: it never throws for a failure that it found. */
import { guardRealWorld } from "./run-guard.ts";
import type { Trace } from "./trace.ts";
import { ensure, InvariantViolation } from "./violation.ts";

/** What stands for an invariant where a run was only to be followed so far. */
export const STOPPED = "stopped";

export interface RunLimits {
  /** The run ends behind this event of its trace; none: at its end. */
  readonly stopAt?: number | undefined;
}

export interface SeedFailure<Options> {
  /** A row of testing.md section 4, "assertion" for one of the product's own, "error" for anything else. */
  readonly invariant: string;
  readonly message: string;
  readonly stack: string;
  readonly options: Options;
  readonly lastEvents: readonly string[];
}

export interface SeedResult<Options> {
  readonly seed: number;
  readonly failure: SeedFailure<Options> | null;
  readonly events: number;
  readonly traceHash: string;
  /** What was done, how often, by name. */
  readonly counts: ReadonlyMap<string, number>;
}

/** What a seed makes. */
export interface SeedRun<Options> {
  readonly options: Options;
  readonly trace: Trace;
  readonly checks: { readonly counts: ReadonlyMap<string, number> };
  run(): void;
}

export function ensureGoing(trace: Trace): void {
  ensure(!trace.isStopped, STOPPED, () => `behind event ${trace.stopAt}`);
}

export function verdictOf<Options>(
  seed: number,
  run: SeedRun<Options>,
  { stopAt = Number.POSITIVE_INFINITY }: RunLimits,
): SeedResult<Options> {
  run.trace.stopAt = stopAt;
  let failure: SeedFailure<Options> | null = null;
  const onFailure = (error: unknown): void => {
    failure ??= failureOf(error, run);
  };
  const endGuard = guardRealWorld(onFailure);
  try {
    run.run();
  } catch (error: unknown) {
    onFailure(error);
  } finally {
    endGuard();
  }
  return { seed, failure, events: run.trace.count, traceHash: run.trace.hash, counts: run.checks.counts };
}

export function failureOf<Options>(
  error: unknown,
  { options, trace }: { readonly options: Options; readonly trace: Trace },
): SeedFailure<Options> {
  const { name, message, stack = "" } = error instanceof Error ? error : new Error(String(error));
  const kind = name === "AssertionError" ? "assertion" : "error";
  const invariant = error instanceof InvariantViolation ? error.invariant : kind;
  return { invariant, message, stack, options, lastEvents: trace.lastLines() };
}
