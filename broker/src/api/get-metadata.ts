/**
 * Metadata: brokers, topics, leaders, as applied here. A client that asks for a topic by name may have it made on the way
 * (13(10)): where both it and `auto.create.topics.enable` allow, with the defaults, and answered when it is ready.
 */
import type { ErrorName } from "@tidemark/proto";
import { MAX_PARTITIONS_PER_REQUEST, validateTopicName } from "@tidemark/proto";
import type { ClusterImage, PartitionImage, TopicImage } from "../metadata/index.ts";
import { ApiError } from "./api-error.ts";
import { DEFAULT_TIMEOUT_MS } from "./broker-context.ts";
import type { BrokerContext } from "./broker-context.ts";
import type { ClientContext } from "./client.ts";
import { createTopicsReady } from "./create-topics.ts";
import type { TopicOutcome } from "./create-topics.ts";

export interface MetadataRequest {
  readonly topics: readonly string[];
  readonly allTopics: boolean;
  readonly allowAutoTopicCreation: boolean;
}

export interface Metadata {
  readonly clusterId: string;
  readonly controllerId: number;
  readonly metadataOffset: number;
  readonly brokers: readonly {
    readonly id: number;
    readonly host: string;
    readonly port: number;
    readonly rack: string;
    readonly fenced: boolean;
  }[];
  readonly topics: readonly MetadataTopic[];
}

export interface MetadataTopic {
  readonly name: string;
  readonly code: ErrorName;
  readonly message: string;
  /** Null with an error. */
  readonly topic: TopicImage | null;
  /** By this very request. */
  readonly isCreated: boolean;
}

export async function handleGetMetadata(
  context: BrokerContext,
  request: MetadataRequest,
  client: ClientContext,
): Promise<Metadata> {
  if (request.topics.length > MAX_PARTITIONS_PER_REQUEST) {
    throw new ApiError(
      "INVALID_REQUEST",
      `a request names at most ${MAX_PARTITIONS_PER_REQUEST} topics, not ${request.topics.length}`,
    );
  }
  const names = [...new Set(request.topics)];
  const created = await autoCreate(context, request, names);
  // One image for the whole answer, taken after what was made is applied.
  const image = context.image();
  const topics = request.allTopics
    ? [...image.topics.values()].map((topic) => known(topic, false))
    : names.map((name) => topicMetadata(name, image.topics.get(name), created.get(name)));
  return metadataOf(context, image, topics, client);
}

/** `topics` as they are, and what every answer tells beside. */
export function currentMetadata(context: BrokerContext, names: Iterable<string>, client: ClientContext): Metadata {
  const image = context.image();
  const topics = [...names].map((name) => topicMetadata(name, image.topics.get(name), undefined));
  return metadataOf(context, image, topics, client);
}

function metadataOf(
  context: BrokerContext,
  image: ClusterImage,
  topics: readonly MetadataTopic[],
  client: ClientContext,
): Metadata {
  const brokers = [...image.brokers.values()].flatMap(({ brokerId, rack, isFenced }) => {
    const endpoint = context.grpcEndpointOf(brokerId, client);
    if (endpoint === null) return [];
    return [{ id: brokerId, host: endpoint.host, port: endpoint.port, rack: rack ?? "", fenced: isFenced }];
  });
  return {
    clusterId: image.clusterId,
    controllerId: image.controllerId,
    metadataOffset: image.metadataOffset,
    brokers,
    topics,
  };
}

/** What a partition without a leader is answered (13(10)). */
export function partitionCode(partition: PartitionImage): ErrorName {
  return partition.leaderId < 0 ? "LEADER_NOT_AVAILABLE" : "NONE";
}

interface Creation {
  readonly name: string;
  readonly code: ErrorName;
  readonly message: string;
  readonly isCreated: boolean;
}

async function autoCreate(
  context: BrokerContext,
  request: MetadataRequest,
  names: readonly string[],
): Promise<ReadonlyMap<string, Creation>> {
  const outcome = new Map<string, Creation>();
  if (!request.allowAutoTopicCreation || !context.config.current.autoCreateTopicsEnable || request.allTopics)
    return outcome;
  const { topics } = context.image();
  const missing = names.filter((name) => !topics.has(name) && validateTopicName(name) === null);
  if (missing.length === 0) return outcome;
  const specs = missing.map((name) => ({ name, partitions: -1, replicationFactor: -1, assignment: [], config: {} }));
  const results = await createTopicsReady(context, specs, { timeoutMs: 0, isValidateOnly: false });
  for (const result of await Promise.all(results.map((outcomes) => creationOf(context, outcomes)))) {
    outcome.set(result.name, result);
  }
  return outcome;
}

async function creationOf(context: BrokerContext, { name, code, message }: TopicOutcome): Promise<Creation> {
  // Made, but not ready in time: clients wait for a leader and ask again.
  if (code === "REQUEST_TIMED_OUT") return { name, code: "LEADER_NOT_AVAILABLE", message, isCreated: true };
  if (code !== "TOPIC_ALREADY_EXISTS") return { name, code, message, isCreated: code === "NONE" };
  // Somebody else was faster: it is there, and ready is what the client waits for.
  const topic = context.image().topics.get(name);
  if (topic !== undefined) await context.replicas.whenReady(topic, DEFAULT_TIMEOUT_MS);
  return { name, code: "NONE", message: "", isCreated: false };
}

function topicMetadata(name: string, topic: TopicImage | undefined, creation: Creation | undefined): MetadataTopic {
  if (creation !== undefined && creation.code !== "NONE") {
    return { name, code: creation.code, message: creation.message, topic: null, isCreated: creation.isCreated };
  }
  if (topic !== undefined) return known(topic, creation?.isCreated ?? false);
  const illegal = validateTopicName(name);
  if (illegal !== null)
    return {
      name,
      code: "INVALID_TOPIC_EXCEPTION",
      message: `the topic name ${illegal}`,
      topic: null,
      isCreated: false,
    };
  return {
    name,
    code: "UNKNOWN_TOPIC_OR_PARTITION",
    message: `there is no topic "${name}"`,
    topic: null,
    isCreated: false,
  };
}

function known(topic: TopicImage, isCreated: boolean): MetadataTopic {
  return { name: topic.name, code: "NONE", message: "", topic, isCreated };
}
