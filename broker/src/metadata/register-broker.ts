/**
 * A broker has started and says who it is (semantics 10.4(1)). It gets a broker epoch, new and greater than every one
 * before; a repeated request of the same incarnation keeps its own.
 *
 * Every new incarnation passes through a fencing in the same command, so that nothing the old process left behind is taken for the
 * new one's: out of every ISR, and a new leader epoch for what it led. One without the previous broker epoch from a clean marker may
 * have lost records: it is out of every ELR too, before leaders are chosen (9(4)). An emptied directory (new id) is a new replica
 * (9(6)).
 */
import type { ErrorName } from "@tidemark/proto";
import type { BrokerRegistration, RegistrationResponse, TopicPartitions } from "./broker-requests.ts";
import type { Decision } from "./decision.ts";
import type { BrokerImage, ClusterImage } from "./image.ts";
import type { MetadataRecord } from "./records.ts";

export interface RegistrationContext {
  /** The controller heard of this broker's registered incarnation within its session. */
  readonly isAlive: boolean;
  /**
   * Committing this and applying it on the broker are one stretch: it is this node, and no other one votes. Then the broker has
   * applied its registration when anybody can see it, and is not fenced first (10.4(3)).
   */
  readonly isAppliedAtOnce: boolean;
}

export function registerBroker(
  working: ClusterImage,
  request: BrokerRegistration,
  { isAlive, isAppliedAtOnce }: RegistrationContext,
): Decision<RegistrationResponse> {
  const { brokerId, incarnationId, directoryId, listeners, rack, host = null, damaged = [] } = request;
  const { metadataLevel = 0 } = request;
  const before = working.brokers.get(brokerId);
  const refusal = refusalOf(working, request, isAlive);
  if (refusal !== null) return { records: [], response: { ok: false, ...refusal } };
  if (before?.incarnationId === incarnationId) {
    return { records: [], response: { ok: true, brokerEpoch: before.brokerEpoch } };
  }
  // The index of the entry that this command becomes: it grows, and no two registrations share it.
  const brokerEpoch = working.metadataOffset + 1;
  const record: MetadataRecord = {
    type: "brokerRegistered",
    brokerId,
    brokerEpoch,
    incarnationId,
    directoryId,
    listeners,
    rack,
    host,
    isFenced: !isAppliedAtOnce,
    isUnclean: isUncleanRestart(before, request),
    damaged: withOthers(working, before?.directoryId === directoryId ? united(before.damaged, damaged) : damaged),
    metadataLevel,
  };
  return { records: [record], response: { ok: true, brokerEpoch } };
}

/** 9(4): only the marker of the very incarnation that is registered says that nothing is missing. */
function isUncleanRestart(before: BrokerImage | undefined, request: BrokerRegistration): boolean {
  if (before === undefined) return false;
  return before.directoryId !== request.directoryId || before.brokerEpoch !== request.previousBrokerEpoch;
}

/** What is known of a disk stays known until the replica is in sync again: bits that were found bad are not found again by a start. */
function united(before: readonly TopicPartitions[], now: readonly TopicPartitions[]): TopicPartitions[] {
  const all = new Map<string, Set<number>>();
  for (const { topicId, partitions } of [...before, ...now])
    all.set(topicId, new Set([...(all.get(topicId) ?? []), ...partitions]));
  return [...all].map(([topicId, partitions]) => ({ topicId, partitions: [...partitions].sort((a, b) => a - b) }));
}

/**
 * Damaged replicas that others could repair. The only replica of a partition leads on: it refuses to append, and its owner decides
 * what becomes of the rest.
 */
function withOthers({ topicsById }: ClusterImage, damaged: readonly TopicPartitions[]): TopicPartitions[] {
  return damaged.flatMap(({ topicId, partitions }) => {
    const topic = topicsById.get(topicId);
    const shared = partitions.filter((number) => (topic?.partitions[number]?.replicas.length ?? 0) > 1);
    return shared.length === 0 ? [] : [{ topicId, partitions: shared }];
  });
}

function refusalOf(
  working: ClusterImage,
  { clusterId = "", brokerId, incarnationId, directoryId, listeners }: BrokerRegistration,
  isAlive: boolean,
): { readonly error: ErrorName; readonly message: string } | null {
  if (clusterId !== "" && clusterId !== working.clusterId) {
    const message = `broker ${brokerId} belongs to cluster ${clusterId}; this is cluster ${working.clusterId}`;
    return { error: "INCONSISTENT_CLUSTER_ID", message };
  }
  if (directoryId === "") {
    return { error: "INVALID_REGISTRATION", message: `broker ${brokerId} names no directory id` };
  }
  if (new Set(listeners.map(({ name }) => name)).size !== listeners.length) {
    return { error: "INVALID_REGISTRATION", message: `broker ${brokerId} names a listener twice` };
  }
  for (const other of working.brokers.values()) {
    if (other.brokerId === brokerId || other.directoryId !== directoryId) continue;
    const message = `directory ${directoryId} of broker ${brokerId} is broker ${other.brokerId}'s`;
    return { error: "INVALID_REGISTRATION", message };
  }
  const before = working.brokers.get(brokerId);
  // With the same directory the old process is dead: its lock is held by the one that speaks.
  const isTakeOver =
    before === undefined || before.directoryId === directoryId || before.incarnationId === incarnationId;
  if (isTakeOver || !isAlive || before.isFenced) return null;
  const where = before.listeners.map(({ name, host, port }) => `${name}://${host}:${port}`).join(", ");
  const message = `broker ${brokerId} runs with another data directory: incarnation ${before.incarnationId} at ${where}`;
  return { error: "DUPLICATE_BROKER_REGISTRATION", message };
}
