/**
 * What a cluster goes on with when most of its voters have lost their metadata for ever: what one node knew, made safe against what it
 * did not. Whoever was in sync by then is not known; so nobody is, and every partition waits for an operator's choice of the longest log
 * among its living replicas (semantics 9(3), unclean), but for those whose only replica is here.
 *
 * Numbers that only grow, and that others may have seen greater than this node did, leap: metadata offsets (broker epochs are taken from
 * them), leader epochs, which stand in the logs, partition epochs, producer ids.
 */
import type { BrokerImage, ClusterImage, PartitionImage, TopicImage } from "./image.ts";
import { PRODUCER_ID_BLOCK } from "./producer-ids.ts";

/** More than any node can have missed; so often it fits into an epoch of 32 bits that nobody runs out of recoveries. */
const LEAP = 1_000_000;

export interface SurvivingNode {
  readonly nodeId: number;
  /** Of the replica that it goes on as: another one, which has promised the lost voters nothing. */
  readonly directoryId: string;
}

export function recoveredImage(image: ClusterImage, survivor: SurvivingNode): ClusterImage {
  const topics = [...image.topics.values()].map(
    (topic): TopicImage => ({ ...topic, partitions: topic.partitions.map((one) => waiting(one, survivor)) }),
  );
  const brokers = [...image.brokers.values()].map((broker): [number, BrokerImage] => [
    broker.brokerId,
    // Every one has to register before it counts.
    {
      ...broker,
      isFenced: true,
      ...(broker.brokerId === survivor.nodeId ? { directoryId: survivor.directoryId } : {}),
    },
  ]);
  return {
    ...image,
    metadataOffset: image.metadataOffset + LEAP,
    brokers: new Map(brokers),
    topics: new Map(topics.map((topic) => [topic.name, topic])),
    topicsById: new Map(topics.map((topic) => [topic.topicId, topic])),
    nextProducerId: image.nextProducerId + LEAP * PRODUCER_ID_BLOCK,
    voterChoices: new Map([...image.voterChoices].filter(([nodeId]) => nodeId !== survivor.nodeId)),
  };
}

/**
 * Whether a recovery lies between two leader epochs of one partition. What the metadata says of its replicas as of the later one may then be
 * older than what a broker knew as of the earlier one: a log that it does not place there is kept, and not deleted.
 */
export function isAcrossRecovery(earlier: number, later: number): boolean {
  return earlier >= 0 && Math.floor(earlier / LEAP) < Math.floor(later / LEAP);
}

function waiting(partition: PartitionImage, { nodeId, directoryId }: SurvivingNode): PartitionImage {
  const { replicas, leaderEpoch, partitionEpoch } = partition;
  const isHereAlone = replicas.length === 1 && replicas[0] === nodeId;
  return {
    ...partition,
    isr: [],
    elr: [],
    lastIsr: isHereAlone ? [{ brokerId: nodeId, directoryId }] : [],
    leaderId: -1,
    isRecovering: false,
    leaderEpoch: leaderEpoch + LEAP,
    partitionEpoch: partitionEpoch + LEAP,
  };
}
