/** All known mistakes that a simulator has to find; docs/testing.md says which rules they break. */
import { CLUSTER_MUTATIONS } from "./cluster.ts";
import { LOG_MUTATIONS } from "./log.ts";
import type { Mutation } from "./mutation.ts";
import { RAFT_MUTATIONS } from "./raft.ts";
import { REPLICATION_MUTATIONS } from "./replication.ts";
import { STORE_MUTATIONS } from "./store.ts";

export const MUTATIONS: readonly Mutation[] = [
  ...RAFT_MUTATIONS,
  ...REPLICATION_MUTATIONS,
  ...LOG_MUTATIONS,
  ...STORE_MUTATIONS,
  ...CLUSTER_MUTATIONS,
];
