/**
 * sim/cluster: a whole cluster of the shipping code from one seed (testing.md 3). Brokers, and the producer core of the SDK, are handed
 * in by whoever runs it.
 */
export { runCluster } from "./run-cluster.ts";
export type { ClusterSeedResult } from "./run-cluster.ts";
export type { ClusterOptions, ClusterTopic } from "./run-options.ts";
export type { ClusterParts } from "./cluster-run.ts";
export type { MakeNode, Node, NodeOptions, NodePeersOptions, NodeWorld } from "./node.ts";
export type * from "./producer-core.ts";
export type * from "./reader-core.ts";
