/**
 * The messages of proto/tidemark/v1/admin.proto as TypeScript sees them through `@tidemark/proto/control`: camelCase names,
 * 64-bit integers as numbers, defaults filled in. Clients and brokers name them without loading a codec.
 */
import type * as cluster from "./admin/cluster.ts";
import type * as configs from "./admin/configs.ts";
import type * as explain from "./admin/explain.ts";
import type * as moves from "./admin/moves.ts";
import type * as quorum from "./admin/quorum.ts";
import type * as topics from "./admin/topics.ts";

export type * from "./admin/cluster.ts";
export * from "./admin/configs.ts";
export type * from "./admin/explain.ts";
export type * from "./admin/moves.ts";
export type * from "./admin/quorum.ts";
export type * from "./admin/topics.ts";

/** Request and response of each method of the admin service, by its name in ADMIN_METHODS. */
export interface AdminCalls {
  describeCluster: { request: cluster.DescribeClusterRequest; response: cluster.DescribeClusterResponse };
  listTopics: { request: topics.ListTopicsRequest; response: topics.ListTopicsResponse };
  describeTopics: { request: topics.DescribeTopicsRequest; response: topics.DescribeTopicsResponse };
  createTopics: { request: topics.CreateTopicsRequest; response: topics.CreateTopicsResponse };
  deleteTopics: { request: topics.DeleteTopicsRequest; response: topics.DeleteTopicsResponse };
  createPartitions: { request: topics.CreatePartitionsRequest; response: topics.CreatePartitionsResponse };
  deleteRecords: { request: topics.DeleteRecordsRequest; response: topics.DeleteRecordsResponse };
  describeConfigs: { request: configs.DescribeConfigsRequest; response: configs.DescribeConfigsResponse };
  alterConfigs: { request: configs.AlterConfigsRequest; response: configs.AlterConfigsResponse };
  describeLogDirs: { request: cluster.DescribeLogDirsRequest; response: cluster.DescribeLogDirsResponse };
  describeHealth: { request: cluster.DescribeHealthRequest; response: cluster.DescribeHealthResponse };
  describeQuorum: { request: quorum.DescribeQuorumRequest; response: quorum.DescribeQuorumResponse };
  describeQuorumLog: { request: quorum.DescribeQuorumLogRequest; response: quorum.DescribeQuorumLogResponse };
  writeQuorumSnapshot: { request: quorum.WriteQuorumSnapshotRequest; response: quorum.WriteQuorumSnapshotResponse };
  transferQuorumLeader: { request: quorum.TransferQuorumLeaderRequest; response: quorum.TransferQuorumLeaderResponse };
  changeQuorumVoter: { request: quorum.ChangeQuorumVoterRequest; response: quorum.ChangeQuorumVoterResponse };
  digestReplica: { request: topics.DigestReplicaRequest; response: topics.DigestReplicaResponse };
  electLeaders: { request: moves.ElectLeadersRequest; response: moves.ElectLeadersResponse };
  alterPartitionReassignments: {
    request: moves.AlterPartitionReassignmentsRequest;
    response: moves.AlterPartitionReassignmentsResponse;
  };
  listPartitionReassignments: {
    request: moves.ListPartitionReassignmentsRequest;
    response: moves.ListPartitionReassignmentsResponse;
  };
  planReassignments: { request: moves.PlanReassignmentsRequest; response: moves.PlanReassignmentsResponse };
  drainBrokers: { request: cluster.DrainBrokersRequest; response: cluster.DrainBrokersResponse };
  unregisterBroker: { request: cluster.UnregisterBrokerRequest; response: cluster.UnregisterBrokerResponse };
  explainPartition: { request: explain.ExplainPartitionRequest; response: explain.ExplainPartitionResponse };
  diagnoseBroker: { request: cluster.DiagnoseBrokerRequest; response: cluster.DiagnoseBrokerResponse };
}
