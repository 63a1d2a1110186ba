/**
 * The messages of proto/tidemark/v1/data.proto as TypeScript sees them: camelCase names, safe integers for 64-bit fields,
 * `bytes` as Buffers (views after decoding). A missing scalar reads as 0, "", false or an empty Buffer, a missing repeated
 * field as [], a missing message as null. What the fields mean stands in the .proto file.
 */

/** Acks of a produce request. */
export const Acks = { UNSPECIFIED: 0, NONE: 1, LEADER: 2, ALL: 3 } as const;
/** Durability mode in force (semantics 15.1). */
export const Durability = { UNSPECIFIED: 0, NONE: 1, PAGE_CACHE: 2, GROUP_COMMIT: 3, FSYNC_EACH: 4 } as const;
/** What a reader may see. */
export const Isolation = { UNSPECIFIED: 0, READ_COMMITTED: 1, READ_UNCOMMITTED: 2 } as const;
/** Timestamps with a meaning in ListOffsets. */
export const OffsetAt = { LATEST: -1, EARLIEST: -2, MAX_TIMESTAMP: -3 } as const;

export interface LeaderHint {
  leaderId: number;
  leaderEpoch: number;
  host: string;
  port: number;
}

/** Also as an expectation; its `leaderEpoch` -1 is any. */
export interface LogEnd {
  offset: number;
  leaderEpoch: number;
}

export interface ProduceRequest {
  correlationId: number;
  /** One of Acks. */
  acks: number;
  timeoutMs: number;
  partitions: ProducePartition[];
  /** Its answer may come in parts. */
  inParts: boolean;
}

export interface ProducePartition {
  topic: string;
  partition: number;
  topicId: Buffer;
  records: Buffer;
  expectedEnd: LogEnd | null;
}

export interface ProduceResponse {
  correlationId: number;
  results: ProducePartitionResult[];
  creditBytes: number;
}

export interface ProducePartitionResult {
  errorCode: number;
  errorMessage: string;
  baseOffset: number;
  logAppendTime: number;
  logStartOffset: number;
  duplicate: boolean;
  /** One of Durability. */
  durability: number;
  leader: LeaderHint | null;
  unwritten: boolean;
  /** Told by another response to the same request. */
  pending: boolean;
  logEnd: LogEnd | null;
}

export interface FetchRequest {
  subscribe: FetchSubscribe[];
  unsubscribe: number[];
  creditBytes: number;
}

export interface FetchSubscribe {
  subscriptionId: number;
  topic: string;
  partition: number;
  topicId: Buffer;
  offset: number;
  maxBytes: number;
  /** One of Isolation. */
  isolation: number;
  currentLeaderEpoch: number;
  /** What lies there arrived with a wrong sum. */
  isSuspect: boolean;
}

export interface FetchResponse {
  partitions: FetchedPartition[];
}

export interface FetchedPartition {
  subscriptionId: number;
  errorCode: number;
  errorMessage: string;
  fetchOffset: number;
  highWatermark: number;
  lastStableOffset: number;
  logStartOffset: number;
  leaderEpoch: number;
  leader: LeaderHint | null;
  records: Buffer;
}

export interface MetadataRequest {
  topics: string[];
  allTopics: boolean;
  allowAutoTopicCreation: boolean;
}

export interface WatchMetadataRequest {
  watch: string[];
  forget: string[];
}

export interface MetadataResponse {
  clusterId: string;
  controllerId: number;
  metadataOffset: number;
  brokers: BrokerMetadata[];
  topics: TopicMetadata[];
}

export interface BrokerMetadata {
  id: number;
  host: string;
  port: number;
  rack: string;
  /** Its session is over: most likely nobody answers there. */
  fenced: boolean;
}

export interface TopicMetadata {
  name: string;
  topicId: Buffer;
  errorCode: number;
  errorMessage: string;
  internal: boolean;
  created: boolean;
  partitions: PartitionMetadata[];
}

export interface PartitionMetadata {
  partition: number;
  errorCode: number;
  leaderId: number;
  leaderEpoch: number;
  replicas: number[];
  isr: number[];
}

/** Has no fields. */
export type InitProducerIdRequest = Record<never, never>;

export interface InitProducerIdResponse {
  producerId: number;
  producerEpoch: number;
}

export interface ListOffsetsRequest {
  partitions: ListOffsetsPartition[];
  /** One of Isolation. */
  isolation: number;
}

export interface ListOffsetsPartition {
  topic: string;
  partition: number;
  /** Unix ms, or one of OffsetAt. */
  timestamp: number;
}

export interface ListOffsetsResponse {
  results: ListOffsetsResult[];
}

export interface ListOffsetsResult {
  errorCode: number;
  errorMessage: string;
  offset: number;
  timestamp: number;
  leaderEpoch: number;
}

export interface ErrorDetail {
  code: number;
  name: string;
  message: string;
  retriable: boolean;
  topic: string;
  partition: number;
}
