/**
 * sim: the simulated world that the shipping code runs in when it is tested: virtual time, one queue of events, a disk that
 * crashes, and the runner that crashes logs on it from a seed.
 *
 * Inputs: a seed, options drawn from it. Outputs: verdicts, traces, counters. Invariants: one seed gives one run; no clock,
 * chance or thread of the real world is used (but `setImmediate`, to let promise reactions finish).
 * Not here: brokers and clients as they ship; whoever runs a cluster hands them in.
 */
export { SimDisk } from "./sim-disk.ts";
export type { SimDiskOptions } from "./sim-disk.ts";
export { SimFailpoints } from "./sim-failpoints.ts";
export type { DiskOperation, FaultEffect, FaultHandle, FaultRule } from "./sim-faults.ts";
export { SimFaults } from "./sim-faults.ts";
export { PAGE_BYTES, PagedFile, SECTOR_BYTES } from "./paged-file.ts";
export { CALM_NETWORK, SimNetwork, SimPeerTransport } from "./network/index.ts";
export type { SimNetworkOptions, SimNode } from "./network/index.ts";
export { SimStore } from "./sim-store.ts";
export type { DirectoryMode, SimTree } from "./sim-tree.ts";
export { SimProcess, SimWorld } from "./sim-world.ts";
export { SimulatedCrash } from "./simulated-crash.ts";
export { Trace } from "./trace.ts";
export { STOPPED } from "./seed-run.ts";
export { kindOfFailure, MUST_FIRE, parsePlan, runCluster, shrinkCluster } from "./cluster/index.ts";
export type * from "./cluster/index.ts";
export { checkHistory, History } from "./history/index.ts";
export type { Anomaly, ReaderCall, SendHandle, SendOutcome, Verdict } from "./history/index.ts";
export { runLogCrash } from "./log-crash/index.ts";
export type { CrashFailure, CrashRunResult, MediumMutation } from "./log-crash/index.ts";
export { birthSnapshot, newDisk, ReplicaHost, runRaftGroup } from "./raft-group/index.ts";
export type { GroupRunResult, HostOptions } from "./raft-group/index.ts";
export { runRaftStore } from "./raft-store/index.ts";
export type { RaftStoreResult, RaftStoreRoom } from "./raft-store/index.ts";
export { runReplicationCluster } from "./replication-cluster/index.ts";
export type { ClusterRunOptions, ClusterRunResult } from "./replication-cluster/index.ts";
