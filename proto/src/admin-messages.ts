/**
 * The messages of proto/tidemark/v1/admin.proto as TypeScript sees them through `@tidemark/proto/control`: camelCase names,
 * 64-bit integers as numbers, defaults filled in. Clients and brokers name them without loading a codec.
 */
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

export interface ListTopicsRequest {
  includeInternal: boolean;
}

export interface ListTopicsResponse {
  topics: TopicSummary[];
  /** Applied where the answer comes from, as in all answers; 0 from a broker that does not say. */
  metadataOffset: number;
  /** Other brokers that lead partitions of these topics: the bytes of those are theirs to tell. */
  otherLeaders: number[];
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

export interface ConfigEntry {
  name: string;
  /** Absent for a value that is not shown (sensitive) or not set. */
  value?: string;
  /** default, static, cluster, broker or topic. */
  source: string;
  sensitive: boolean;
  readOnly: boolean;
  doc: string;
  /** Every layer that has a value, the one in force first; only in an answer to describeConfigs. */
  synonyms: ConfigSynonym[];
  /** int, long, double, boolean, string, list or listeners. */
  type: string;
  /** Of a broker's key: read-only, per-broker, cluster-wide or cluster-only; of a topic's: topic. */
  updateMode: string;
  /** What whoever set this value should know, such as that it has no effect yet; empty: nothing. */
  note: string;
}

export interface ConfigSynonym {
  /** The key that this layer knows it by. */
  name: string;
  /** Absent for a value that is not shown. */
  value?: string;
  source: string;
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

export interface DescribeConfigsRequest {
  resources: DescribedResource[];
}

export interface DescribedResource {
  /** topic, broker or cluster. */
  type: string;
  /** Of the topic; the broker's id; empty for the cluster. */
  name: string;
  /** None: all. */
  keys: string[];
}

export interface DescribeConfigsResponse {
  results: ConfigsResult[];
  metadataOffset: number;
}

export interface ConfigsResult {
  type: string;
  name: string;
  errorCode: number;
  errorMessage: string;
  entries: ConfigEntry[];
}

export interface AlterConfigsRequest {
  resources: AlteredResource[];
  validateOnly: boolean;
}

export interface AlteredResource {
  /** As in DescribedResource. */
  type: string;
  name: string;
  /** Each key once. */
  changes: ConfigChange[];
}

export interface ConfigChange {
  name: string;
  /** One of ConfigOperation. */
  operation: number;
  /** Not for DELETE; items with commas for APPEND and SUBTRACT. */
  value: string;
}

/** What becomes of a key; Kafka's numbers. */
export const ConfigOperation = { SET: 0, DELETE: 1, APPEND: 2, SUBTRACT: 3 } as const;

export interface AlterConfigsResponse {
  results: ConfigsResult[];
  metadataOffset: number;
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

export type DescribeQuorumRequest = Record<never, never>;

export interface DescribeQuorumResponse {
  /** Who answers. */
  brokerId: number;
  /** leader, follower, candidate or learner. */
  role: string;
  term: number;
  /** -1: none known. */
  leaderId: number;
  commitIndex: number;
  appliedIndex: number;
  lastIndex: number;
  /** It has no room to store entries. */
  suspended: boolean;
  /** The voters; from the leader also the learners. */
  nodes: QuorumNode[];
}

export interface QuorumNode {
  id: number;
  directoryId: string;
  voter: boolean;
  /** -1: not known, as with all but the leader. */
  matchIndex: number;
  /** -1: not known. */
  lastContactMs: number;
}

export interface DescribeQuorumLogRequest {
  /** 0, or below what is kept: from the oldest entry that is. */
  fromIndex: number;
  /** 0: as many as fit into an answer, 1,000 at most. */
  maxEntries: number;
}

/** The metadata log as the broker that answers holds it. */
export interface DescribeQuorumLogResponse {
  brokerId: number;
  /** Of the oldest entry that is kept; what is below is in the snapshot. */
  firstIndex: number;
  lastIndex: number;
  /** Entries above it may still be replaced. */
  commitIndex: number;
  /** Last entry that the newest snapshot contains. */
  snapshotIndex: number;
  snapshotTerm: number;
  entries: QuorumLogEntry[];
}

export interface QuorumLogEntry {
  index: number;
  term: number;
  /** command, leaderStart or voters. */
  kind: string;
  /** Of a command. */
  bytes: number;
  /** Of a command, each as JSON. */
  records: string[];
  /** Further ones, which do not fit into an answer. */
  recordsLeftOut: number;
  /** Of an entry that changes them: all of them. */
  voters: QuorumVoter[];
  /** Of a command: its leader's clock when it was proposed, Unix ms; -1: not known. */
  atMs: number;
}

export interface QuorumVoter {
  id: number;
  directoryId: string;
}

export type WriteQuorumSnapshotRequest = Record<never, never>;

/** The newest snapshot of the broker that answers, of everything that it had applied when it was asked. */
export interface WriteQuorumSnapshotResponse {
  brokerId: number;
  index: number;
  term: number;
  bytes: number;
}

export interface TransferQuorumLeaderRequest {
  nodeId: number;
}

/** It has happened. */
export interface TransferQuorumLeaderResponse {
  leaderId: number;
  term: number;
  metadataOffset: number;
}

export interface ChangeQuorumVoterRequest {
  nodeId: number;
  /** Its seat is taken, and stays so, whatever the brokers' files say; else it is given one. */
  remove: boolean;
  /** 0: 30 s. */
  timeoutMs: number;
}

/** It has happened, or was so already. */
export interface ChangeQuorumVoterResponse {
  /** Ascending. */
  voters: number[];
  metadataOffset: number;
}

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
  /** It follows no more: an operator has to look. */
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

/** Request and response of each method of the admin service, by its name in ADMIN_METHODS. */
export interface AdminCalls {
  describeCluster: { request: DescribeClusterRequest; response: DescribeClusterResponse };
  listTopics: { request: ListTopicsRequest; response: ListTopicsResponse };
  describeTopics: { request: DescribeTopicsRequest; response: DescribeTopicsResponse };
  createTopics: { request: CreateTopicsRequest; response: CreateTopicsResponse };
  deleteTopics: { request: DeleteTopicsRequest; response: DeleteTopicsResponse };
  createPartitions: { request: CreatePartitionsRequest; response: CreatePartitionsResponse };
  deleteRecords: { request: DeleteRecordsRequest; response: DeleteRecordsResponse };
  describeConfigs: { request: DescribeConfigsRequest; response: DescribeConfigsResponse };
  alterConfigs: { request: AlterConfigsRequest; response: AlterConfigsResponse };
  describeLogDirs: { request: DescribeLogDirsRequest; response: DescribeLogDirsResponse };
  describeHealth: { request: DescribeHealthRequest; response: DescribeHealthResponse };
  describeQuorum: { request: DescribeQuorumRequest; response: DescribeQuorumResponse };
  describeQuorumLog: { request: DescribeQuorumLogRequest; response: DescribeQuorumLogResponse };
  writeQuorumSnapshot: { request: WriteQuorumSnapshotRequest; response: WriteQuorumSnapshotResponse };
  transferQuorumLeader: { request: TransferQuorumLeaderRequest; response: TransferQuorumLeaderResponse };
  changeQuorumVoter: { request: ChangeQuorumVoterRequest; response: ChangeQuorumVoterResponse };
  digestReplica: { request: DigestReplicaRequest; response: DigestReplicaResponse };
  electLeaders: { request: ElectLeadersRequest; response: ElectLeadersResponse };
  alterPartitionReassignments: {
    request: AlterPartitionReassignmentsRequest;
    response: AlterPartitionReassignmentsResponse;
  };
  listPartitionReassignments: {
    request: ListPartitionReassignmentsRequest;
    response: ListPartitionReassignmentsResponse;
  };
  planReassignments: { request: PlanReassignmentsRequest; response: PlanReassignmentsResponse };
  drainBrokers: { request: DrainBrokersRequest; response: DrainBrokersResponse };
  unregisterBroker: { request: UnregisterBrokerRequest; response: UnregisterBrokerResponse };
  explainPartition: { request: ExplainPartitionRequest; response: ExplainPartitionResponse };
  diagnoseBroker: { request: DiagnoseBrokerRequest; response: DiagnoseBrokerResponse };
}
