/**
 * tidemark/testing: a cluster and its client in the process of a test. `Cluster` is the cluster of `@tidemark/broker/testing`, brokers
 * that are killed, paused and cut off as the test asks for it, with an SDK client that is connected, and with assertions on records that
 * say what arrived instead.
 *
 * Inputs: the shape of a cluster, faults, expectations. Outputs: records; errors of TestClusterError, and AssertionError of `node:assert`,
 * whose difference every runner shows. Not here: a runner; any will do.
 */
export {
  type BrokerState,
  type ClusterSnapshot,
  type Cut,
  type FaultEffect,
  type FaultTarget,
  type InjectedFault,
  type KillOptions,
  type Party,
  type RequestFault,
  type StartOptions,
  type TestBroker,
  TestClusterError,
  type TestClusterErrorCode,
  type WaitOptions,
} from "@tidemark/broker/testing";
export { Cluster, type ClusterFault, type ClusterOptions } from "./cluster.ts";
export type { ExpectedRecord, ExpectOptions, RecordsOptions, TestRecord } from "./records.ts";
