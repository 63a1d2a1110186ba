/**
 * runtime: the shell that drives the cores. It owns the queues, the timers and the order of things: what is taken in
 * during a turn is worked off together at its end, what cannot be answered yet is parked, what metadata asks for is done.
 *
 * Inputs: batches, fetch positions, applied metadata, the log's events. Outputs: answers to their owners, records to fetch
 * sinks, faults that end the process. Invariants: nothing is awaited between a check and its change; every queue has a
 * byte limit at the door; nothing periodic runs while nothing waits.
 *
 * Not here: who may do what and what is valid (api), sockets (listeners), files (storage), rules of replication
 * (replication) and of metadata (metadata).
 */
export type { Acks, AppendOwner, LogEnd } from "./append-task.ts";
export { AppendTask } from "./append-task.ts";
export type {
  CommittedEntry,
  Consensus,
  ConsensusRefusal,
  LogPage,
  ProposeResult,
  QuorumProgress,
  RaftEvents,
  TransferResult,
} from "./consensus.ts";
export type { BrokerLifecycleOptions } from "./broker-lifecycle.ts";
export { BrokerLifecycle } from "./broker-lifecycle.ts";
export { BrokerCounters, Traffic } from "./counters.ts";
export type { AppliedListener, ControllerOptions } from "./controller.ts";
export { Controller, WAITING_MAX } from "./controller.ts";
export type { BrokerStanding, ControllerPeers } from "./controller-duties.ts";
export type {
  ControllerCommands,
  Decided,
  GrownTopic,
  LeaderTransfer,
  Results,
  SeatedVoters,
  TopicResult,
} from "./controller-commands.ts";
export type { OpenInquiry } from "./leader-inquiry.ts";
export { CONTROLLER_COMMANDS, NotController } from "./controller-commands.ts";
export { Deadline } from "./deadline.ts";
export type { EventGap, PlacedEvent, TimelineEntry } from "./event-timeline.ts";
export { EventTimeline } from "./event-timeline.ts";
export { DiskReserve } from "./disk-reserve.ts";
export type { FetchedPart } from "./fetch-message.ts";
export { FetchMessage } from "./fetch-message.ts";
export type { FetchSink, SubscribeOptions } from "./fetch-session.ts";
export { FetchMemory } from "./fetch-memory.ts";
export { FetchSession } from "./fetch-session.ts";
export type { PartitionSettings, PartitionWatcher } from "./partition.ts";
export { Partition } from "./partition.ts";
export type { ProducerIdBlock } from "./producer-ids.ts";
export { ProducerIds } from "./producer-ids.ts";
export type { Waiter } from "./purgatory.ts";
export { deadlineAfter, Purgatory } from "./purgatory.ts";
export type { QuorumNode, QuorumStatus } from "./quorum-status.ts";
export { quorumStatus } from "./quorum-status.ts";
export { decodeMessage, encodeMessage, MalformedMessage } from "./raft-codec.ts";
export type { RaftDriverDeps, RaftDriverOptions } from "./raft-driver.ts";
export { INFLIGHT, RaftDriver } from "./raft-driver.ts";
export { raftPace, type RaftPace, type RaftTimes } from "./raft-pace.ts";
export { REPLICATION_WINDOW_BYTES } from "./replication-window.ts";
export type { ReplicaHere, ReplicaManagerDeps, ReplicaManagerOptions } from "./replica-manager.ts";
export { ReplicaManager } from "./replica-manager.ts";
export type { RequestLogOptions, RequestTimes } from "./request-log.ts";
export { RequestLog, RequestStats } from "./request-log.ts";
export type { RequestBudgetLimits } from "./request-budget.ts";
export { RequestBudget } from "./request-budget.ts";
export { KEPT_BYTES, SLAB_BYTES, SlabPool } from "./slab-pool.ts";
export type { ServingJob, TurnJob } from "./turn.ts";
export { SERVED_BYTES_PER_TURN, Turn } from "./turn.ts";
