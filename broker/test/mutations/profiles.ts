/**
 * How a mutation is run, by profile: seeds of the simulator over modules that have the mistake. The runs of raft and of the log, which
 * use their rooms for what they check as well, stay whole.
 */
import { createProducerCore, createReaderCore } from "@tidemark/client/core";
import type * as Raft from "../../src/raft/index.ts";
import { runCluster, runLogCrash, runRaftGroup, runRaftStore } from "../../src/sim/index.ts";
import type * as Sim from "../../src/sim/index.ts";
import type * as Simulation from "../../src/simulation.ts";
import type * as Storage from "../../src/storage/index.ts";
import type { Mutants } from "./mutant.ts";
import type { Mutation, Profile } from "./mutation.ts";

export interface Failure {
  /** `error`: none of them. */
  readonly invariant: string;
  readonly message: string;
  readonly stack: string;
}

/** One run; null: nothing was noticed. */
export type RunSeed = (seed: number) => Promise<Failure | null>;

export const PROFILES: Readonly<Record<Profile, (mutation: Mutation, mutants: Mutants) => Promise<RunSeed>>> = {
  raft: async ({ edits }, mutants) => {
    const { RaftNode } = await mutants.load<typeof Raft>("raft/index.js", edits);
    return async (seed) => runRaftGroup(seed, (options, deps) => new RaftNode(options, deps)).failure;
  },
  replication: async ({ edits, wanted = {} }, mutants) => {
    type Room = Pick<typeof Sim, "runReplicationCluster">;
    const { runReplicationCluster } = await mutants.load<Room>("sim/replication-cluster/index.js", edits);
    return async (seed) => runReplicationCluster(seed, wanted).failure;
  },
  log: async ({ edits, medium = null }, mutants) => {
    const { openLogDirectory } = await mutants.load<typeof Storage>("storage/index.js", edits);
    return async (seed) => (await runLogCrash(seed, openLogDirectory, medium)).failure;
  },
  store: async ({ edits }, mutants) => {
    const room = await mutants.load<typeof Storage>("storage/index.js", edits);
    return async (seed) => (await runRaftStore(seed, room)).failure;
  },
  cluster: async ({ edits, given = {} }, mutants) => {
    const { makeNode } = await mutants.load<typeof Simulation>("simulation.js", edits);
    const parts = { makeNode, makeProducerCore: createProducerCore, makeReaderCore: createReaderCore };
    return async (seed) => (await runCluster(seed, parts, given)).failure;
  },
};
