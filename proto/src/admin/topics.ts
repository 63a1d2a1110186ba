/** Messages of the admin service about topics, their partitions and what lies in them. */
import type { ConfigEntry } from "./configs.ts";

export interface ListTopicsRequest {
  includeInternal: boolean;
}

export interface ListTopicsResponse {
  topics: TopicSummary[];
  /** Applied where the answer comes from, as in all answers; 0 from a broker that does not say. */
  metadataOffset: number;
  /** Other brokers that lead partitions of these topics: the bytes of those are theirs to tell. */
  otherLeaders: number[];
  /** As of DescribeCluster. */
  withoutControllerMs: number;
}

export interface TopicSummary {
  name: string;
  partitions: number;
  replicas: number;
  internal: boolean;
  /** Of the partitions that the broker leads. */
  bytes: number;
}

export interface DescribeTopicsRequest {
  names: string[];
}

export interface DescribeTopicsResponse {
  results: TopicResult[];
  metadataOffset: number;
  /** As of DescribeCluster. */
  withoutControllerMs: number;
}

export interface TopicResult {
  name: string;
  errorCode: number;
  errorMessage: string;
  /** Null when there is an error. */
  topic: TopicDescription | null;
  /** Of a deletion: what was deleted, or would be; empty with an error. */
  topicId: string;
}

export interface TopicDescription {
  name: string;
  /** 22 characters, base64url. */
  topicId: string;
  internal: boolean;
  /** Of the partitions that the broker leads. */
  bytes: number;
  partitions: PartitionDescription[];
  config: ConfigEntry[];
}

export interface PartitionDescription {
  partition: number;
  /** -1: none. */
  leaderId: number;
  leaderEpoch: number;
  replicas: number[];
  isr: number[];
  logStartOffset: number;
  highWatermark: number;
  lastStableOffset: number;
  logEndOffset: number;
  bytes: number;
  /** Left the ISR below min.insync.replicas, and have all that is committed. */
  elr: number[];
  lastIsr: ReplicaDirectory[];
  recovering: boolean;
  minInsyncReplicas: number;
  /** The broker that answers leads it: offsets and bytes are its own. Else they are 0. */
  ledHere: boolean;
  /** Of a reassignment under way: `replicas` has both. */
  addingReplicas: number[];
  removingReplicas: number[];
  /** Replicas that are known as damaged and not in sync again; of the leader's own it is the leader that tells. */
  damaged: number[];
}

export interface ReplicaDirectory {
  brokerId: number;
  /** 22 characters, base64url. */
  directoryId: string;
}

export interface CreateTopicsRequest {
  topics: NewTopic[];
  validateOnly: boolean;
  /** 0: the broker's default. */
  timeoutMs: number;
}

export interface NewTopic {
  name: string;
  /** -1: the broker's default. */
  partitions: number;
  /** -1: the broker's default. */
  replicationFactor: number;
  /** Needs -1 in both. */
  assignment: ReplicaAssignment[];
  config: Record<string, string>;
  /** Asked again with it, a topic that this request has made is a success. Empty: none. */
  creationId: string;
}

export interface ReplicaAssignment {
  replicas: number[];
}

export interface CreateTopicsResponse {
  results: TopicResult[];
  metadataOffset: number;
}

export interface DigestReplicaRequest {
  topic: string;
  partition: number;
  fromOffset: number;
}

export interface DigestReplicaResponse {
  errorCode: number;
  errorMessage: string;
  logStartOffset: number;
  highWatermark: number;
  /** By batch. */
  nextOffsets: number[];
  digests: number[];
  /** -1: nothing that was read is bad. */
  badOffset: number;
  bytes: number;
}

/** By name, and by id. */
export interface DeleteTopicsRequest {
  names: string[];
  timeoutMs: number;
  topicIds: string[];
  /** Deletes nothing, and answers what would be. */
  validateOnly: boolean;
}

export interface DeleteTopicsResponse {
  results: TopicResult[];
  metadataOffset: number;
}

export interface CreatePartitionsRequest {
  topics: NewPartitions[];
  validateOnly: boolean;
  /** 0: the broker's default. */
  timeoutMs: number;
}

export interface NewPartitions {
  name: string;
  /** That the topic shall have, those that it has among them. */
  total: number;
  /** Of the new ones alone; none: the controller places them. */
  assignment: ReplicaAssignment[];
}

export interface CreatePartitionsResponse {
  results: TopicResult[];
  metadataOffset: number;
}

export interface DeleteRecordsRequest {
  partitions: DeleteRecordsPartition[];
  /** 0: the broker's default. */
  timeoutMs: number;
}

export interface DeleteRecordsPartition {
  topic: string;
  partition: number;
  /** The first offset that is kept; -1: the high watermark. */
  beforeOffset: number;
}

export interface DeleteRecordsResponse {
  results: DeleteRecordsResult[];
}

export interface DeleteRecordsResult {
  topic: string;
  partition: number;
  errorCode: number;
  errorMessage: string;
  /** The log start from here on; -1 with an error. */
  lowWatermark: number;
}
