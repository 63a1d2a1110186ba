/**
 * Creates topics (semantics 13(1), 13(2)). Each spec is decided by itself, in order, also against the ones before it in
 * the request: what is refused leaves no trace, what is accepted becomes one record for the topic and one per partition.
 */
import { type ErrorName, topicCollisionKey, uuidToText, validateTopicName } from "@tidemark/proto";
import { type BrokerConfig, type ChangeVerdict, checkChanges } from "../config/index.ts";
import { applyEntry } from "./apply.ts";
import type { Decision } from "./decision.ts";
import type { ClusterImage, TopicImage } from "./image.ts";
import {
  type Assignment,
  checkAssignment,
  checkHosts,
  HostedReplicas,
  type Placed,
  type PlacementContext,
  type PlacementRefusal,
  placeOnBrokers,
  refuse,
} from "./place-partitions.ts";
import type { MetadataRecord } from "./records.ts";

const NO_OVERRIDES: ReadonlyMap<string, string> = new Map();

export interface CreateTopicSpec {
  readonly name: string;
  /** -1 = the configured default; must be -1 with an assignment. */
  readonly partitions: number;
  /** -1 = the configured default; must be -1 with an assignment. */
  readonly replicationFactor: number;
  /** Brokers of each partition from 0 on, the preferred leader first; empty = placed by the controller. */
  readonly assignment: Assignment;
  readonly config: Readonly<Record<string, string>>;
  readonly internal?: boolean;
  /** Drawn by whoever asks: asked again with it, a topic that it has made is a success. Absent or empty: each asking counts. */
  readonly creationId?: string;
}

export interface CreateTopicResult {
  readonly name: string;
  readonly error: ErrorName;
  /** Empty without an error. */
  readonly message: string;
  /** The topic made, or that would be made; with `ifAbsent` the one that is there. Null with an error. */
  readonly topic: TopicImage | null;
}

export interface CreateTopicsContext extends PlacementContext {
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
    if (state.has(spec.name) && (context.ifAbsent || isMadeBy(spec, working))) return { ok: true, records: [] };
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

/** The answer to an earlier asking was lost on its way. */
function isMadeBy({ name, creationId = "" }: CreateTopicSpec, { topics }: ClusterImage): boolean {
  return creationId !== "" && topics.get(name)?.creationId === creationId;
}

/** Names and counts: those of the working image and what the request has taken so far. */
class CreationState {
  readonly hosted: HostedReplicas;
  readonly #nameByCollisionKey = new Map<string, string>();

  constructor(working: ClusterImage) {
    this.hosted = new HostedReplicas(working);
    for (const name of working.topics.keys()) this.#nameByCollisionKey.set(topicCollisionKey(name), name);
  }

  /** The topic that leaves no room for one of this name: its namesake, or one that is the same after `.` → `_`. */
  holderOf(name: string): string | undefined {
    return this.#nameByCollisionKey.get(topicCollisionKey(name));
  }

  has(name: string): boolean {
    return this.holderOf(name) === name;
  }

  add(name: string, assignment: Assignment): void {
    this.#nameByCollisionKey.set(topicCollisionKey(name), name);
    this.hosted.add(assignment);
  }
}

type Plan = { readonly ok: true; readonly records: MetadataRecord[] } | PlacementRefusal;

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
  const verdict = checkOverrides(context, spec.config);
  if (!verdict.ok) return refuse(verdict.error, verdict.message);

  const placed = spec.assignment.length > 0 ? placeAsAssigned(state, spec) : place(state, spec, context);
  if (!placed.ok) return placed;
  const limit = checkHosts(state.hosted, placed.assignment, context.config);
  if (limit !== null) return limit;
  state.add(name, placed.assignment);

  const topicId = uuidToText(context.random(16));
  const { internal = false, creationId = "" } = spec;
  const overrides = { "tidemark.durability": durabilityFor(context.config, internal), ...verdict.change.set };
  const made = creationId === "" ? {} : { creationId };
  const records: MetadataRecord[] = [{ type: "topicCreated", topicId, name, internal, overrides, ...made }];
  for (const [partition, replicas] of placed.assignment.entries()) {
    const isr = state.hosted.isrOf(replicas);
    const [leaderId = -1] = isr;
    records.push({ type: "partitionCreated", topicId, partition, replicas, isr, leaderId });
  }
  return { ok: true, records };
}

/** A topic keeps the mode that it was made with (15.1(5)); the broker's own topics are always synced outside dev. */
function durabilityFor({ topicDefaults, profile }: BrokerConfig, internal: boolean): string {
  const isRaised = internal && profile === "server" && topicDefaults.durability === "page-cache";
  return isRaised ? "group-commit" : topicDefaults.durability;
}

function checkOverrides({ layers }: CreateTopicsContext, config: CreateTopicSpec["config"]): ChangeVerdict {
  const changes = Object.entries(config).map(([name, value]) => ({ name, operation: "set" as const, value }));
  return checkChanges(layers, { type: "topic", overrides: NO_OVERRIDES, texts: NO_OVERRIDES }, changes);
}

/** A manual assignment stands alone: no counts beside it, as many replicas for each partition as for the first. */
function placeAsAssigned(state: CreationState, spec: CreateTopicSpec): Placed {
  const { assignment, partitions, replicationFactor } = spec;
  if (partitions !== -1 || replicationFactor !== -1) {
    return refuse("INVALID_REQUEST", "with an assignment, partitions and replication factor must be -1");
  }
  return checkAssignment(state.hosted, assignment, { first: 0, factor: assignment[0]?.length ?? 0 });
}

function place(state: CreationState, spec: CreateTopicSpec, context: CreateTopicsContext): Placed {
  const { config } = context;
  const partitions = spec.partitions === -1 ? config.numPartitions : spec.partitions;
  if (!Number.isSafeInteger(partitions) || partitions < 1) {
    return refuse("INVALID_PARTITIONS", `${partitions} partitions; at least 1 is needed, or -1 for the default`);
  }
  const wanted = spec.replicationFactor === -1 ? config.defaultReplicationFactor : spec.replicationFactor;
  const factor = wanted ?? Math.max(1, Math.min(3, state.hosted.brokers.size));
  if (!Number.isSafeInteger(factor) || factor < 1) {
    return refuse(
      "INVALID_REPLICATION_FACTOR",
      `replication factor ${factor}; at least 1 is needed, or -1 for the default`,
    );
  }
  return placeOnBrokers(state.hosted, { partitions, factor, first: 0 }, context);
}
