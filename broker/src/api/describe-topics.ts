/** What is known of topics: placement from the metadata, offsets and sizes from the partitions that this broker leads. */
import type { ErrorName } from "@tidemark/proto";
import { MAX_PARTITIONS_PER_REQUEST, validateTopicName } from "@tidemark/proto";
import type { ConfigDescription } from "../config/index.ts";
import { describeConfigs } from "../config/index.ts";
import { effectiveMinIsr, isDamaged, replicationFactorOf } from "../metadata/index.ts";
import type { ClusterImage, PartitionImage, ReplicaDirectory, TopicImage } from "../metadata/index.ts";
import { ApiError } from "./api-error.ts";
import type { BrokerContext } from "./broker-context.ts";

export interface DescribedTopic {
  readonly name: string;
  readonly code: ErrorName;
  readonly message: string;
  readonly topic: TopicDescription | null;
}

export interface TopicDescription {
  readonly name: string;
  readonly topicId: string;
  readonly internal: boolean;
  /** Of the partitions that this broker leads. */
  readonly bytes: number;
  readonly partitions: readonly PartitionDescription[];
  readonly config: readonly ConfigDescription[];
}

/** Offsets and bytes are those of a partition that is led here, with its log open; else 0. */
export interface PartitionDescription {
  readonly partition: number;
  readonly leaderId: number;
  readonly leaderEpoch: number;
  readonly replicas: readonly number[];
  readonly isr: readonly number[];
  readonly logStartOffset: number;
  readonly highWatermark: number;
  readonly lastStableOffset: number;
  readonly logEndOffset: number;
  readonly bytes: number;
  readonly elr: readonly number[];
  readonly lastIsr: readonly ReplicaDirectory[];
  readonly recovering: boolean;
  readonly minInsyncReplicas: number;
  readonly ledHere: boolean;
  readonly addingReplicas: readonly number[];
  readonly removingReplicas: readonly number[];
  /** Replicas that are known as damaged (15.7); of the leader's own it is the leader that tells. */
  readonly damaged: readonly number[];
}

/** One description per name, in order, each made when it is asked for; of one image, whenever that is. */
export function handleDescribeTopics(context: BrokerContext, names: readonly string[]): Iterable<DescribedTopic> {
  if (names.length > MAX_PARTITIONS_PER_REQUEST) {
    throw new ApiError(
      "INVALID_REQUEST",
      `a request describes at most ${MAX_PARTITIONS_PER_REQUEST} topics, not ${names.length}`,
    );
  }
  return describedTopics(context, context.image().topics, names);
}

function* describedTopics(
  context: BrokerContext,
  topics: ReadonlyMap<string, TopicImage>,
  names: readonly string[],
): Generator<DescribedTopic> {
  const seen = new Set<string>();
  const refused = (name: string, code: ErrorName, message: string): DescribedTopic => ({
    name,
    code,
    message,
    topic: null,
  });
  for (const name of names) {
    const topic = topics.get(name);
    const illegal = validateTopicName(name);
    // A topic may have thousands of partitions: told of each topic once, an answer is bounded.
    if (seen.has(name)) yield refused(name, "INVALID_REQUEST", `the request names "${name}" twice`);
    else if (topic !== undefined) yield { name, code: "NONE", message: "", topic: describeTopic(context, topic) };
    else if (illegal !== null) yield refused(name, "INVALID_TOPIC_EXCEPTION", `the topic name ${illegal}`);
    else yield refused(name, "UNKNOWN_TOPIC_OR_PARTITION", `there is no topic "${name}"`);
    seen.add(name);
  }
}

export function describeTopic(context: BrokerContext, topic: TopicImage): TopicDescription {
  const cluster = context.image();
  return {
    name: topic.name,
    topicId: topic.topicId,
    internal: topic.internal,
    bytes: context.replicas.sizeBytesOf(topic.name),
    partitions: topic.partitions.map((image): PartitionDescription => {
      const led = context.replicas.find(topic.name, image.partition);
      return {
        partition: image.partition,
        leaderId: image.leaderId,
        leaderEpoch: image.leaderEpoch,
        replicas: image.replicas,
        isr: image.isr,
        logStartOffset: led?.logStartOffset ?? 0,
        highWatermark: led?.highWatermark ?? 0,
        lastStableOffset: led?.lastStableOffset ?? 0,
        logEndOffset: led?.logEndOffset ?? 0,
        bytes: led?.sizeBytes ?? 0,
        elr: image.elr,
        lastIsr: image.lastIsr,
        recovering: image.isRecovering,
        minInsyncReplicas: effectiveMinIsr(cluster, topic, replicationFactorOf(image)),
        ledHere: led !== undefined,
        addingReplicas: image.addingReplicas,
        removingReplicas: image.removingReplicas,
        damaged: damagedOf(cluster, topic.topicId, image, led?.isDamaged === true || led?.isRotten === true),
      };
    }),
    config: describeConfigs(context.config.layers, { type: "topic", overrides: topic.overrides }),
  };
}

function damagedOf(
  { brokers }: ClusterImage,
  topicId: string,
  { partition, replicas, leaderId }: PartitionImage,
  isLeaderDamaged: boolean,
): readonly number[] {
  return replicas.filter((id) => {
    const broker = brokers.get(id);
    return (id === leaderId && isLeaderDamaged) || (broker !== undefined && isDamaged(broker, topicId, partition));
  });
}
