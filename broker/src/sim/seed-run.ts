/** One seed is one run, and a run answers with a verdict: it never throws for a failure that it found. */
import type { Trace } from "./trace.ts";
import { InvariantViolation } from "./violation.ts";

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

export function verdictOf<Options>(seed: number, run: SeedRun<Options>): SeedResult<Options> {
  let failure: SeedFailure<Options> | null = null;
  try {
    run.run();
  } catch (error: unknown) {
    failure = failureOf(error, run);
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
