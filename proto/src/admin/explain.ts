/** Messages of the admin service that say why a partition is as it is. */
import type { ReplicaDirectory } from "./topics.ts";

export interface ExplainPartitionRequest {
  topic: string;
  partition: number;
}

/** Why a partition is as it is, as far as the broker that is asked knows. Spans are in ms; -1: not known. */
export interface ExplainPartitionResponse {
  /** Who answers. */
  brokerId: number;
  metadataOffset: number;
  /** -1: none known. */
  controllerId: number;
  topicId: string;
  /** -1: none. */
  leaderId: number;
  leaderEpoch: number;
  replicas: number[];
  isr: number[];
  elr: number[];
  lastIsr: ReplicaDirectory[];
  recovering: boolean;
  /** In force: at most the number of replicas. */
  minInsyncReplicas: number;
  /** What is not synced does not count. */
  countsSynced: boolean;
  brokers: ExplainedBroker[];
  /** Without a leader: who of the last ISR can still have its records. */
  candidates: number[];
  /** Null: the broker has none, or its log is not open. */
  replica: ExplainedReplica | null;
  full: boolean;
  /** Since the oldest sync under way on its disk began; 0: none is. */
  syncRunningMs: number;
  /** Of the last minute. */
  syncMeanMs: number;
  /** By the controller alone. */
  inquiry: LeaderInquiry | null;
  /** Oldest first. */
  changes: PartitionChange[];
  /** Its wall clock. */
  nowMs: number;
  /** Then nothing but `brokerId` and `metadataOffset` is said. */
  errorCode: number;
  errorMessage: string;
}

export interface ExplainedBroker {
  id: number;
  registered: boolean;
  fenced: boolean;
  shuttingDown: boolean;
  full: boolean;
  offline: boolean;
  /** Its replica was reported as damaged and is not in sync again. */
  damaged: boolean;
  /** It registered without the marker of a clean stop. */
  unclean: boolean;
  /** Its disk is another one than when it was in sync last. */
  emptied: boolean;
  /** Since the controller heard of it; told by the controller alone. */
  silentMs: number;
  /** stopped, gone, silent; empty: not known. */
  fencedWhy: string;
  fencedMs: number;
}

export interface ExplainedReplica {
  /** leader, follower, none. */
  role: string;
  leaderEpoch: number;
  logStartOffset: number;
  writtenEndOffset: number;
  syncedEndOffset: number;
  highWatermark: number;
  countsSynced: boolean;
  /** First offset that is lost here; -1: none. */
  damagedFrom: number;
  damage: string;
  repairing: boolean;
  /** Records behind the leader; -1: it follows nobody. */
  lag: number;
  /** It does not follow: an operator has to look, unless it is repaired in a moment. */
  stopped: boolean;
  /** Null: it does not lead. */
  led: LedPartition | null;
  proposalAgeMs: number;
}

export interface LedPartition {
  /** What the leader itself vouches for. */
  endOffset: number;
  logEndOffset: number;
  epochStartOffset: number;
  /** Before it is cut to the number of replicas. */
  configuredMinIsr: number;
  lagTimeMaxMs: number;
  /** A change of the ISR is in flight. */
  proposed: boolean;
  proposedIsr: number[];
  lingering: boolean;
  followers: FollowerState[];
}

export interface FollowerState {
  brokerId: number;
  /** What it vouches for; -1: not heard in this leader epoch. */
  endOffset: number;
  inIsr: boolean;
  proposed: boolean;
  /** Its stream is open. */
  live: boolean;
  /** 0: it stands at the end; -1: not in this leader epoch. */
  caughtUpAgoMs: number;
  /** The high watermark does not pass it. */
  waitedFor: boolean;
  /** What keeps it from joining: none, unheard, broker, behind, log-start. */
  bar: string;
}

export interface LeaderInquiry {
  /** Whoever lives may lead. */
  unclean: boolean;
  /** Since the first answer. */
  waitedMs: number;
  answers: LogEndAnswer[];
}

export interface LogEndAnswer {
  brokerId: number;
  latestEpoch: number;
  logEndOffset: number;
  damaged: boolean;
}

export interface PartitionChange {
  /** Unix ms by the controller's clock. */
  atMs: number;
  metadataOffset: number;
  /** isr-shrunk, isr-expanded, leader-changed, unclean-election, replica-damaged, replica-repaired. */
  type: string;
  /** fenced, lagging, caught-up and so on. */
  reason: string;
  /** From here on. */
  isr: number[];
  isrBefore: number[];
  leaderId: number;
  leaderBefore: number;
  leaderEpoch: number;
  /** Whose replica is damaged, or repaired. */
  brokerId: number;
}
