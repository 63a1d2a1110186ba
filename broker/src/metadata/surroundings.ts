/** What the rules of one partition look at, taken from an image. */
import type { ClusterImage, TopicImage } from "./image.ts";
import { ListPool } from "./list-pool.ts";
import { isSyncedTopic, minIsrRule } from "./min-isr.ts";
import type { Surroundings } from "./partition-rules.ts";

export function surroundingsOf(
  image: Pick<ClusterImage, "brokers" | "configs" | "minIsrDefault">,
  topic: TopicImage,
  lists = new ListPool(),
): Surroundings {
  return {
    brokers: image.brokers,
    minIsrOf: minIsrRule(image, topic),
    isSynced: isSyncedTopic(topic),
    topicId: topic.topicId,
    lists,
  };
}
