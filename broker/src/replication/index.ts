/**
 * replication: the state of one partition on a replica that leads or follows it, as synchronous cores.
 *
 * Inputs: what was appended, written and synced, what followers vouch for, what leaders answer, what the metadata says.
 * Outputs: verdicts and effects as values. Invariants: the high watermark never falls and never passes what an ISR member
 * vouches for; a log is cut by epochs only; nothing here waits, reads a clock or touches a disk.
 *
 * Not here: the log (storage), streams, queues and parked answers (runtime), the controller's side of AlterPartition
 * (metadata).
 */
export type { IsrMember, IsrProposal } from "./isr-proposals.ts";
export type { FollowerView, JoinBar, LeaderView } from "./leader-view.ts";
export type {
  FollowerEffect,
  FollowerLog,
  PartitionFollowerOptions,
  RecordsAnswer,
  RetryCause,
} from "./partition-follower.ts";
export { PartitionFollower } from "./partition-follower.ts";
export type {
  LeaderEffect,
  LeaderLog,
  LeaderRefusal,
  Membership,
  PartitionLeaderDeps,
  PartitionLeaderOptions,
  ReplicaBroker,
  ReportOutcome,
  ReportVerdict,
} from "./partition-leader.ts";
export { PartitionLeader } from "./partition-leader.ts";
export type { ArrivingBatch, KnownBatch, KnownProducer, ProducerRefusal, ProducerVerdict } from "./producer-check.ts";
export { checkProducer } from "./producer-check.ts";
export type {
  EpochEnd,
  FrameAnswer,
  LeaderFrame,
  ReplicaAsk,
  ReplicaRefusal,
  ReplicaReport,
} from "./replica-report.ts";
export { truncationPoint } from "./truncation.ts";
