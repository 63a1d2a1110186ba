/**
 * The methods of both services by name: the data service with its codecs, the admin service as paths alone, so that a
 * server can register its handlers before proto-loader is loaded (its codecs come from `@tidemark/proto/control`).
 */
import type { MessageCodec } from "./codec.ts";
import { wire } from "./tables.ts";

export interface MethodDescription<Request, Response> {
  /** `/package.Service/Method`, the HTTP/2 path. */
  readonly path: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
  readonly request: MessageCodec<Request>;
  readonly response: MessageCodec<Response>;
}

function stream<Request, Response>(
  name: string,
  request: MessageCodec<Request>,
  response: MessageCodec<Response>,
): MethodDescription<Request, Response> {
  return { path: `/tidemark.v1.Data/${name}`, requestStream: true, responseStream: true, request, response };
}

function unary<Request, Response>(
  name: string,
  request: MessageCodec<Request>,
  response: MessageCodec<Response>,
): MethodDescription<Request, Response> {
  return { path: `/tidemark.v1.Data/${name}`, requestStream: false, responseStream: false, request, response };
}

export const DATA_SERVICE = {
  produce: stream("Produce", wire.produceRequest, wire.produceResponse),
  fetch: stream("Fetch", wire.fetchRequest, wire.fetchResponse),
  getMetadata: unary("GetMetadata", wire.metadataRequest, wire.metadataResponse),
  watchMetadata: stream("WatchMetadata", wire.watchMetadataRequest, wire.metadataResponse),
  initProducerId: unary("InitProducerId", wire.initProducerIdRequest, wire.initProducerIdResponse),
  listOffsets: unary("ListOffsets", wire.listOffsetsRequest, wire.listOffsetsResponse),
} as const;

/** Methods of the admin service that are single calls; the one that is not has its codec beside it (cluster-events.ts). */
export const ADMIN_METHODS = {
  describeCluster: "/tidemark.v1.Admin/DescribeCluster",
  listTopics: "/tidemark.v1.Admin/ListTopics",
  describeTopics: "/tidemark.v1.Admin/DescribeTopics",
  createTopics: "/tidemark.v1.Admin/CreateTopics",
  deleteTopics: "/tidemark.v1.Admin/DeleteTopics",
  createPartitions: "/tidemark.v1.Admin/CreatePartitions",
  deleteRecords: "/tidemark.v1.Admin/DeleteRecords",
  describeConfigs: "/tidemark.v1.Admin/DescribeConfigs",
  alterConfigs: "/tidemark.v1.Admin/AlterConfigs",
  describeLogDirs: "/tidemark.v1.Admin/DescribeLogDirs",
  describeHealth: "/tidemark.v1.Admin/DescribeHealth",
  describeQuorum: "/tidemark.v1.Admin/DescribeQuorum",
  describeQuorumLog: "/tidemark.v1.Admin/DescribeQuorumLog",
  writeQuorumSnapshot: "/tidemark.v1.Admin/WriteQuorumSnapshot",
  transferQuorumLeader: "/tidemark.v1.Admin/TransferQuorumLeader",
  changeQuorumVoter: "/tidemark.v1.Admin/ChangeQuorumVoter",
  digestReplica: "/tidemark.v1.Admin/DigestReplica",
  electLeaders: "/tidemark.v1.Admin/ElectLeaders",
  alterPartitionReassignments: "/tidemark.v1.Admin/AlterPartitionReassignments",
  listPartitionReassignments: "/tidemark.v1.Admin/ListPartitionReassignments",
  planReassignments: "/tidemark.v1.Admin/PlanReassignments",
  drainBrokers: "/tidemark.v1.Admin/DrainBrokers",
  unregisterBroker: "/tidemark.v1.Admin/UnregisterBroker",
  explainPartition: "/tidemark.v1.Admin/ExplainPartition",
  diagnoseBroker: "/tidemark.v1.Admin/DiagnoseBroker",
} as const;

export type AdminMethod = keyof typeof ADMIN_METHODS;
