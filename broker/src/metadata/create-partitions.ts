/**
 * More partitions for topics that exist (semantics 13(3)): their number only grows, and their replicas stay as many. Each topic
 * is decided by itself, also against the ones before it in the request.
 */
import { type ErrorName, validateTopicName } from "@tidemark/proto";
import { applyEntry } from "./apply.ts";
import type { Decision } from "./decision.ts";
import type { ClusterImage, TopicImage } from "./image.ts";
import {
  type Assignment,
  checkAssignment,
  checkHosts,
  HostedReplicas,
  type PlacementContext,
  type PlacementRefusal,
  placeOnBrokers,
  refuse,
} from "./place-partitions.ts";
import { targetOf } from "./partition-rules.ts";
import type { MetadataRecord } from "./records.ts";

export interface CreatePartitionsSpec {
  readonly name: string;
  /** That the topic shall have, those that it has among them. */
  readonly total: number;
  /** Brokers of each new partition, the preferred leader first; empty = placed by the controller. */
  readonly assignment: Assignment;
}

export interface CreatePartitionsResult {
  readonly name: string;
  readonly error: ErrorName;
  /** Empty without an error. */
  readonly message: string;
  /** With its new partitions, or with those it would have. Null with an error. */
  readonly topic: TopicImage | null;
  /** How many it had before. */
  readonly before: number;
}

/**
 * One result per spec, in order. Errors: INVALID_PARTITIONS, INVALID_REPLICA_ASSIGNMENT, INVALID_REPLICATION_FACTOR,
 * POLICY_VIOLATION, UNKNOWN_TOPIC_OR_PARTITION, INVALID_TOPIC_EXCEPTION, INVALID_REQUEST for a topic that is named twice.
 */
export function createPartitions(
  working: ClusterImage,
  specs: readonly CreatePartitionsSpec[],
  context: PlacementContext,
): Decision<CreatePartitionsResult[]> {
  const records: MetadataRecord[] = [];
  const hosted = new HostedReplicas(working);
  const seen = new Set<string>();
  const plans = specs.map((spec): Plan => {
    const isTwice = seen.has(spec.name);
    seen.add(spec.name);
    const plan = isTwice
      ? refuse("INVALID_REQUEST", `the request names ${spec.name} twice`)
      : planPartitions(working, hosted, spec, context);
    if (plan.ok) records.push(...plan.records);
    return plan;
  });
  const topics =
    records.length === 0 ? working.topics : applyEntry(working, working.metadataOffset + 1, records).image.topics;
  const response = specs.map(({ name }, slot): CreatePartitionsResult => {
    const plan = plans[slot];
    const before = working.topics.get(name)?.partitions.length ?? 0;
    if (plan?.ok === false) return { name, error: plan.error, message: plan.message, topic: null, before };
    return { name, error: "NONE", message: "", topic: topics.get(name) ?? null, before };
  });
  return { records, response };
}

type Plan = { readonly ok: true; readonly records: MetadataRecord[] } | PlacementRefusal;

function planPartitions(
  working: ClusterImage,
  hosted: HostedReplicas,
  { name, total, assignment: wanted }: CreatePartitionsSpec,
  context: PlacementContext,
): Plan {
  const topic = working.topics.get(name);
  if (topic === undefined) {
    const illegal = validateTopicName(name);
    if (illegal !== null) return refuse("INVALID_TOPIC_EXCEPTION", `the topic name ${illegal}`);
    return refuse("UNKNOWN_TOPIC_OR_PARTITION", `there is no topic ${name}`);
  }
  if (topic.internal) return refuse("INVALID_TOPIC_EXCEPTION", `topic ${name} is internal`);
  const before = topic.partitions.length;
  const added = total - before;
  if (added === 0) return refuse("INVALID_PARTITIONS", `topic ${name} has ${before} partitions already`);
  if (added < 0) {
    return refuse(
      "INVALID_PARTITIONS",
      `topic ${name} has ${before} partitions; their number only grows, not to ${total}`,
    );
  }
  const [one] = topic.partitions;
  const factor = one === undefined ? 1 : targetOf(one).length;
  const placed =
    wanted.length > 0
      ? checkNewAssignment(hosted, wanted, { added, before, factor })
      : placeOnBrokers(hosted, { partitions: added, factor, first: before }, context);
  if (!placed.ok) return placed;
  const limit = checkHosts(hosted, placed.assignment, context.config);
  if (limit !== null) return limit;
  hosted.add(placed.assignment);
  const { topicId } = topic;
  const records = placed.assignment.map((replicas, slot): MetadataRecord => {
    const isr = hosted.isrOf(replicas);
    const [leaderId = -1] = isr;
    return { type: "partitionCreated", topicId, partition: before + slot, replicas, isr, leaderId };
  });
  return { ok: true, records };
}

function checkNewAssignment(
  hosted: HostedReplicas,
  assignment: Assignment,
  { added, before, factor }: { added: number; before: number; factor: number },
): ReturnType<typeof checkAssignment> {
  if (assignment.length !== added) {
    return refuse("INVALID_REPLICA_ASSIGNMENT", `${assignment.length} partitions are assigned, and ${added} are new`);
  }
  return checkAssignment(hosted, assignment, { first: before, factor });
}
