/**
 * Commands about the state of a broker: its sign of life, its fencing, its controlled shutdown (semantics 10.4(2)-(4), 10.5), and how an
 * operator takes it out of service: drained, and forgotten when it is gone.
 */
import type { ErrorName } from "@tidemark/proto";
import type { BrokerHeartbeat, HeartbeatResponse } from "./broker-requests.ts";
import type { Decision } from "./decision.ts";
import type { BrokerImage, ClusterImage } from "./image.ts";
import type { BrokerState, MetadataRecord } from "./records.ts";

export interface BrokerResult {
  readonly brokerId: number;
  readonly error: ErrorName;
  /** Empty without an error. */
  readonly message: string;
}

/**
 * What a sign of life changes. The broker comes to life once it has applied its own registration, unless it asks to stay fenced;
 * one that shuts down stays so until it registers anew.
 */
export function heartbeat(working: ClusterImage, request: BrokerHeartbeat): Decision<HeartbeatResponse> {
  const { brokerId, brokerEpoch } = request;
  const broker = working.brokers.get(brokerId);
  if (broker === undefined || broker.brokerEpoch !== brokerEpoch) return { records: [], response: stale(broker) };
  const hasApplied = request.metadataOffset >= brokerEpoch;
  const state: BrokerState = {
    isFenced: request.wantFence || (broker.isFenced && !hasApplied),
    isShuttingDown: broker.isShuttingDown || request.wantShutDown,
    isFull: request.isFull,
    isOffline: broker.isOffline || request.isOffline,
  };
  const records = changeOf(broker, state);
  return { records, response: { error: "NONE", supersededBy: null, isFenced: state.isFenced, mayShutDown: false } };
}

function stale(broker: BrokerImage | undefined): HeartbeatResponse {
  const supersededBy =
    broker === undefined ? null : { incarnationId: broker.incarnationId, listeners: broker.listeners };
  return { error: "STALE_BROKER_EPOCH", supersededBy, isFenced: true, mayShutDown: false };
}

/** One record with what differs, or none: a thousand signs of life cost nothing. */
function changeOf(broker: BrokerImage, state: BrokerState): MetadataRecord[] {
  const changes = (Object.keys(state) as (keyof BrokerState)[]).filter((key) => broker[key] !== state[key]);
  if (changes.length === 0) return [];
  const changed = Object.fromEntries(changes.map((key) => [key, state[key]])) as Partial<BrokerState>;
  return [{ type: "brokerChanged", brokerId: broker.brokerId, ...changed }];
}

/** Its session is over (10.4(4)). `brokerEpoch`: of the incarnation that was silent; another one is left alone. */
export function fenceBroker(working: ClusterImage, brokerId: number, brokerEpoch: number): Decision<boolean> {
  const broker = working.brokers.get(brokerId);
  if (broker === undefined || broker.brokerEpoch !== brokerEpoch || broker.isFenced)
    return { records: [], response: false };
  return { records: [{ type: "brokerChanged", brokerId, isFenced: true }], response: true };
}

/** One result per broker, in order: BROKER_ID_NOT_REGISTERED, or NONE, also where it is so already. */
export function drainBrokers(
  working: ClusterImage,
  brokerIds: readonly number[],
  isDraining: boolean,
): Decision<BrokerResult[]> {
  const records: MetadataRecord[] = [];
  const response = brokerIds.map((brokerId): BrokerResult => {
    const broker = working.brokers.get(brokerId);
    if (broker === undefined) return unknownBroker(brokerId);
    const isNamedBefore = records.some((record) => record.type === "brokerDraining" && record.brokerId === brokerId);
    if (broker.isDraining !== isDraining && !isNamedBefore) {
      records.push({ type: "brokerDraining", brokerId, isDraining });
    }
    return { brokerId, error: "NONE", message: "" };
  });
  return { records, response };
}

/**
 * Of one that is gone for good: POLICY_VIOLATION while it lives, has replicas, or votes on the metadata. Should its process come back, it
 * registers anew.
 */
export function unregisterBroker(
  working: ClusterImage,
  brokerId: number,
  { isVoter }: { readonly isVoter: boolean },
): Decision<BrokerResult> {
  const broker = working.brokers.get(brokerId);
  if (broker === undefined) return { records: [], response: unknownBroker(brokerId) };
  const refuse = (message: string): Decision<BrokerResult> => ({
    records: [],
    response: { brokerId, error: "POLICY_VIOLATION", message },
  });
  if (!broker.isFenced) return refuse(`broker ${brokerId} is alive: stop it first`);
  const hosted: string[] = [];
  for (const { name, partitions } of working.topics.values()) {
    for (const { partition, replicas } of partitions)
      if (replicas.includes(brokerId)) hosted.push(`${name}-${partition}`);
  }
  if (hosted.length > 0) {
    const some = hosted.slice(0, 5).join(", ") + (hosted.length > 5 ? ", ..." : "");
    return refuse(`broker ${brokerId} has ${hosted.length} replicas (${some}): move them to others first`);
  }
  if (isVoter) return refuse(`broker ${brokerId} votes on the cluster's metadata: take it out of the voters first`);
  return { records: [{ type: "brokerUnregistered", brokerId }], response: { brokerId, error: "NONE", message: "" } };
}

function unknownBroker(brokerId: number): BrokerResult {
  return { brokerId, error: "BROKER_ID_NOT_REGISTERED", message: `there is no broker ${brokerId}` };
}

export function leadsAny({ topics }: ClusterImage, brokerId: number): boolean {
  for (const { partitions } of topics.values()) {
    if (partitions.some(({ leaderId }) => leaderId === brokerId)) return true;
  }
  return false;
}
