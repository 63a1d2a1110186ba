/** DeleteTopics (semantics 13(3)). A name is free when the answer comes; files go after `file.delete.delay.ms`. */
import { MAX_PARTITIONS_PER_REQUEST } from "@tidemark/proto";
import type { DeleteTopicResult, TopicTarget } from "../metadata/index.ts";
import { ApiError } from "./api-error.ts";
import { askController } from "./ask-controller.ts";
import type { BrokerContext } from "./broker-context.ts";

/** One result per target, in order. Internal topics stay: INVALID_TOPIC_EXCEPTION. */
export async function handleDeleteTopics(
  context: BrokerContext,
  targets: readonly TopicTarget[],
  { isValidateOnly }: { readonly isValidateOnly: boolean },
): Promise<readonly DeleteTopicResult[]> {
  if (targets.length > MAX_PARTITIONS_PER_REQUEST) {
    throw new ApiError(
      "INVALID_REQUEST",
      `a request deletes at most ${MAX_PARTITIONS_PER_REQUEST} topics, not ${targets.length}`,
    );
  }
  const { results } = await askController(
    targets,
    context.commands.deleteTopics({ targets, isValidateOnly }),
    (target, error, message): DeleteTopicResult => ({
      name: "name" in target ? target.name : "",
      topicId: "",
      error,
      message,
    }),
  );
  return results;
}
