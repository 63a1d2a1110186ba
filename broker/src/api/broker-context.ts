/**
 * What every use case may lean on: one object, made by the composition root, the same for all doors.
 */
import type { LiveConfig } from "../config/index.ts";
import type { ClusterImage, MetadataDelta } from "../metadata/index.ts";
import type { Clock, Disk, Logger } from "../ports/index.ts";
import type {
  BrokerCounters,
  Controller,
  ControllerCommands,
  EventTimeline,
  FetchMemory,
  ProducerIds,
  QuorumStatus,
  Purgatory,
  ReplicaManager,
  RequestBudget,
  RequestLog,
  SlabPool,
  Turn,
} from "../runtime/index.ts";
import type { UnknownErrors } from "./api-error.ts";
import type { ClientContext } from "./client.ts";
import type { Machine } from "./diagnose-broker.ts";
import type { RequestFaults } from "./request-faults.ts";

export type { SlabPool };

export interface BrokerContext {
  /** `current` is looked at when a value is needed, and not kept. */
  readonly config: LiveConfig;
  readonly version: string;
  readonly clock: Clock;
  /** Of the data directory; for its room alone. */
  readonly disk: Pick<Disk, "freeBytes" | "totalBytes">;
  readonly logger: Logger;
  readonly turn: Turn;
  readonly purgatory: Purgatory;
  readonly replicas: ReplicaManager;
  /** What changes the metadata, wherever it is decided. */
  readonly commands: ControllerCommands;
  readonly controller: Pick<Controller, "isSuspended" | "explanations" | "logPage" | "takeSnapshot" | "queues">;
  readonly producerIds: ProducerIds;
  readonly budget: RequestBudget;
  readonly slabs: SlabPool;
  readonly fetchMemory: FetchMemory;
  readonly counters: BrokerCounters;
  readonly requests: RequestLog;
  readonly errors: UnknownErrors;
  /** Of a test. */
  readonly faults?: RequestFaults;
  /** Applied metadata, as of now. */
  image(): ClusterImage;
  /** Calls `listener` for every entry when it is applied, after this broker has followed it; returns how to end that. */
  onMetadata(listener: (delta: MetadataDelta, image: ClusterImage) => void): () => void;
  /** What happened to the cluster lately. */
  timeline(): EventTimeline;
  /** What the process knows of itself and its machine. */
  machine(): Promise<Machine>;
  /** The metadata log as this node knows it; null before there is one. */
  quorum(): QuorumStatus | null;
  /** Where a client that came in by gRPC reaches a broker; null = unknown. */
  grpcEndpointOf(brokerId: number, client: ClientContext): Endpoint | null;
}

export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/** What a request waits for at most when it does not say. */
export const DEFAULT_TIMEOUT_MS = 30_000;
/** And at most when it does. */
const TIMEOUT_MAX_MS = 15 * 60_000;

export function timeoutOf(requestedMs: number): number {
  return requestedMs === 0 ? DEFAULT_TIMEOUT_MS : Math.min(requestedMs, TIMEOUT_MAX_MS);
}
