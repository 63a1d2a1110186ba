/**
 * api: one file per use case, the same for every door: check the request, decide what the client may do, call the runtime,
 * shape the answer.
 *
 * Inputs: decoded requests with the client's context. Outputs: answers, per item where the request has items; ApiError when
 * the request as a whole is refused. Invariants: every refusal has a code of the error table; nothing from the network
 * reaches an assertion of a core; one item's failure takes nothing from the others.
 *
 * What administrators ask for is behind loadAdmin, since no start needs it.
 *
 * Not here: encodings and streams (listeners), queues and waiting (runtime). Authorisation and quotas come with users.
 */
export { ApiError, toApiError, UnknownErrors } from "./api-error.ts";
export type { BrokerContext, Endpoint, SlabPool } from "./broker-context.ts";
export type { Admission, ConnectionLimitsOptions } from "./connection-limits.ts";
export { ConnectionLimits, isLoopback } from "./connection-limits.ts";
export type { ClientContext } from "./client.ts";
export type { Machine } from "./diagnose-broker.ts";
export { createTopicsReady } from "./create-topics.ts";
export type { FetchedPart, FetchMessage, FetchRequest, FetchSink, FetchSubscribe } from "./fetch.ts";
export { FetchStream } from "./fetch.ts";
export type { Metadata, MetadataRequest, MetadataTopic } from "./get-metadata.ts";
export type { MetadataSink } from "./watch-metadata.ts";
export { MetadataWatch } from "./watch-metadata.ts";
export type { TimelineEntry } from "../runtime/index.ts";
export { handleGetMetadata, partitionCode } from "./get-metadata.ts";
export { handleInitProducerId } from "./init-producer-id.ts";
export type { LeaderHint } from "./leader-hint.ts";
export { leaderHint } from "./leader-hint.ts";
export type { ListedOffset, ListOffsetsPartition } from "./list-offsets.ts";
export { handleListOffsets } from "./list-offsets.ts";
export type { RefusalsOptions } from "./refusals.ts";
export { Refusals } from "./refusals.ts";
export { type UnfinishedMessage, UnfinishedMessages } from "./unfinished-messages.ts";
export type {
  ProduceDone,
  ProducePartition,
  ProduceRequest,
  ProduceResult,
  ProduceResults,
  RequestStats,
  RequestTimes,
} from "./produce.ts";
export { handleProduce } from "./produce.ts";
export type { FaultRefusal, PartitionName, RequestFaults } from "./request-faults.ts";

export type * from "./admin.ts";
/** The use cases of the admin service. */
export type AdminUseCases = typeof import("./admin.ts");
export const loadAdmin = (): Promise<AdminUseCases> => import("./admin.ts");
