/**
 * CreateTopics (semantics 13(1), 13(2), 15.3(1)). The controller decides; a success is answered when every partition of the topic has
 * a leader with its log open here. A topic that is not ready in time exists all the same: its answer says so and names what is missing.
 */
import type { ErrorName } from "@tidemark/proto";
import { MAX_PARTITIONS_PER_REQUEST } from "@tidemark/proto";
import type { CreateTopicResult, CreateTopicSpec, TopicImage } from "../metadata/index.ts";
import { ApiError } from "./api-error.ts";
import type { BrokerContext } from "./broker-context.ts";
import { timeoutOf } from "./broker-context.ts";

export interface CreateTopicsOptions {
  readonly isValidateOnly: boolean;
  /** 0: the broker's default. */
  readonly timeoutMs: number;
}

export interface TopicOutcome {
  readonly name: string;
  readonly code: ErrorName;
  readonly message: string;
  /** Made, or that would be made; null with an error. */
  readonly topic: TopicImage | null;
}

/** One outcome per spec, in order. Specs of clients make no internal topics. */
export async function handleCreateTopics(
  context: BrokerContext,
  specs: readonly CreateTopicSpec[],
  options: CreateTopicsOptions,
): Promise<TopicOutcome[]> {
  if (specs.length > MAX_PARTITIONS_PER_REQUEST) {
    throw new ApiError(
      "INVALID_REQUEST",
      `a request makes at most ${MAX_PARTITIONS_PER_REQUEST} topics, not ${specs.length}`,
    );
  }
  return createTopicsReady(context, specs, options);
}

export async function createTopicsReady(
  context: BrokerContext,
  specs: readonly CreateTopicSpec[],
  options: CreateTopicsOptions,
): Promise<TopicOutcome[]> {
  const results = await context.controller.createTopics(specs, {
    validateOnly: options.isValidateOnly,
    ifAbsent: false,
  });
  const mustWait = !options.isValidateOnly && context.config.current.createWait;
  if (!mustWait) return results.map(outcomeOf);
  return Promise.all(results.map((result) => whenReady(context, result, timeoutOf(options.timeoutMs))));
}

async function whenReady(context: BrokerContext, result: CreateTopicResult, timeoutMs: number): Promise<TopicOutcome> {
  if (result.topic === null) return outcomeOf(result);
  const missing = await context.replicas.whenReady(result.topic, timeoutMs);
  if (missing.length === 0) return outcomeOf(result);
  const message = `topic "${result.name}" exists, but partitions ${missing.join(", ")} have no leader with an open log yet`;
  return { name: result.name, code: "REQUEST_TIMED_OUT", message, topic: null };
}

function outcomeOf({ name, error, message, topic }: CreateTopicResult): TopicOutcome {
  return { name, code: error, message, topic };
}
