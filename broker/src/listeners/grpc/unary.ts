/** The unary methods of the data service: decode, call the use case, encode; a failure is a status with its coded error. */
import type { sendUnaryData, ServerUnaryCall } from "@grpc/grpc-js";
import { errorCode, uuidFromText, wire } from "@tidemark/proto";
import { handleGetMetadata, handleInitProducerId, handleListOffsets, partitionCode } from "../../api/index.ts";
import type { BrokerContext, ClientContext, MetadataTopic } from "../../api/index.ts";
import { clientOf, errorOf } from "./door-context.ts";
import { statusOf } from "./status.ts";

export type UnaryHandler = (call: ServerUnaryCall<Buffer, Buffer>, callback: sendUnaryData<Buffer>) => void;

/** A use case from bytes to bytes. Whatever it throws becomes the status of the call. */
export type BytesCall = (request: Buffer, client: ClientContext) => Promise<Buffer>;

export function unary(name: string, context: BrokerContext, handle: BytesCall): UnaryHandler {
  return (call, callback) => {
    void answer(name, context, handle, call, callback);
  };
}

/** Never rejects. What decoding throws and what the use case rejects with take the same way out. */
async function answer(
  name: string,
  context: BrokerContext,
  handle: BytesCall,
  call: ServerUnaryCall<Buffer, Buffer>,
  callback: sendUnaryData<Buffer>,
): Promise<void> {
  let response: Buffer;
  try {
    response = await handle(call.request, clientOf(call));
  } catch (thrown: unknown) {
    callback(statusOf(errorOf(thrown, name, context)));
    return;
  }
  callback(null, response);
}

export const getMetadata =
  (context: BrokerContext): BytesCall =>
  async (request, client) => {
    const metadata = await handleGetMetadata(context, wire.metadataRequest.decode(request), client);
    return wire.metadataResponse.encode({
      clusterId: metadata.clusterId,
      controllerId: metadata.controllerId,
      metadataOffset: metadata.metadataOffset,
      brokers: metadata.brokers.map((broker) => ({ ...broker })),
      topics: metadata.topics.map(toWireTopic),
    });
  };

export const initProducerId =
  (context: BrokerContext): BytesCall =>
  async (request) => {
    wire.initProducerIdRequest.decode(request);
    return wire.initProducerIdResponse.encode(await handleInitProducerId(context));
  };

export const listOffsets =
  (context: BrokerContext): BytesCall =>
  async (request) => {
    const listed = await handleListOffsets(context, wire.listOffsetsRequest.decode(request).partitions);
    const results = listed.map(({ code, message, offset, timestamp, leaderEpoch }) => ({
      errorCode: errorCode(code),
      errorMessage: message,
      offset,
      timestamp,
      leaderEpoch,
    }));
    return wire.listOffsetsResponse.encode({ results });
  };

const NO_TOPIC_ID = Buffer.alloc(0);

function toWireTopic({
  name,
  code,
  message,
  topic,
  isCreated,
}: MetadataTopic): ReturnType<typeof wire.topicMetadata.decode> {
  return {
    name,
    topicId: topic === null ? NO_TOPIC_ID : uuidFromText(topic.topicId),
    errorCode: errorCode(code),
    errorMessage: message,
    internal: topic?.internal ?? false,
    created: isCreated,
    partitions: (topic?.partitions ?? []).map((partition) => ({
      partition: partition.partition,
      errorCode: errorCode(partitionCode(partition)),
      leaderId: partition.leaderId,
      leaderEpoch: partition.leaderEpoch,
      replicas: [...partition.replicas],
      isr: [...partition.isr],
    })),
  };
}
