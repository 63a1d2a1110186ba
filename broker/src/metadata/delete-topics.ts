/** Deletes topics by name. A deleted name is free at once: a topic made under it later has another id. */
import type { ErrorName } from "@tidemark/proto";
import type { BrokerConfig } from "../config/index.ts";
import type { Decision } from "./decision.ts";
import type { ClusterImage } from "./image.ts";
import type { MetadataRecord } from "./records.ts";

export interface DeleteTopicResult {
  readonly name: string;
  readonly error: ErrorName;
  /** Empty without an error. */
  readonly message: string;
}

/** One result per name, in order. Errors: TOPIC_DELETION_DISABLED, UNKNOWN_TOPIC_OR_PARTITION, INVALID_REQUEST. */
export function deleteTopics(
  working: ClusterImage,
  names: readonly string[],
  config: BrokerConfig,
): Decision<DeleteTopicResult[]> {
  const records: MetadataRecord[] = [];
  const seen = new Set<string>();
  const response = names.map((name): DeleteTopicResult => {
    if (!config.deleteTopicEnable) {
      return {
        name,
        error: "TOPIC_DELETION_DISABLED",
        message: "topics cannot be deleted: delete.topic.enable is false",
      };
    }
    if (seen.has(name)) return { name, error: "INVALID_REQUEST", message: `the request names ${name} twice` };
    seen.add(name);
    const topic = working.topics.get(name);
    if (topic === undefined) {
      return { name, error: "UNKNOWN_TOPIC_OR_PARTITION", message: `there is no topic ${name}` };
    }
    records.push({ type: "topicDeleted", topicId: topic.topicId });
    return { name, error: "NONE", message: "" };
  });
  return { records, response };
}
