/**
 * What brokers say to the controller and hear from it (semantics 7(6), 9(3), 10.4, 10.5): plain data, which goes over the wire as
 * it stands. What follows from a request is decided by the commands of this room.
 */
import type { ErrorName } from "@tidemark/proto";
import type { Listener } from "../config/index.ts";

/** Replicas of one topic on the broker that speaks. */
export interface TopicPartitions {
  readonly topicId: string;
  readonly partitions: readonly number[];
}

/** A broker has started and says who it is (10.4(1)). */
export interface BrokerRegistration {
  /** Of the cluster that the broker's directory belongs to; empty: it belongs to none yet. */
  readonly clusterId?: string;
  readonly brokerId: number;
  /** A UUID made at each process start. */
  readonly incarnationId: string;
  readonly directoryId: string;
  /** Where the broker is reached, with the ports that it has really bound. */
  readonly listeners: readonly Listener[];
  readonly rack: string | null;
  /** The machine, below the rack: two replicas of a partition share none where that can be avoided. */
  readonly host?: string | null;
  /** From the clean-shutdown marker; -1 = none: an unclean restart. */
  readonly previousBrokerEpoch: number;
  /** Replicas whose bytes below the recovery point were found bad at the start (15.7). */
  readonly damaged?: readonly TopicPartitions[];
  /** The metadata that it understands (feature-level.ts); absent: a build before there were levels. */
  readonly metadataLevel?: number;
}

export type RegistrationResponse =
  | { readonly ok: true; readonly brokerEpoch: number }
  | { readonly ok: false; readonly error: ErrorName; readonly message: string };

/** A sign of life, with what the controller goes by (10.4(2)). */
export interface BrokerHeartbeat {
  readonly brokerId: number;
  readonly brokerEpoch: number;
  /** Applied here. A broker is unfenced once this has reached its own registration (10.4(3)). */
  readonly metadataOffset: number;
  /** Up to here every replica that this broker shall lead is led with its log open (15.3(1)); <= metadataOffset. */
  readonly readyOffset: number;
  /** Stay fenced, or be fenced, for the broker's own reasons. */
  readonly wantFence: boolean;
  readonly wantShutDown: boolean;
  /** No room but the reserve (3.8(2)). */
  readonly isFull: boolean;
  /** The log directory failed (3.8(1)). */
  readonly isOffline: boolean;
}

export interface HeartbeatResponse {
  /** STALE_BROKER_EPOCH: register again. */
  readonly error: "NONE" | "STALE_BROKER_EPOCH";
  /** With STALE_BROKER_EPOCH: who is registered instead; null = the same incarnation, or nobody. */
  readonly supersededBy: { readonly incarnationId: string; readonly listeners: readonly Listener[] } | null;
  readonly isFenced: boolean;
  /** A controlled shutdown is granted (10.5). */
  readonly mayShutDown: boolean;
}

/** A leader's proposals, each for one partition that it leads (7(6)). */
export interface AlterPartitionsRequest {
  readonly brokerId: number;
  readonly brokerEpoch: number;
  readonly partitions: readonly IsrProposal[];
}

export interface IsrProposal {
  readonly topicId: string;
  readonly partition: number;
  readonly leaderEpoch: number;
  readonly partitionEpoch: number;
  /** Members with the broker epochs that the leader knows them by. */
  readonly isr: readonly { readonly brokerId: number; readonly brokerEpoch: number }[];
  /** Of the partition after an election without its last in-sync replica: true until the leader has recovered. */
  readonly isRecovering: boolean;
}

export interface IsrVerdict {
  readonly topicId: string;
  readonly partition: number;
  /**
   * NONE; or NOT_CONTROLLER, FENCED_LEADER_EPOCH, INVALID_REQUEST, INVALID_UPDATE_VERSION, INELIGIBLE_REPLICA, NEW_LEADER_ELECTED,
   * UNKNOWN_TOPIC_ID, STALE_BROKER_EPOCH.
   */
  readonly error: ErrorName;
  readonly message: string;
}

/** Damage that was found while the broker runs (15.7(2)). */
export interface DamageReport {
  readonly brokerId: number;
  readonly brokerEpoch: number;
  readonly damaged: readonly TopicPartitions[];
}

export interface DamageVerdict {
  readonly topicId: string;
  readonly partition: number;
  /**
   * NONE: once the offset of the answer is applied, the replica is out of leadership, ISR and ELR, and may truncate.
   * ELIGIBLE_LEADERS_NOT_AVAILABLE: nobody else has the records; it stays as it is (15.7(4)).
   */
  readonly error: ErrorName;
}

/** What the controller asks the brokers of a partition without a leader (9(3)), by the call "replica-ends". */
export interface ReplicaEndsRequest {
  /** Answered when this is applied: of what it took away from the broker, and has given back since, nothing may be left. */
  readonly metadataOffset: number;
  readonly partitions: readonly { readonly topicId: string; readonly partition: number }[];
}

export interface ReplicaEndsAnswer {
  readonly brokerId: number;
  readonly brokerEpoch: number;
  readonly directoryId: string;
  /** Those that have a log here; what is missing has none. */
  readonly replicas: readonly ReplicaEnd[];
}

export interface ReplicaEnd {
  readonly topicId: string;
  readonly partition: number;
  /** -1 = none: an empty log. */
  readonly latestEpoch: number;
  /** In a synced mode, synced. */
  readonly logEndOffset: number;
  /** All that lay below was committed, and deleted. Absent: it is not told. */
  readonly logStartOffset?: number;
  readonly isDamaged: boolean;
}

export type ElectionType = "preferred" | "unclean";

export interface ElectionTarget {
  readonly topic: string;
  readonly partition: number;
}

export interface ElectionResult extends ElectionTarget {
  /**
   * PREFERRED_LEADER_NOT_AVAILABLE, ELIGIBLE_LEADERS_NOT_AVAILABLE, ELECTION_NOT_NEEDED, UNKNOWN_TOPIC_OR_PARTITION.
   */
  readonly error: ErrorName;
  readonly message: string;
}
