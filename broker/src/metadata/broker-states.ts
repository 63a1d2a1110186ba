/** Commands about the state of a broker: its sign of life, its fencing, its controlled shutdown (semantics 10.4(2)-(4), 10.5). */
import type { BrokerHeartbeat, HeartbeatResponse } from "./broker-requests.ts";
import type { Decision } from "./decision.ts";
import type { BrokerImage, ClusterImage } from "./image.ts";
import type { BrokerState, MetadataRecord } from "./records.ts";

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

export function leadsAny({ topics }: ClusterImage, brokerId: number): boolean {
  for (const { partitions } of topics.values()) {
    if (partitions.some(({ leaderId }) => leaderId === brokerId)) return true;
  }
  return false;
}
