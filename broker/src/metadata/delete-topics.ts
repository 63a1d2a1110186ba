/**
 * Deletes topics (semantics 13(3)), by name or by id. A deleted name is free at once: a topic made under it later has another
 * id, which whoever repeats a request by id leaves alone.
 */
import type { ErrorName } from "@tidemark/proto";
import type { BrokerConfig } from "../config/index.ts";
import type { Decision } from "./decision.ts";
import type { ClusterImage, TopicImage } from "./image.ts";
import type { MetadataRecord } from "./records.ts";

/** What is to go: the topic that has this name when it is decided, or the one that has this id. */
export type TopicTarget = { readonly name: string } | { readonly topicId: string };

export interface DeleteTopicResult {
  /** Of a target by id that is not there: empty. */
  readonly name: string;
  /** Empty with an error. */
  readonly topicId: string;
  readonly error: ErrorName;
  /** Empty without an error. */
  readonly message: string;
}

/**
 * One result per target, in order. Errors: TOPIC_DELETION_DISABLED, UNKNOWN_TOPIC_OR_PARTITION, UNKNOWN_TOPIC_ID,
 * INVALID_TOPIC_EXCEPTION for an internal topic, INVALID_REQUEST for one that the request means twice.
 */
export function deleteTopics(
  working: ClusterImage,
  targets: readonly TopicTarget[],
  config: BrokerConfig,
): Decision<DeleteTopicResult[]> {
  const records: MetadataRecord[] = [];
  const seen = new Set<TopicImage>();
  const response = targets.map((target): DeleteTopicResult => {
    const topic = "name" in target ? working.topics.get(target.name) : working.topicsById.get(target.topicId);
    const name = topic?.name ?? ("name" in target ? target.name : "");
    const refused = (error: ErrorName, message: string): DeleteTopicResult => ({ name, topicId: "", error, message });
    if (!config.deleteTopicEnable)
      return refused("TOPIC_DELETION_DISABLED", "topics cannot be deleted: delete.topic.enable is false");
    if (topic === undefined) {
      return "name" in target
        ? refused("UNKNOWN_TOPIC_OR_PARTITION", `there is no topic ${name}`)
        : refused("UNKNOWN_TOPIC_ID", `there is no topic of the id ${target.topicId}`);
    }
    if (topic.internal) return refused("INVALID_TOPIC_EXCEPTION", `topic "${name}" is internal`);
    if (seen.has(topic)) return refused("INVALID_REQUEST", `the request names ${name} twice`);
    seen.add(topic);
    const { topicId } = topic;
    records.push({ type: "topicDeleted", topicId });
    return { name, topicId, error: "NONE", message: "" };
  });
  return { records, response };
}
