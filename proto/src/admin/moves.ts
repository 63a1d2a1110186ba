/** Messages of the admin service about who leads partitions, and where their replicas are. */
import type { PartitionName } from "./cluster.ts";

export interface ElectLeadersRequest {
  /** From the living replicas of a partition without a leader: what the chosen one lacks is lost. Else the preferred ones. */
  unclean: boolean;
  /** Every partition that needs it; then none is named. */
  all: boolean;
  partitions: ElectedPartition[];
}

export interface ElectedPartition {
  topic: string;
  partition: number;
}

export interface ElectLeadersResponse {
  results: ElectLeadersResult[];
  metadataOffset: number;
}

export interface ElectLeadersResult extends ElectedPartition {
  errorCode: number;
  errorMessage: string;
}

export interface AlterPartitionReassignmentsRequest {
  reassignments: PartitionReassignment[];
  /** Decides and changes nothing. */
  validateOnly: boolean;
}

export interface PartitionReassignment {
  topic: string;
  partition: number;
  /** The preferred leader first; none: what is under way is cancelled. */
  replicas: number[];
}

export interface AlterPartitionReassignmentsResponse {
  results: ReassignmentResult[];
  metadataOffset: number;
}

export interface ReassignmentResult {
  topic: string;
  partition: number;
  errorCode: number;
  errorMessage: string;
}

export interface ListPartitionReassignmentsRequest {
  /** None: all. */
  partitions: PartitionName[];
}

export interface ListPartitionReassignmentsResponse {
  reassignments: OngoingReassignment[];
  metadataOffset: number;
}

export interface OngoingReassignment {
  topic: string;
  partition: number;
  /** Now: the target, and behind it what is removed at the end. */
  replicas: number[];
  addingReplicas: number[];
  removingReplicas: number[];
  isr: number[];
  /** -1: none. */
  leaderId: number;
}

export interface PlanReassignmentsRequest {
  /** That shall have no replica; brokers that are being drained need not be named. */
  drainBrokers: number[];
  /** The others shall have equally many, with as few moves as possible. */
  balance: boolean;
  /** Only their partitions are moved and counted; none: all. */
  topics: string[];
  /** Only these may have them; none: all that may get replicas. */
  brokers: number[];
}

export interface PlanReassignmentsResponse {
  /** Of the plan as a whole. */
  errorCode: number;
  errorMessage: string;
  moves: PlannedReassignment[];
  loads: PlannedLoad[];
  metadataOffset: number;
}

export interface PlannedReassignment {
  topic: string;
  partition: number;
  /** The target, the preferred leader first. */
  replicas: number[];
  /** Without it. */
  currentReplicas: number[];
}

/** Of the topics that were asked for. */
export interface PlannedLoad {
  brokerId: number;
  replicas: number;
  replicasAfter: number;
  /** Partitions that it is the preferred leader of. */
  leaders: number;
  leadersAfter: number;
}
