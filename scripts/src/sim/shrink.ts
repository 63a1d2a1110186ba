/** A failing run of the profile "cluster" made small, and what is printed of it meanwhile. */
import {
  type ClusterCase,
  type ClusterOptions,
  type ClusterSeedResult,
  runCluster,
  shrinkCluster,
} from "@tidemark/broker/sim";
import { createProducerCore, createReaderCore } from "@tidemark/client/core";
import { describePlan, type FailureFile } from "./failure.ts";

/** Null: it does not fail again. */
export async function shrinkFailure(file: FailureFile, runsMax: number): Promise<FailureFile | null> {
  const { makeNode } = await import("@tidemark/broker/simulation");
  const run = ({ seed, options, plan }: ClusterCase): Promise<ClusterSeedResult> =>
    runCluster(seed, { makeNode, makeProducerCore: createProducerCore, makeReaderCore: createReaderCore }, options, {
      plan,
    });
  const given = { seed: file.seed, options: file.options as ClusterOptions, plan: file.plan ?? [] };
  const shrunk = await shrinkCluster(given, run, {
    runsMax,
    onSmaller: ({ plan }, runs) => process.stderr.write(`shrink: ${plan.length} steps left, ${runs} runs\n`),
  });
  if (shrunk === null) return null;
  const { found, result, runs } = shrunk;
  const { invariant = "", message = "" } = result.failure ?? {};
  process.stdout.write(
    `shrunk in ${runs} runs: ${invariant}: ${message}\n${describePlan(found.options, found.plan)}\n`,
  );
  const { options, plan } = found;
  return { ...file, invariant, message, event: result.tracedCount, traceHash: result.traceHash, options, plan };
}
