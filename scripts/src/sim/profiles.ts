/** What `npm run sim` runs, by the name of the profile: a seed, and its outcome in one form for all. */
import {
  type ClusterOptions,
  type PlanStep,
  runCluster,
  runLogCrash,
  runRaftGroup,
  runRaftStore,
  runReplicationCluster,
} from "@tidemark/broker/sim";
import { createRaftStore, openLogDirectory, openRaftStore } from "@tidemark/broker/storage";
import { createProducerCore, createReaderCore } from "@tidemark/client/core";

export interface Failure {
  readonly invariant: string;
  readonly message: string;
  readonly stack: string;
  readonly options: object;
  /** In words, the event at which it ended last. */
  readonly lastEvents: readonly string[];
  /** Of what did not come about in time: who should act, and what for. */
  readonly waitChain?: readonly string[];
}

export interface Outcome {
  readonly failure: Failure | null;
  /** What is summed up over all runs, beside `counts`. */
  readonly totals: Readonly<Record<string, number>>;
  /** What happened, by name: that the runs bit. */
  readonly counts: ReadonlyMap<string, number>;
  readonly traceHash: string;
  /** Events of the trace: the number of the one that comes next. */
  readonly event: number;
  /** As drawn from the seed; what a single run prints. */
  readonly options?: object;
  /** What was done, where the profile can do it again without drawing it. */
  readonly plan?: readonly PlanStep[];
}

export interface RunOptions {
  /** Ends the run behind this event of the trace; it fails with the invariant STOPPED then. */
  readonly stopAt?: number;
  /** In the place of what the seed draws. */
  readonly options?: object;
  readonly plan?: readonly PlanStep[];
}

/** Of the totals: virtual time, where a profile has it. */
export const SIMULATED_MS = "simulated ms";

export type RunSeed = (seed: number, options: RunOptions) => Promise<Outcome>;

export const PROFILES: Readonly<Record<string, RunSeed>> = {
  log: async (seed, { stopAt }) => {
    const { failure, lives, operations, counts, traceHash, events } = await runLogCrash(seed, openLogDirectory, null, {
      stopAt,
    });
    const place = failure === null ? "" : `life ${failure.life}, operation ${failure.operation}: `;
    return {
      failure: failure === null ? null : { ...failure, message: place + failure.message },
      totals: { lives, operations },
      counts,
      traceHash,
      event: events,
    };
  },
  raft: async (seed, { stopAt }) => {
    const { failure, events, counts, traceHash } = runRaftGroup(seed, undefined, { stopAt });
    return { failure, totals: { events }, counts, traceHash, event: events };
  },
  replication: async (seed, { stopAt, options }) => {
    const { failure, events, counts, traceHash } = runReplicationCluster(seed, options, { stopAt });
    return { failure, totals: { events }, counts, traceHash, event: events };
  },
  store: async (seed, limits) => {
    const { failure, events, counts, traceHash } = await runRaftStore(seed, { createRaftStore, openRaftStore }, limits);
    return { failure, totals: { events }, counts, traceHash, event: events };
  },
  cluster: async (seed, { stopAt, options, plan }) => {
    const { makeNode } = await import("@tidemark/broker/simulation");
    const result = await runCluster(
      seed,
      { makeNode, makeProducerCore: createProducerCore, makeReaderCore: createReaderCore },
      options as Partial<ClusterOptions>,
      {
        ...(plan === undefined ? {} : { plan }),
        stopAt,
      },
    );
    const { failure, events, tracedCount, counts, simulatedMs, traceHash } = result;
    return {
      failure,
      totals: { events, [SIMULATED_MS]: simulatedMs },
      counts,
      options: result.options,
      plan: result.plan,
      traceHash,
      event: tracedCount,
    };
  },
};
