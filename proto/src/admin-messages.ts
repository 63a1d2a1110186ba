/**
 * The messages of proto/tidemark/v1/admin.proto as TypeScript sees them through `@tidemark/proto/control`: camelCase names,
 * 64-bit integers as numbers, defaults filled in. Types only: clients and brokers name them without loading a codec.
 */
export type DescribeClusterRequest = Record<never, never>;

export interface DescribeClusterResponse {
  clusterId: string;
  controllerId: number;
  metadataOffset: number;
  brokers: ClusterBroker[];
  version: string;
}

export interface ClusterBroker {
  id: number;
  host: string;
  port: number;
  rack: string;
  alive: boolean;
}

export interface ListTopicsRequest {
  includeInternal: boolean;
}

export interface ListTopicsResponse {
  topics: TopicSummary[];
}

export interface TopicSummary {
  name: string;
  partitions: number;
  replicas: number;
  internal: boolean;
  bytes: number;
}

export interface DescribeTopicsRequest {
  names: string[];
}

export interface DescribeTopicsResponse {
  results: TopicResult[];
}

export interface TopicResult {
  name: string;
  errorCode: number;
  errorMessage: string;
  /** Null when there is an error. */
  topic: TopicDescription | null;
}

export interface TopicDescription {
  name: string;
  /** 22 characters, base64url. */
  topicId: string;
  internal: boolean;
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
}

export interface ConfigEntry {
  name: string;
  /** Absent for a value that is not shown (sensitive) or not set. */
  value?: string;
  /** default, static, cluster, broker or topic. */
  source: string;
  sensitive: boolean;
  readOnly: boolean;
  doc: string;
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
}

export interface ReplicaAssignment {
  replicas: number[];
}

export interface CreateTopicsResponse {
  results: TopicResult[];
}

export interface DeleteTopicsRequest {
  names: string[];
  timeoutMs: number;
}

export interface DeleteTopicsResponse {
  results: TopicResult[];
}

/** Request and response of each method of the admin service, by its name in ADMIN_METHODS. */
export interface AdminCalls {
  describeCluster: { request: DescribeClusterRequest; response: DescribeClusterResponse };
  listTopics: { request: ListTopicsRequest; response: ListTopicsResponse };
  describeTopics: { request: DescribeTopicsRequest; response: DescribeTopicsResponse };
  createTopics: { request: CreateTopicsRequest; response: CreateTopicsResponse };
  deleteTopics: { request: DeleteTopicsRequest; response: DeleteTopicsResponse };
}
