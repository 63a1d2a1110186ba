/**
 * sim/cluster: a whole cluster of the shipping code from one seed (testing.md 3). Brokers, and the producer core of the SDK, are handed
 * in by whoever runs it.
 */
export { MUST_FIRE } from "./must-fire.ts";
export { runCluster } from "./run-cluster.ts";
export type { ClusterRunLimits, ClusterSeedResult } from "./run-cluster.ts";
export { kindOfFailure, shrinkCluster } from "./shrink-cluster.ts";
export type { ClusterCase, ShrunkCase } from "./shrink-cluster.ts";
export { parsePlan } from "./parse-plan.ts";
export type { ClusterOptions, ClusterTopic } from "./run-options.ts";
export type { PlanStep } from "./plan.ts";
export type { ClusterParts } from "./cluster-run.ts";
export type { MakeNode, Node, NodeOptions, NodePeersOptions, NodeWorld } from "./node.ts";
export type * from "./producer-core.ts";
export type * from "./reader-core.ts";
