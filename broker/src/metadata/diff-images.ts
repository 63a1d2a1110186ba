/** What differs between two images of one cluster, as if one entry had made it: for a node that took a snapshot while it ran. */
import type { ClusterImage, MetadataDelta, TopicImage } from "./image.ts";

export function diffImages(before: ClusterImage, after: ClusterImage): MetadataDelta {
  const topicsDeleted = [...before.topicsById.values()].filter(({ topicId }) => !after.topicsById.has(topicId));
  const topicsCreated: TopicImage[] = [];
  const partitionsChanged: { topic: string; partition: number }[] = [];
  const topicConfigsChanged: string[] = [];
  for (const topic of after.topicsById.values()) {
    const old = before.topicsById.get(topic.topicId);
    if (old === undefined) {
      topicsCreated.push(topic);
      continue;
    }
    for (const { partition, partitionEpoch } of topic.partitions) {
      if (old.partitions[partition]?.partitionEpoch !== partitionEpoch)
        partitionsChanged.push({ topic: topic.name, partition });
    }
    if (!isSameTexts(old.overrides, topic.overrides)) topicConfigsChanged.push(topic.name);
  }
  const brokersChanged = [...new Set([...before.brokers.keys(), ...after.brokers.keys()])].filter(
    (id) => JSON.stringify(after.brokers.get(id)) !== JSON.stringify(before.brokers.get(id)),
  );
  return {
    metadataOffset: after.metadataOffset,
    topicsCreated,
    topicsDeleted,
    partitionsChanged,
    brokersChanged,
    topicConfigsChanged,
  };
}

function isSameTexts(left: ReadonlyMap<string, string>, right: ReadonlyMap<string, string>): boolean {
  return left.size === right.size && [...left].every(([key, text]) => right.get(key) === text);
}
