/** DeleteTopics (semantics 13(3)), by name. The name is free when the answer comes; files go after `file.delete.delay.ms`. */
import type { ErrorName } from "@tidemark/proto";
import { MAX_PARTITIONS_PER_REQUEST } from "@tidemark/proto";
import { ApiError } from "./api-error.ts";
import { askController } from "./ask-controller.ts";
import type { BrokerContext } from "./broker-context.ts";

export interface DeletedTopic {
  readonly name: string;
  readonly code: ErrorName;
  readonly message: string;
}

/** One result per name, in order. Internal topics stay: INVALID_TOPIC_EXCEPTION. */
export async function handleDeleteTopics(context: BrokerContext, names: readonly string[]): Promise<DeletedTopic[]> {
  if (names.length > MAX_PARTITIONS_PER_REQUEST) {
    throw new ApiError(
      "INVALID_REQUEST",
      `a request deletes at most ${MAX_PARTITIONS_PER_REQUEST} topics, not ${names.length}`,
    );
  }
  const { topics } = context.image();
  const isInternal = (name: string): boolean => topics.get(name)?.internal ?? false;
  const asked = names.filter((name) => !isInternal(name));
  const { results } = await askController(
    asked,
    context.commands.deleteTopics({ names: asked }),
    (name, error, message) => ({ name, error, message }),
  );
  const decided = results.values();
  return names.map((name): DeletedTopic => {
    if (isInternal(name)) return { name, code: "INVALID_TOPIC_EXCEPTION", message: `topic "${name}" is internal` };
    const result = decided.next().value;
    return { name, code: result?.error ?? "UNKNOWN_SERVER_ERROR", message: result?.message ?? "" };
  });
}
