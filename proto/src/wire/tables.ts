/**
 * One table per message of proto/tidemark/v1/data.proto: property, type and field number, in the order of the file. The
 * compiler holds the tables against messages.ts; a test holds both against the .proto file.
 */
import { lengthFieldBytes, list, message, type MessageCodec, optional, WireType, Writer } from "./codec.ts";
import type * as M from "./messages.ts";
import {
  bool,
  bytes,
  enumeration,
  int32,
  sint32,
  sint32s,
  sint64,
  string,
  strings,
  uint32,
  uint32s,
  uint64,
} from "./scalars.ts";

const leaderHint = message<M.LeaderHint>({
  leaderId: sint32(1),
  leaderEpoch: int32(2),
  host: string(3),
  port: uint32(4),
});

const logEnd = message<M.LogEnd>({
  offset: uint64(1),
  leaderEpoch: sint32(2),
});

const producePartition = message<M.ProducePartition>({
  topic: string(1),
  partition: uint32(2),
  topicId: bytes(3),
  records: bytes(4),
  expectedEnd: optional(5, logEnd),
});

const produceRequest = message<M.ProduceRequest>({
  correlationId: uint64(1),
  acks: enumeration(2),
  timeoutMs: uint32(3),
  partitions: list(4, producePartition),
  inParts: bool(5),
});

const producePartitionResult = message<M.ProducePartitionResult>({
  errorCode: int32(1),
  errorMessage: string(2),
  baseOffset: uint64(3),
  logAppendTime: sint64(4),
  logStartOffset: uint64(5),
  duplicate: bool(6),
  durability: enumeration(7),
  leader: optional(8, leaderHint),
  unwritten: bool(9),
  pending: bool(10),
  logEnd: optional(11, logEnd),
});

const produceResponse = message<M.ProduceResponse>({
  correlationId: uint64(1),
  results: list(2, producePartitionResult),
  creditBytes: uint64(3),
});

const fetchSubscribe = message<M.FetchSubscribe>({
  subscriptionId: uint32(1),
  topic: string(2),
  partition: uint32(3),
  topicId: bytes(4),
  offset: uint64(5),
  maxBytes: uint32(6),
  isolation: enumeration(7),
  currentLeaderEpoch: sint32(8),
  isSuspect: bool(9),
});

const fetchRequest = message<M.FetchRequest>({
  subscribe: list(1, fetchSubscribe),
  unsubscribe: uint32s(2),
  creditBytes: uint64(3),
});

const FETCHED_PARTITIONS = 1;
const FETCHED_RECORDS = 10;

const fetchedPartition = message<M.FetchedPartition>({
  subscriptionId: uint32(1),
  errorCode: int32(2),
  errorMessage: string(3),
  fetchOffset: uint64(4),
  highWatermark: uint64(5),
  lastStableOffset: uint64(6),
  logStartOffset: uint64(7),
  leaderEpoch: int32(8),
  leader: optional(9, leaderHint),
  records: bytes(FETCHED_RECORDS),
});

const fetchResponse = message<M.FetchResponse>({ partitions: list(FETCHED_PARTITIONS, fetchedPartition) });

const metadataRequest = message<M.MetadataRequest>({
  topics: strings(1),
  allTopics: bool(2),
  allowAutoTopicCreation: bool(3),
});

const watchMetadataRequest = message<M.WatchMetadataRequest>({
  watch: strings(1),
  forget: strings(2),
});

const brokerMetadata = message<M.BrokerMetadata>({
  id: sint32(1),
  host: string(2),
  port: uint32(3),
  rack: string(4),
  fenced: bool(5),
});

const partitionMetadata = message<M.PartitionMetadata>({
  partition: uint32(1),
  errorCode: int32(2),
  leaderId: sint32(3),
  leaderEpoch: int32(4),
  replicas: sint32s(5),
  isr: sint32s(6),
});

const topicMetadata = message<M.TopicMetadata>({
  name: string(1),
  topicId: bytes(2),
  errorCode: int32(3),
  errorMessage: string(4),
  internal: bool(5),
  created: bool(6),
  partitions: list(7, partitionMetadata),
});

const metadataResponse = message<M.MetadataResponse>({
  clusterId: string(1),
  controllerId: sint32(2),
  metadataOffset: uint64(3),
  brokers: list(4, brokerMetadata),
  topics: list(5, topicMetadata),
});

const initProducerIdRequest = message<M.InitProducerIdRequest>({});

const initProducerIdResponse = message<M.InitProducerIdResponse>({
  producerId: uint64(1),
  producerEpoch: uint32(2),
});

const listOffsetsPartition = message<M.ListOffsetsPartition>({
  topic: string(1),
  partition: uint32(2),
  timestamp: sint64(3),
});

const listOffsetsRequest = message<M.ListOffsetsRequest>({
  partitions: list(1, listOffsetsPartition),
  isolation: enumeration(2),
});

const listOffsetsResult = message<M.ListOffsetsResult>({
  errorCode: int32(1),
  errorMessage: string(2),
  offset: sint64(3),
  timestamp: sint64(4),
  leaderEpoch: int32(5),
});

const listOffsetsResponse = message<M.ListOffsetsResponse>({ results: list(1, listOffsetsResult) });

const errorDetail = message<M.ErrorDetail>({
  code: int32(1),
  name: string(2),
  message: string(3),
  retriable: bool(4),
  topic: string(5),
  partition: sint32(6),
});

/** A FetchResponse of one partition whose records are still to be put in place. */
export interface ReservedFetchResponse {
  /** The whole message; complete once `records` is filled. */
  readonly message: Buffer;
  /** The room inside `message`, uninitialised. */
  readonly records: Buffer;
}

export interface FetchResponseCodec extends MessageCodec<M.FetchResponse> {
  /**
   * The bytes of one partition's part of a response up to its records, which follow as they are: a response is any number of
   * heads, each with its `recordsBytes` of records behind it. So records reach the frame without a copy of their own.
   * Whatever `partition.records` holds is ignored.
   */
  head(partition: Omit<M.FetchedPartition, "records">, recordsBytes: number): Buffer;
  /**
   * Encodes a response of one partition with room for `recordsBytes` of records, so that a file can be read straight into
   * the message. Whatever `partition.records` holds is ignored. The room must be filled before the message leaves.
   */
  reserve(partition: Omit<M.FetchedPartition, "records">, recordsBytes: number): ReservedFetchResponse;
}

const NO_RECORDS = Buffer.alloc(0);

function head(partition: Omit<M.FetchedPartition, "records">, recordsBytes: number): Buffer {
  const fields = fetchedPartition.encode({ ...partition, records: NO_RECORDS });
  const recordsFieldBytes = recordsBytes === 0 ? 0 : lengthFieldBytes(FETCHED_RECORDS, recordsBytes);
  const partitionBytes = fields.length + recordsFieldBytes;
  const writer = new Writer();
  writer.bytes = Buffer.allocUnsafe(lengthFieldBytes(FETCHED_PARTITIONS, partitionBytes) - recordsBytes);
  writer.tag(FETCHED_PARTITIONS, WireType.LENGTH);
  writer.unsigned(partitionBytes);
  writer.bytes.set(fields, writer.at);
  writer.at += fields.length;
  if (recordsBytes > 0) {
    writer.tag(FETCHED_RECORDS, WireType.LENGTH);
    writer.unsigned(recordsBytes);
  }
  return writer.bytes;
}

function reserve(partition: Omit<M.FetchedPartition, "records">, recordsBytes: number): ReservedFetchResponse {
  const front = head(partition, recordsBytes);
  const message = Buffer.allocUnsafe(front.length + recordsBytes);
  message.set(front);
  return { message, records: message.subarray(front.length) };
}

const fetchResponseCodec: FetchResponseCodec = {
  encode: (value) => fetchResponse.encode(value),
  decode: (value) => fetchResponse.decode(value),
  defer: (value) => fetchResponse.defer(value),
  head,
  reserve,
};

/** The codecs of data.proto by message name. */
export const wire = {
  leaderHint: leaderHint as MessageCodec<M.LeaderHint>,
  logEnd: logEnd as MessageCodec<M.LogEnd>,
  produceRequest: produceRequest as MessageCodec<M.ProduceRequest>,
  producePartition: producePartition as MessageCodec<M.ProducePartition>,
  produceResponse: produceResponse as MessageCodec<M.ProduceResponse>,
  producePartitionResult: producePartitionResult as MessageCodec<M.ProducePartitionResult>,
  fetchRequest: fetchRequest as MessageCodec<M.FetchRequest>,
  fetchSubscribe: fetchSubscribe as MessageCodec<M.FetchSubscribe>,
  fetchResponse: fetchResponseCodec,
  fetchedPartition: fetchedPartition as MessageCodec<M.FetchedPartition>,
  metadataRequest: metadataRequest as MessageCodec<M.MetadataRequest>,
  watchMetadataRequest: watchMetadataRequest as MessageCodec<M.WatchMetadataRequest>,
  metadataResponse: metadataResponse as MessageCodec<M.MetadataResponse>,
  brokerMetadata: brokerMetadata as MessageCodec<M.BrokerMetadata>,
  topicMetadata: topicMetadata as MessageCodec<M.TopicMetadata>,
  partitionMetadata: partitionMetadata as MessageCodec<M.PartitionMetadata>,
  initProducerIdRequest: initProducerIdRequest as MessageCodec<M.InitProducerIdRequest>,
  initProducerIdResponse: initProducerIdResponse as MessageCodec<M.InitProducerIdResponse>,
  listOffsetsRequest: listOffsetsRequest as MessageCodec<M.ListOffsetsRequest>,
  listOffsetsPartition: listOffsetsPartition as MessageCodec<M.ListOffsetsPartition>,
  listOffsetsResponse: listOffsetsResponse as MessageCodec<M.ListOffsetsResponse>,
  listOffsetsResult: listOffsetsResult as MessageCodec<M.ListOffsetsResult>,
  errorDetail: errorDetail as MessageCodec<M.ErrorDetail>,
};
