/** Messages of the admin service about the cluster, its brokers and their disks. */
export type DescribeClusterRequest = Record<never, never>;

export interface DescribeClusterResponse {
  clusterId: string;
  controllerId: number;
  metadataOffset: number;
  brokers: ClusterBroker[];
  /** Of the broker that answers. */
  version: string;
  /** Who answers. */
  brokerId: number;
  /** For so long it has known no controller, and its metadata may be older than that; 0: it knows one. */
  withoutControllerMs: number;
  /** What the broker that answers knows; none: it is older than this field. */
  features: FeatureRange[];
}

/** Versions of a format or a protocol, both included. */
export interface FeatureRange {
  name: string;
  oldest: number;
  newest: number;
}

export interface ClusterBroker {
  id: number;
  host: string;
  port: number;
  rack: string;
  /** Its session with the controller lives: not fenced. */
  alive: boolean;
  fenced: boolean;
  shuttingDown: boolean;
  /** No room but the reserve. */
  full: boolean;
  /** Its log directory failed. */
  offline: boolean;
  /** That it shares with others, below the rack; empty: one of its own. */
  machine: string;
  brokerEpoch: number;
  /** Partitions that it leads. */
  leaders: number;
  /** Partitions that it has a replica of. */
  replicas: number;
  /** Taken out of service: no new replicas, leads only where nobody else may. */
  draining: boolean;
}

export type DescribeLogDirsRequest = Record<never, never>;

export interface DescribeLogDirsResponse {
  brokerId: number;
  dirs: LogDir[];
}

export interface LogDir {
  path: string;
  errorCode: number;
  errorMessage: string;
  /** Of the file system; -1: not known. */
  totalBytes: number;
  freeBytes: number;
  replicas: LogDirReplica[];
}

export interface LogDirReplica {
  topic: string;
  partition: number;
  bytes: number;
  /** 0, since a broker knows of its own replicas alone: whoever has asked all compares their ends. */
  lag: number;
  logEndOffset: number;
}

export type DescribeHealthRequest = Record<never, never>;

export interface DescribeHealthResponse {
  healthy: boolean;
  reasons: string[];
  /** -1: none. */
  controllerId: number;
  brokersDown: number[];
  leaderless: PartitionName[];
  underReplicated: PartitionName[];
  underMinIsr: PartitionName[];
  recovering: PartitionName[];
  metadataOffset: number;
  /** Who answers. */
  brokerId: number;
  /** Those of `reasons` that this broker alone knows. */
  localReasons: string[];
  /** The same as `reasons`, for programs. */
  troubles: HealthTrouble[];
}

export interface HealthTrouble {
  /** Stable. */
  code: string;
  text: string;
  /** That it is about; -1: none in particular. */
  brokerId: number;
  /** The broker that answers alone knows of it. */
  local: boolean;
}

export interface PartitionName {
  topic: string;
  partition: number;
}

export interface DrainBrokersRequest {
  brokerIds: number[];
  /** False: back into service. */
  draining: boolean;
}

export interface DrainBrokersResponse {
  results: DrainBrokerResult[];
  metadataOffset: number;
}

export interface DrainBrokerResult {
  brokerId: number;
  errorCode: number;
  errorMessage: string;
}

export interface UnregisterBrokerRequest {
  brokerId: number;
}

export interface UnregisterBrokerResponse {
  errorCode: number;
  errorMessage: string;
  metadataOffset: number;
}

export type DiagnoseBrokerRequest = Record<never, never>;

export interface DiagnoseBrokerResponse {
  brokerId: number;
  version: string;
  /** Its wall clock. */
  nowMs: number;
  checks: BrokerCheck[];
}

export interface BrokerCheck {
  name: string;
  /** OK, WARN, FAIL. */
  status: string;
  detail: string;
  /** Empty when all is well. */
  fix: string;
}
