/** A failing run of the profile "cluster" made small, and what is printed of it meanwhile. */
import {
  type ClusterCase,
  type ClusterOptions,
  type ClusterSeedResult,
  runCluster,
  type ShrunkCase,
  shrinkCluster,
} from "@tidemark/broker/sim";
import { createProducerCore, createReaderCore } from "@tidemark/client/core";
import { describePlan, type FailureFile } from "./failure.ts";

/** `onSmaller`: with each that is smaller than the one before it, and at least once. Resolves to the last; null: it does not fail again. */
export async function shrinkFailure(
  file: FailureFile,
  runsMax: number,
  { say, onSmaller }: { readonly say: (words: string) => void; readonly onSmaller: (smaller: FailureFile) => void },
): Promise<FailureFile | null> {
  const { makeNode } = await import("@tidemark/broker/simulation");
  const run = ({ seed, options, plan }: ClusterCase): Promise<ClusterSeedResult> =>
    runCluster(seed, { makeNode, makeProducerCore: createProducerCore, makeReaderCore: createReaderCore }, options, {
      plan,
    });
  const given = { seed: file.seed, options: file.options as ClusterOptions, plan: file.plan ?? [] };
  const shrunk = await shrinkCluster(given, run, {
    runsMax,
    onSmaller: (smaller) => {
      process.stderr.write(`shrink: ${smaller.found.plan.length} steps left, ${smaller.runs} runs\n`);
      onSmaller(fileOf(file, smaller));
    },
  });
  if (shrunk === null) return null;
  const { found, result, runs } = shrunk;
  const { invariant = "", message = "" } = result.failure ?? {};
  say(`shrunk in ${runs} runs: ${invariant}: ${message}\n${describePlan(found.options, found.plan)}`);
  const last = fileOf(file, shrunk);
  onSmaller(last);
  return last;
}

function fileOf(file: FailureFile, { found: { options, plan }, result }: ShrunkCase): FailureFile {
  const { invariant = "", message = "", waitChain = [] } = result.failure ?? {};
  const { tracedCount: event, traceHash } = result;
  return { ...file, invariant, message, waitChain, event, traceHash, options, plan };
}
