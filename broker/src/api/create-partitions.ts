/**
 * CreatePartitions (semantics 13(3), 15.3(1)). The controller decides; a success is answered when every new partition has a
 * leader with its log open here. What is not ready in time exists all the same: the answer says so and names what is missing.
 */
import { MAX_PARTITIONS_PER_REQUEST } from "@tidemark/proto";
import type { CreatePartitionsSpec } from "../metadata/index.ts";
import type { GrownTopic } from "../runtime/index.ts";
import { ApiError } from "./api-error.ts";
import { askController, awaitReady } from "./ask-controller.ts";
import type { BrokerContext } from "./broker-context.ts";
import { timeoutOf } from "./broker-context.ts";
import { outcomeNow, outcomeOf } from "./create-topics.ts";
import type { CreateTopicsOptions, TopicOutcome } from "./create-topics.ts";

/** One outcome per spec, in order. Internal topics stay as they are: INVALID_TOPIC_EXCEPTION. */
export async function handleCreatePartitions(
  context: BrokerContext,
  specs: readonly CreatePartitionsSpec[],
  options: CreateTopicsOptions,
): Promise<TopicOutcome[]> {
  if (specs.length > MAX_PARTITIONS_PER_REQUEST) {
    throw new ApiError(
      "INVALID_REQUEST",
      `a request names at most ${MAX_PARTITIONS_PER_REQUEST} topics, not ${specs.length}`,
    );
  }
  const { isValidateOnly } = options;
  const { results, metadataOffset } = await askController(
    specs,
    context.commands.createPartitions({ specs, isValidateOnly }),
    ({ name }, error, message): GrownTopic => ({ name, error, message, topic: null, before: 0 }),
  );
  const mustWait = !isValidateOnly && context.config.current.createWait;
  if (!mustWait) return results.map(outcomeOf);
  const timeoutMs = timeoutOf(options.timeoutMs);
  return Promise.all(results.map((result) => whenReady(context, result, { metadataOffset, timeoutMs })));
}

async function whenReady(
  context: BrokerContext,
  result: GrownTopic,
  wait: { readonly metadataOffset: number; readonly timeoutMs: number },
): Promise<TopicOutcome> {
  const outcome = outcomeOf(result);
  if (outcome.topic === null) return outcome;
  const missing = await awaitReady(context, outcome.topic, { ...wait, first: result.before });
  if (missing.length === 0) return outcomeNow(context, outcome);
  const message = `the partitions of topic "${result.name}" exist, but of ${missing.join(", ")} no leader has an open log yet`;
  return { name: result.name, code: "REQUEST_TIMED_OUT", message, topic: null };
}
