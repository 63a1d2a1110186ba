/**
 * @tidemark/broker/testing: a cluster for tests, in the process of the test. Brokers are the shipping ones; they are killed, paused, cut
 * off from each other and lied to as a test asks for it, and their clock jumps.
 *
 * Inputs: the shape of a cluster, faults. Outputs: addresses for clients, who leads what, errors that say what was done wrong. Invariants:
 * every port is a free one; nothing outlives `stop`; what is decided by chance is decided by the seed.
 * Not here: clients (`tidemark/testing` adds one), and assertions on records.
 */
export type { Cut, Party } from "./cuts.ts";
export { TestClusterError, type TestClusterErrorCode } from "./errors.ts";
export type { FaultEffect, FaultTarget, InjectedFault, RequestFault } from "./fault-rules.ts";
export type { BrokerState, KillOptions, StartOptions, TestBroker } from "./test-broker.ts";
export { assertTestClusterOptions, type TestClusterOptions } from "./options.ts";
export { type ClusterSnapshot, startTestCluster, type TestCluster, type WaitOptions } from "./test-cluster.ts";
