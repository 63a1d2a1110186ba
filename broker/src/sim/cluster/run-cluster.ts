/** A seed of the profile "cluster", and its verdict. */
import { guardRun } from "../run-guard.ts";
import { type RunLimits, type SeedFailure, type SeedResult, failureOf } from "../seed-run.ts";
import { type ClusterParts, ClusterRun } from "./cluster-run.ts";
import { NotInTime } from "./wait-chain.ts";
import type { PlanStep } from "./plan.ts";
import type { ClusterOptions } from "./run-options.ts";

export interface ClusterFailure extends SeedFailure<ClusterOptions> {
  /** Of what did not come about in time: who should act, and what for; else nothing. */
  readonly waitChain: readonly string[];
}

export interface ClusterSeedResult extends SeedResult<ClusterOptions> {
  readonly failure: ClusterFailure | null;
  readonly options: ClusterOptions;
  readonly simulatedMs: number;
  /** Events of the trace. */
  readonly tracedCount: number;
  /** What was done in the safety phase: with the same options it makes the same run again. */
  readonly plan: readonly PlanStep[];
}

export interface ClusterRunLimits extends RunLimits {
  /** In the place of the steps that the seed draws. */
  readonly plan?: readonly PlanStep[] | null;
}

/** `given`: options in the place of those that the seed draws. Never rejects for a failure that it finds. One run at a time in a process. */
export async function runCluster(
  seed: number,
  parts: ClusterParts,
  given: Partial<ClusterOptions> = {},
  { plan = null, stopAt = Number.POSITIVE_INFINITY }: ClusterRunLimits = {},
): Promise<ClusterSeedResult> {
  const run = new ClusterRun(seed, parts, given, plan);
  run.world.trace.stopAt = stopAt;
  const endGuard = guardRun((error) => run.fail(error));
  let failure: ClusterFailure | null = null;
  try {
    await run.run();
  } catch (error: unknown) {
    const { options, world } = run;
    failure = {
      ...failureOf(error, { options, trace: world.trace }),
      lastEvents: world.trace.tellLines(),
      waitChain: error instanceof NotInTime ? error.waitChain : [],
    };
  } finally {
    endGuard();
  }
  const { options, checks, world } = run;
  return {
    seed,
    failure,
    options,
    events: world.stepsCount,
    tracedCount: world.trace.count,
    traceHash: world.trace.hash,
    counts: checks.counts,
    simulatedMs: world.nowMs,
    plan: run.plan,
  };
}
