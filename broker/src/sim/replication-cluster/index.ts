/**
 * replication-cluster: the replicas of one partition under simulation, the real leader and follower cores on model logs. One
 * seed is one run (`runReplicationCluster`) that answers with a verdict and never throws for a failure it found.
 */
export { runReplicationCluster } from "./cluster-run.ts";
export type { ClusterRunResult } from "./cluster-run.ts";
export type { ClusterRunOptions } from "./run-options.ts";
