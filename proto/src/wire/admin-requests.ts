/**
 * Decoding of the admin service's requests by table. They come from strangers, and the codec that proto-loader makes knows no
 * bound: two bytes on the wire can be five hundred in memory. Answers, and requests on their way out, go through control.ts;
 * a test holds the two against each other.
 */
import type {
  AlterConfigsRequest,
  AlterPartitionReassignmentsRequest,
  AlteredResource,
  ChangeQuorumVoterRequest,
  ConfigChange,
  CreatePartitionsRequest,
  CreateTopicsRequest,
  DeleteRecordsPartition,
  DeleteRecordsRequest,
  DeleteTopicsRequest,
  DescribeClusterRequest,
  DescribeConfigsRequest,
  DescribedResource,
  DescribeHealthRequest,
  DescribeLogDirsRequest,
  DescribeQuorumLogRequest,
  DescribeQuorumRequest,
  DescribeTopicsRequest,
  DiagnoseBrokerRequest,
  DrainBrokersRequest,
  DigestReplicaRequest,
  ElectedPartition,
  ElectLeadersRequest,
  ExplainPartitionRequest,
  ListPartitionReassignmentsRequest,
  ListTopicsRequest,
  NewPartitions,
  NewTopic,
  PartitionName,
  PartitionReassignment,
  PlanReassignmentsRequest,
  ReplicaAssignment,
  UnregisterBrokerRequest,
  TransferQuorumLeaderRequest,
  WriteQuorumSnapshotRequest,
} from "../admin-messages.ts";
import { MAX_ADMIN_ELEMENTS } from "../limits.ts";
import { type Field, list, message } from "./codec.ts";
import { bool, enumeration, sint32, sint32s, sint64, string, strings, uint32, uint64 } from "./scalars.ts";

const replicaAssignment = message<ReplicaAssignment>({ replicas: sint32s(1) });

const newTopic = message<NewTopic>({
  name: string(1),
  partitions: sint32(2),
  replicationFactor: sint32(3),
  assignment: list(4, replicaAssignment),
  config: stringMap(5),
  creationId: string(6),
});

const newPartitions = message<NewPartitions>({
  name: string(1),
  total: sint32(2),
  assignment: list(3, replicaAssignment),
});

const deleteRecordsPartition = message<DeleteRecordsPartition>({
  topic: string(1),
  partition: uint32(2),
  beforeOffset: sint64(3),
});

const electedPartition = message<ElectedPartition>({ topic: string(1), partition: uint32(2) });

const partitionReassignment = message<PartitionReassignment>({
  topic: string(1),
  partition: uint32(2),
  replicas: sint32s(3),
});

const partitionName = message<PartitionName>({ topic: string(1), partition: uint32(2) });

const describedResource = message<DescribedResource>({ type: string(1), name: string(2), keys: strings(3) });

const configChange = message<ConfigChange>({ name: string(1), operation: enumeration(2), value: string(3) });

const alteredResource = message<AlteredResource>({ type: string(1), name: string(2), changes: list(3, configChange) });

/** By method. `decode` throws ProtoError INVALID_REQUEST, also for more than MAX_ADMIN_ELEMENTS elements. */
export const adminRequests = {
  describeCluster: message<DescribeClusterRequest>({}),
  listTopics: message<ListTopicsRequest>({ includeInternal: bool(1) }),
  describeTopics: message<DescribeTopicsRequest>({ names: strings(1) }, MAX_ADMIN_ELEMENTS),
  createTopics: message<CreateTopicsRequest>(
    { topics: list(1, newTopic), validateOnly: bool(2), timeoutMs: uint32(3) },
    MAX_ADMIN_ELEMENTS,
  ),
  deleteTopics: message<DeleteTopicsRequest>(
    { names: strings(1), timeoutMs: uint32(2), topicIds: strings(3), validateOnly: bool(4) },
    MAX_ADMIN_ELEMENTS,
  ),
  createPartitions: message<CreatePartitionsRequest>(
    { topics: list(1, newPartitions), validateOnly: bool(2), timeoutMs: uint32(3) },
    MAX_ADMIN_ELEMENTS,
  ),
  deleteRecords: message<DeleteRecordsRequest>(
    { partitions: list(1, deleteRecordsPartition), timeoutMs: uint32(2) },
    MAX_ADMIN_ELEMENTS,
  ),
  describeConfigs: message<DescribeConfigsRequest>({ resources: list(1, describedResource) }, MAX_ADMIN_ELEMENTS),
  alterConfigs: message<AlterConfigsRequest>(
    { resources: list(1, alteredResource), validateOnly: bool(2) },
    MAX_ADMIN_ELEMENTS,
  ),
  describeLogDirs: message<DescribeLogDirsRequest>({}),
  describeHealth: message<DescribeHealthRequest>({}),
  describeQuorum: message<DescribeQuorumRequest>({}),
  describeQuorumLog: message<DescribeQuorumLogRequest>({ fromIndex: uint64(1), maxEntries: uint32(2) }),
  writeQuorumSnapshot: message<WriteQuorumSnapshotRequest>({}),
  transferQuorumLeader: message<TransferQuorumLeaderRequest>({ nodeId: sint32(1) }),
  changeQuorumVoter: message<ChangeQuorumVoterRequest>({ nodeId: sint32(1), remove: bool(2), timeoutMs: uint32(3) }),
  digestReplica: message<DigestReplicaRequest>({ topic: string(1), partition: uint32(2), fromOffset: uint64(3) }),
  electLeaders: message<ElectLeadersRequest>(
    { unclean: bool(1), all: bool(2), partitions: list(3, electedPartition) },
    MAX_ADMIN_ELEMENTS,
  ),
  alterPartitionReassignments: message<AlterPartitionReassignmentsRequest>(
    { reassignments: list(1, partitionReassignment), validateOnly: bool(2) },
    MAX_ADMIN_ELEMENTS,
  ),
  listPartitionReassignments: message<ListPartitionReassignmentsRequest>(
    { partitions: list(1, partitionName) },
    MAX_ADMIN_ELEMENTS,
  ),
  planReassignments: message<PlanReassignmentsRequest>(
    { drainBrokers: sint32s(1), balance: bool(2), topics: strings(3), brokers: sint32s(4) },
    MAX_ADMIN_ELEMENTS,
  ),
  drainBrokers: message<DrainBrokersRequest>({ brokerIds: sint32s(1), draining: bool(2) }, MAX_ADMIN_ELEMENTS),
  unregisterBroker: message<UnregisterBrokerRequest>({ brokerId: sint32(1) }),
  explainPartition: message<ExplainPartitionRequest>({ topic: string(1), partition: uint32(2) }),
  diagnoseBroker: message<DiagnoseBrokerRequest>({}),
};

/** A map of strings. The object has no prototype: its keys are a stranger's words. */
function stringMap(number: number): Field<Record<string, string>> {
  const entries = list(number, message({ key: string(1), value: string(2) }));
  const listed = (values: Record<string, string>): { key: string; value: string }[] =>
    Object.entries(values).map(([key, value]) => ({ key, value }));
  return {
    number,
    initial: () => Object.create(null) as Record<string, string>,
    size: (values, writer) => entries.size(listed(values), writer),
    write: (values, writer) => entries.write(listed(values), writer),
    read: (reader, wireType, values) => {
      for (const { key, value } of entries.read(reader, wireType, [])) values[key] = value;
      return values;
    },
  };
}
