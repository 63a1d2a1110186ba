/**
 * What an applied entry meant, in words: the events that whoever runs a cluster follows (client-and-cli 2.4), and that explain why
 * an ISR or a leader is the one it is (semantics 15.6). A pure function of the images before and after and of the entry's records,
 * so every node tells the same of the same entry.
 *
 * Images say what has changed; most reasons too: a member that leaves the ISR together with its broker's session left because of
 * that, and one whose broker is as it was fell behind. Only what an image does not keep comes from the records: how a leader was
 * chosen, whether a registration was clean, which keys were set.
 *
 * Not here: keeping them (runtime/event-timeline).
 */
import type {
  ClusterEventFields,
  DepartureReason,
  EventOf,
  LeaderChangeReason,
  PartitionEventFields,
  RegistrationReason,
} from "@tidemark/proto";
import type { BrokerImage, ClusterImage, MetadataDelta, PartitionImage, TopicImage } from "./image.ts";
import { isReassigning, isSameList, targetOf } from "./partition-rules.ts";
import type { LeaderChoice, MetadataRecord } from "./records.ts";

export type PartitionEvent = EventOf<PartitionEventFields>;
export type ClusterEvent = EventOf<ClusterEventFields>;

/** In the order: what became of the cluster and its brokers, then of topics, then of partitions. */
export function clusterEvents(
  before: ClusterImage,
  after: ClusterImage,
  delta: MetadataDelta,
  records: readonly MetadataRecord[],
): ClusterEvent[] {
  const events: ClusterEvent[] = [];
  if (after.controllerId !== before.controllerId && after.controllerId >= 0)
    events.push({ type: "controller-changed", brokerId: after.controllerId });
  for (const record of records)
    if (record.type === "brokerRegistered") events.push(registrationOf(before.brokers.get(record.brokerId), record));
  for (const brokerId of delta.brokersChanged) {
    const broker = after.brokers.get(brokerId);
    if (broker !== undefined) events.push(...brokerEvents(before, after, broker));
    else if (before.brokers.has(brokerId)) events.push({ type: "broker-unregistered", brokerId });
  }
  for (const { name, partitions } of delta.topicsCreated)
    events.push({ type: "topic-created", topic: name, partitions: partitions.length });
  for (const { name } of delta.topicsDeleted) events.push({ type: "topic-deleted", topic: name });
  for (const record of records) if (record.type === "configChanged") events.push(configEvent(before, after, record));
  if (delta.partitionsChanged.length > 0) partitionEvents(events, before, after, delta, records);
  return events;
}

// ---- brokers ----

function registrationOf(
  before: BrokerImage | undefined,
  { brokerId, directoryId, isUnclean }: MetadataRecord & { type: "brokerRegistered" },
): ClusterEvent {
  const reason: RegistrationReason =
    before === undefined ? "new" : before.directoryId !== directoryId ? "emptied" : isUnclean ? "unclean" : "clean";
  return { type: "broker-registered", brokerId, reason };
}

function* brokerEvents(before: ClusterImage, after: ClusterImage, broker: BrokerImage): Iterable<ClusterEvent> {
  const { brokerId } = broker;
  const was = before.brokers.get(brokerId);
  const wasUp = was !== undefined && !was.isFenced && was.brokerEpoch === broker.brokerEpoch;
  if (!broker.isFenced && !wasUp) yield { type: "broker-up", brokerId };
  if (broker.isShuttingDown && was?.isShuttingDown !== true) yield { type: "broker-shutting-down", brokerId };
  if (broker.isDraining !== (was?.isDraining ?? false))
    yield { type: broker.isDraining ? "broker-draining" : "broker-undrained", brokerId };
  if (broker.isOffline && was?.isOffline !== true) yield { type: "directory-failed", brokerId };
  if (broker.isFull !== (was?.isFull ?? false)) yield { type: broker.isFull ? "disk-full" : "disk-freed", brokerId };
  if (broker.isFenced && wasUp) {
    const reason = was.isShuttingDown ? "shutdown" : broker.isOffline ? "directory-failed" : "silent";
    yield { type: "broker-down", brokerId, reason };
  }
  if (was !== undefined && was.damaged !== broker.damaged) yield* damageEvents(after, was, broker);
  else if (was === undefined && broker.damaged.length > 0) yield* damageEvents(after, { damaged: [] }, broker);
}

function* damageEvents(
  { topicsById }: ClusterImage,
  was: Pick<BrokerImage, "damaged">,
  { brokerId, damaged }: BrokerImage,
): Iterable<ClusterEvent> {
  const old = damagedPlaces(was.damaged);
  const now = damagedPlaces(damaged);
  const told = function* (type: "replica-damaged" | "replica-repaired", from: typeof now, without: typeof now) {
    for (const [key, { topicId, partition }] of from) {
      const topic = topicsById.get(topicId)?.name;
      if (topic !== undefined && !without.has(key)) yield { type, topic, partition, brokerId };
    }
  };
  yield* told("replica-damaged", now, old);
  yield* told("replica-repaired", old, now);
}

function damagedPlaces(rows: BrokerImage["damaged"]): Map<string, { topicId: string; partition: number }> {
  const places = new Map<string, { topicId: string; partition: number }>();
  for (const { topicId, partitions } of rows)
    for (const partition of partitions) places.set(`${topicId} ${partition}`, { topicId, partition });
  return places;
}

// ---- settings ----

function configEvent(
  before: ClusterImage,
  after: ClusterImage,
  { owner, set, unset }: MetadataRecord & { type: "configChanged" },
): ClusterEvent {
  const change = { set: Object.keys(set), unset };
  switch (owner.type) {
    case "topic": {
      const topic = after.topicsById.get(owner.topicId) ?? before.topicsById.get(owner.topicId);
      return { type: "config-changed", resource: `topic/${topic?.name ?? owner.topicId}`, ...change };
    }
    case "broker":
      return { type: "config-changed", resource: `broker/${owner.brokerId}`, ...change };
    case "cluster":
      return { type: "config-changed", resource: "cluster", ...change };
  }
}

// ---- partitions ----

interface Around {
  readonly before: ClusterImage;
  readonly after: ClusterImage;
  readonly topic: TopicImage;
  /** How its leader was chosen, where that was a decision of its own. */
  readonly choice: LeaderChoice | null;
}

/** Into one array: the end of a broker changes thousands of partitions. */
function partitionEvents(
  events: ClusterEvent[],
  before: ClusterImage,
  after: ClusterImage,
  { partitionsChanged }: MetadataDelta,
  records: readonly MetadataRecord[],
): void {
  const choices = choicesOf(records);
  const added = new Map<string, number>();
  for (const { topic: name, partition } of partitionsChanged) {
    const topic = after.topics.get(name);
    const now = topic?.partitions[partition];
    if (topic === undefined || now === undefined) continue;
    const was = before.topicsById.get(topic.topicId)?.partitions[partition];
    if (was === undefined) added.set(name, (added.get(name) ?? 0) + 1);
    else {
      const choice = choices.size === 0 ? null : (choices.get(`${topic.topicId} ${partition}`) ?? null);
      addEvents(events, was, now, { before, after, topic, choice });
    }
  }
  for (const [topic, partitions] of added) events.push({ type: "partitions-added", topic, partitions });
}

function choicesOf(records: readonly MetadataRecord[]): Map<string, LeaderChoice> {
  const choices = new Map<string, LeaderChoice>();
  for (const record of records) {
    if (record.type !== "leadersChosen") continue;
    for (const { topicId, partitions } of record.partitions)
      for (const partition of partitions) choices.set(`${topicId} ${partition}`, record.choice);
  }
  return choices;
}

function addEvents(events: ClusterEvent[], was: PartitionImage, now: PartitionImage, around: Around): void {
  const { choice } = around;
  const topic = around.topic.name;
  const { partition, leaderId, leaderEpoch, isr } = now;
  if (choice === "unclean" || leaderId !== was.leaderId) {
    const change = { topic, partition, leaderId, leaderBefore: was.leaderId, leaderEpoch };
    if (choice === "unclean") events.push({ type: "unclean-election", ...change, reason: "unclean" });
    else events.push({ type: "leader-changed", ...change, reason: whyLed(was, now, around) });
  }
  const reassignment = reassignmentOf(was, now);
  if (reassignment !== null) events.push({ ...reassignment, topic, partition });
  if (isSameList(was.isr, isr)) return;
  const left = was.isr.find((id) => !isr.includes(id));
  if (left !== undefined) {
    events.push({ type: "isr-shrunk", topic, partition, isr, isrBefore: was.isr, reason: whyGone(left, now, around) });
  } else if (isr.length > was.isr.length) {
    const isElected = was.isr.length === 0 && isr.length === 1 && leaderId === isr[0];
    const reason = isElected ? "elected" : "caught-up";
    events.push({ type: "isr-expanded", topic, partition, isr, isrBefore: was.isr, reason });
  }
}

/** A new target in the place of one that is under way is a start of its own. */
function reassignmentOf(
  was: PartitionImage,
  now: PartitionImage,
): {
  readonly type: "reassignment-started" | "reassignment-done" | "reassignment-cancelled";
  readonly replicas: readonly number[];
  readonly adding: readonly number[];
  readonly removing: readonly number[];
} | null {
  if (was.replicas === now.replicas && !isReassigning(was) && !isReassigning(now)) return null;
  const target = targetOf(now);
  if (isReassigning(now)) {
    const { addingReplicas: adding, removingReplicas: removing } = now;
    if (isReassigning(was) && isSameList(targetOf(was), target)) return null;
    return { type: "reassignment-started", replicas: target, adding, removing };
  }
  const isBegunAndDone = !isReassigning(was) && !isSameMembers(was.replicas, target);
  if (!isReassigning(was) && !isBegunAndDone) return null;
  const isReached = isBegunAndDone || isSameList(targetOf(was), target);
  return {
    type: isReached ? "reassignment-done" : "reassignment-cancelled",
    replicas: target,
    adding: target.filter((id) => was.addingReplicas.includes(id) || !was.replicas.includes(id)),
    removing: was.replicas.filter((id) => !target.includes(id)),
  };
}

function isSameMembers(left: readonly number[], right: readonly number[]): boolean {
  return left.length === right.length && left.every((id) => right.includes(id));
}

function whyLed(was: PartitionImage, now: PartitionImage, around: Around): LeaderChangeReason {
  if (now.leaderId < 0) return whyGone(was.leaderId, now, around);
  if (around.choice === "lastIsr") return "longest-log";
  if (around.choice === "inSync") return now.leaderId === now.replicas[0] ? "preferred" : "elected";
  if (was.leaderId < 0) return "returned";
  const reason = whyGone(was.leaderId, now, around);
  // In the way of a leader there is nothing to lag behind.
  return reason === "lagging" ? "elected" : reason;
}

/** Why this broker's replica is not in sync, or leads, any more. */
function whyGone(brokerId: number, now: PartitionImage, { before, after, topic, choice }: Around): DepartureReason {
  const was = before.brokers.get(brokerId);
  const broker = after.brokers.get(brokerId);
  if (!now.replicas.includes(brokerId)) return "reassigned";
  if (broker?.brokerEpoch !== was?.brokerEpoch) return "restarted";
  if (broker === undefined || broker.isFenced) return "fenced";
  if (broker.isOffline) return "directory-failed";
  if (broker.isShuttingDown) return "shutting-down";
  if (isNewlyDamaged(was, broker, topic.topicId, now.partition)) return "damaged";
  if (choice === "unclean") return "unclean";
  if (choice === "lastIsr") return "longest-log";
  if (broker.isFull && was?.isFull !== true) return "full";
  return broker.isDraining && was?.isDraining !== true ? "drained" : "lagging";
}

function isNewlyDamaged(
  was: BrokerImage | undefined,
  broker: BrokerImage,
  topicId: string,
  partition: number,
): boolean {
  if (was?.damaged === broker.damaged) return false;
  const isIn = (rows: BrokerImage["damaged"]): boolean =>
    rows.some((row) => row.topicId === topicId && row.partitions.includes(partition));
  return isIn(broker.damaged) && !isIn(was?.damaged ?? []);
}
