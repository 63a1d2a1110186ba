/**
 * Creates topics (semantics 13(1), 13(2)). Each spec is decided by itself, in order, also against the ones before it in
 * the request: what is refused leaves no trace, what is accepted becomes one record for the topic and one per partition.
 */
import {
  type ErrorName,
  MAX_PARTITIONS_PER_REQUEST,
  topicCollisionKey,
  uuidToText,
  validateTopicName,
} from "@tidemark/proto";
import { type BrokerConfig, checkTopicOverrides } from "../config/index.ts";
import { applyEntry } from "./apply.ts";
import type { Decision } from "./decision.ts";
import type { ClusterImage, TopicImage } from "./image.ts";
import { placeReplicas } from "./placement.ts";
import type { MetadataRecord } from "./records.ts";

export interface CreateTopicSpec {
  readonly name: string;
  /** -1 = the configured default; must be -1 with an assignment. */
  readonly partitions: number;
  /** -1 = the configured default; must be -1 with an assignment. */
  readonly replicationFactor: number;
  /** Brokers of each partition from 0 on, the preferred leader first; empty = placed by the controller. */
  readonly assignment: readonly (readonly number[])[];
  readonly config: Readonly<Record<string, string>>;
  readonly internal?: boolean;
}

export interface CreateTopicResult {
  readonly name: string;
  readonly error: ErrorName;
  /** Empty without an error. */
  readonly message: string;
  /** The topic made, or that would be made; with `ifAbsent` the one that is there. Null with an error. */
  readonly topic: TopicImage | null;
}

export interface CreateTopicsContext {
  readonly config: BrokerConfig;
  /** Makes 16-byte ids and chooses where placement begins. */
  readonly random: (count: number) => Uint8Array;
  /** A topic that is there already is a success. */
  readonly ifAbsent: boolean;
}

/** One result per spec, in order. */
export function createTopics(
  working: ClusterImage,
  specs: readonly CreateTopicSpec[],
  context: CreateTopicsContext,
): Decision<CreateTopicResult[]> {
  const records: MetadataRecord[] = [];
  const state = new CreationState(working);
  const plans = specs.map((spec): Plan => {
    if (context.ifAbsent && state.has(spec.name)) return { ok: true, records: [] };
    const plan = planTopic(state, spec, context);
    if (plan.ok) records.push(...plan.records);
    return plan;
  });
  const topics =
    records.length === 0 ? working.topics : applyEntry(working, working.metadataOffset + 1, records).image.topics;
  const response = specs.map(({ name }, slot): CreateTopicResult => {
    const plan = plans[slot];
    if (plan?.ok === false) return { name, error: plan.error, message: plan.message, topic: null };
    return { name, error: "NONE", message: "", topic: topics.get(name) ?? null };
  });
  return { records, response };
}

/** Names and counts: those of the working image and what the request has taken so far. */
class CreationState {
  readonly brokers: ClusterImage["brokers"];
  /** Partitions that the request has made. */
  partitionsCount = 0;
  readonly #nameByCollisionKey = new Map<string, string>();
  readonly #hostedCounts = new Map<number, number>();

  constructor(working: ClusterImage) {
    this.brokers = working.brokers;
    for (const { name, partitions } of working.topics.values()) {
      this.#nameByCollisionKey.set(topicCollisionKey(name), name);
      for (const { replicas } of partitions) this.#host(replicas);
    }
  }

  /** The topic that leaves no room for one of this name: its namesake, or one that is the same after `.` → `_`. */
  holderOf(name: string): string | undefined {
    return this.#nameByCollisionKey.get(topicCollisionKey(name));
  }

  has(name: string): boolean {
    return this.holderOf(name) === name;
  }

  hostedCount(brokerId: number): number {
    return this.#hostedCounts.get(brokerId) ?? 0;
  }

  add(name: string, assignment: Assignment): void {
    this.#nameByCollisionKey.set(topicCollisionKey(name), name);
    this.partitionsCount += assignment.length;
    for (const replicas of assignment) this.#host(replicas);
  }

  #host(replicas: readonly number[]): void {
    for (const brokerId of replicas) this.#hostedCounts.set(brokerId, this.hostedCount(brokerId) + 1);
  }
}

/** Brokers of each partition, the preferred leader first. */
type Assignment = readonly (readonly number[])[];
type Refusal = { readonly ok: false; readonly error: ErrorName; readonly message: string };
type Plan = { readonly ok: true; readonly records: MetadataRecord[] } | Refusal;

function refuse(error: ErrorName, message: string): Refusal {
  return { ok: false, error, message };
}

function planTopic(state: CreationState, spec: CreateTopicSpec, context: CreateTopicsContext): Plan {
  const { name } = spec;
  const illegal = validateTopicName(name);
  if (illegal !== null) return refuse("INVALID_TOPIC_EXCEPTION", `the topic name ${illegal}`);
  const holder = state.holderOf(name);
  if (holder === name) return refuse("TOPIC_ALREADY_EXISTS", `topic ${name} exists`);
  if (holder !== undefined) {
    const reason = `the topic name ${name} collides with ${holder}: "." and "_" count as one`;
    return refuse("INVALID_TOPIC_EXCEPTION", reason);
  }
  const verdict = checkTopicOverrides(context.config, spec.config);
  if (!verdict.ok) return refuse("INVALID_CONFIG", verdict.message);

  const placed = spec.assignment.length > 0 ? checkAssignment(state, spec) : place(state, spec, context);
  if (!placed.ok) return placed;
  const limit = checkLimits(state, placed.assignment, context.config);
  if (limit !== null) return limit;
  state.add(name, placed.assignment);

  const topicId = uuidToText(context.random(16));
  const internal = spec.internal ?? false;
  const overrides = { "tidemark.durability": durabilityFor(context.config, internal), ...spec.config };
  const records: MetadataRecord[] = [{ type: "topicCreated", topicId, name, internal, overrides }];
  for (const [partition, replicas] of placed.assignment.entries()) {
    const [leaderId = -1] = replicas;
    records.push({ type: "partitionCreated", topicId, partition, replicas, isr: replicas, leaderId });
  }
  return { ok: true, records };
}

/** A topic keeps the mode that it was made with (15.1(5)); the broker's own topics are always synced outside dev. */
function durabilityFor({ topicDefaults, profile }: BrokerConfig, internal: boolean): string {
  const isRaised = internal && profile === "server" && topicDefaults.durability === "page-cache";
  return isRaised ? "group-commit" : topicDefaults.durability;
}

type Placed = { readonly ok: true; readonly assignment: Assignment } | Refusal;

/** Kafka's rules for a manual assignment: no counts beside it, known and distinct brokers, as many for each partition. */
function checkAssignment(state: CreationState, { assignment, partitions, replicationFactor }: CreateTopicSpec): Placed {
  if (partitions !== -1 || replicationFactor !== -1) {
    return refuse("INVALID_REQUEST", "with an assignment, partitions and replication factor must be -1");
  }
  const factor = assignment[0]?.length ?? 0;
  for (const [partition, replicas] of assignment.entries()) {
    const text = `partition ${partition} [${replicas.join(", ")}]`;
    if (replicas.length === 0) return refuse("INVALID_REPLICA_ASSIGNMENT", `${text} has no replica`);
    if (replicas.length !== factor) {
      return refuse("INVALID_REPLICA_ASSIGNMENT", `${text} has ${replicas.length} replicas, partition 0 has ${factor}`);
    }
    if (new Set(replicas).size !== factor) return refuse("INVALID_REPLICA_ASSIGNMENT", `${text} names a broker twice`);
    const stranger = replicas.find((brokerId) => !state.brokers.has(brokerId));
    if (stranger !== undefined) return refuse("INVALID_REPLICA_ASSIGNMENT", `${text}: there is no broker ${stranger}`);
  }
  return { ok: true, assignment };
}

function place(state: CreationState, spec: CreateTopicSpec, { config, random }: CreateTopicsContext): Placed {
  const partitions = spec.partitions === -1 ? config.numPartitions : spec.partitions;
  if (!Number.isSafeInteger(partitions) || partitions < 1) {
    return refuse("INVALID_PARTITIONS", `${partitions} partitions; at least 1 is needed, or -1 for the default`);
  }
  // Before anything is made in that number.
  if (partitions > MAX_PARTITIONS_PER_REQUEST) return tooManyPartitions(partitions);
  const brokersCount = state.brokers.size;
  const wanted = spec.replicationFactor === -1 ? config.defaultReplicationFactor : spec.replicationFactor;
  const factor = wanted ?? Math.max(1, Math.min(3, brokersCount));
  if (!Number.isSafeInteger(factor) || factor < 1) {
    return refuse(
      "INVALID_REPLICATION_FACTOR",
      `replication factor ${factor}; at least 1 is needed, or -1 for the default`,
    );
  }
  if (factor > brokersCount) {
    return refuse(
      "INVALID_REPLICATION_FACTOR",
      `replication factor ${factor} needs ${factor} brokers; there are ${brokersCount}`,
    );
  }
  const start = Buffer.from(random(4)).readUInt32BE();
  return { ok: true, assignment: placeReplicas([...state.brokers.values()], partitions, factor, start) };
}

function checkLimits(
  state: CreationState,
  assignment: Assignment,
  { maxPartitionsPerBroker }: BrokerConfig,
): Refusal | null {
  const requested = state.partitionsCount + assignment.length;
  if (requested > MAX_PARTITIONS_PER_REQUEST) return tooManyPartitions(requested);
  const added = new Map<number, number>();
  for (const brokerId of assignment.flat()) added.set(brokerId, (added.get(brokerId) ?? 0) + 1);
  for (const [brokerId, count] of added) {
    const total = state.hostedCount(brokerId) + count;
    if (total <= maxPartitionsPerBroker) continue;
    const limit = `max.partitions.per.broker is ${maxPartitionsPerBroker}`;
    return refuse("POLICY_VIOLATION", `broker ${brokerId} would host ${total} replicas; ${limit}`);
  }
  return null;
}

function tooManyPartitions(count: number): Refusal {
  return refuse("INVALID_PARTITIONS", `${count} partitions in one request; ${MAX_PARTITIONS_PER_REQUEST} are allowed`);
}
