/** The unary methods of the data service: decode, call the use case, encode; a failure is a status with its coded error. */
import http2 from "node:http2";
import type { sendUnaryData, ServerUnaryCall } from "@grpc/grpc-js";
import { errorCode, uuidFromText, wire } from "@tidemark/proto";
import { handleGetMetadata, handleInitProducerId, handleListOffsets, partitionCode } from "../../api/index.ts";
import type { BrokerContext, ClientContext, Metadata, MetadataTopic, RequestStats } from "../../api/index.ts";
import { clientOf, errorOf } from "./door-context.ts";
import type { DoorContext } from "./door-context.ts";
import { streamOf } from "./server-internals.ts";
import { statusOf } from "./status.ts";

export type UnaryHandler = (call: ServerUnaryCall<Buffer, Buffer>, callback: sendUnaryData<Buffer>) => void;

/** A use case from bytes to bytes. Whatever it throws becomes the status of the call. */
export type BytesCall = (request: Buffer, client: ClientContext) => Promise<Buffer>;

export function unary(name: string, context: DoorContext, handle: BytesCall): UnaryHandler {
  const stats = context.requests.of(name, "GRPC");
  return (call, callback) => {
    void answer({ name, context, stats, handle }, call, callback);
  };
}

interface UnaryMethod {
  readonly name: string;
  readonly context: DoorContext;
  readonly stats: RequestStats;
  readonly handle: BytesCall;
}

/** Never rejects. What decoding throws and what the use case rejects with take the same way out. */
async function answer(
  { name, context, stats, handle }: UnaryMethod,
  call: ServerUnaryCall<Buffer, Buffer>,
  callback: sendUnaryData<Buffer>,
): Promise<void> {
  const arrivedAt = context.clock.monotonicNow();
  let startedAt = arrivedAt;
  const client = clientOf(call);
  let response: Buffer;
  try {
    if (context.pace.isTaken) {
      await context.pace.turn(call.request.length);
      startedAt = context.clock.monotonicNow();
      // Nobody waits for it any more.
      if (call.cancelled) return;
    }
    const handled = (): Promise<Buffer> => handle(call.request, client);
    response = await (context.faults?.call(name, handled) ?? handled());
  } catch (thrown: unknown) {
    callback(statusOf(errorOf(thrown, name, context)));
    return;
  } finally {
    // What the handler waits for is its own doing, as the commit of a topic's creation.
    const doneAt = context.clock.monotonicNow();
    const times = { arrivedAt, startedAt, takenAt: doneAt, doneAt };
    context.requests.record(stats, times, doneAt, call.request.length, () => ({ clientId: client.clientId }));
  }
  holdUntilRead(call, response.length, context);
  callback(null, response);
}

/** An answer stays in memory until its client reads it, which it may never do: there is a bound of all of them together. */
function holdUntilRead(call: ServerUnaryCall<Buffer, Buffer>, bytes: number, context: DoorContext): void {
  const stream = streamOf(call);
  if (stream.destroyed) return;
  const unread = context.unread.of(() => {
    context.refusals.count("response", "THROTTLING_QUOTA_EXCEEDED");
    stream.close(http2.constants.NGHTTP2_ENHANCE_YOUR_CALM);
  });
  stream.once("close", () => unread.clear());
  unread.set(bytes);
}

export const getMetadata =
  (context: BrokerContext): BytesCall =>
  async (request, client) => {
    const metadata = await handleGetMetadata(context, wire.metadataRequest.decode(request), client);
    return wire.metadataResponse.encode(toWireMetadata(metadata));
  };

export function toWireMetadata(metadata: Metadata): ReturnType<typeof wire.metadataResponse.decode> {
  return {
    clusterId: metadata.clusterId,
    controllerId: metadata.controllerId,
    metadataOffset: metadata.metadataOffset,
    brokers: metadata.brokers.map((broker) => ({ ...broker })),
    topics: metadata.topics.map(toWireTopic),
  };
}

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
