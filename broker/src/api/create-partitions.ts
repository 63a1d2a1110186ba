/**
 * CreatePartitions (semantics 13(3), 15.3(1)). The controller decides; a success is answered when every new partition has a
 * leader with its log open here. What is not ready in time exists all the same: the answer says so and names what is missing.
 */
import { MAX_PARTITIONS_PER_REQUEST } from "@tidemark/proto";
import type { CreatePartitionsResult, CreatePartitionsSpec } from "../metadata/index.ts";
import { ApiError } from "./api-error.ts";
import type { BrokerContext } from "./broker-context.ts";
import { timeoutOf } from "./broker-context.ts";
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
  const results = await context.controller.createPartitions(specs, { validateOnly: options.isValidateOnly });
  const mustWait = !options.isValidateOnly && context.config.current.createWait;
  if (!mustWait) return results.map(outcomeOf);
  return Promise.all(results.map((result) => whenReady(context, result, timeoutOf(options.timeoutMs))));
}

async function whenReady(
  context: BrokerContext,
  result: CreatePartitionsResult,
  timeoutMs: number,
): Promise<TopicOutcome> {
  if (result.topic === null) return outcomeOf(result);
  const missing = await context.replicas.whenReady(result.topic, timeoutMs, result.before);
  if (missing.length === 0) return outcomeOf(result);
  const message = `the partitions of topic "${result.name}" exist, but of ${missing.join(", ")} no leader has an open log yet`;
  return { name: result.name, code: "REQUEST_TIMED_OUT", message, topic: null };
}

function outcomeOf({ name, error, message, topic }: CreatePartitionsResult): TopicOutcome {
  return { name, code: error, message, topic };
}
