/**
 * CreateTopics (semantics 13(1), 13(2), 15.3(1)). The controller decides; a success is answered when every partition of the topic has
 * a leader with its log open here. A topic that is not ready in time exists all the same: its answer says so and names what is missing.
 */
import type { ErrorName } from "@tidemark/proto";
import { MAX_PARTITIONS_PER_REQUEST } from "@tidemark/proto";
import { type CreateTopicSpec, type TopicImage, topicImageOf } from "../metadata/index.ts";
import type { TopicResult } from "../runtime/index.ts";
import { ApiError } from "./api-error.ts";
import { askController, awaitReady } from "./ask-controller.ts";
import type { BrokerContext } from "./broker-context.ts";
import { timeoutOf } from "./broker-context.ts";

/** It is kept with the topic. */
const CREATION_ID_MAX = 64;

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
  const long = specs.find(({ creationId = "" }) => creationId.length > CREATION_ID_MAX);
  if (long !== undefined)
    throw new ApiError("INVALID_REQUEST", `a creation id has at most ${CREATION_ID_MAX} characters`);
  return createTopicsReady(context, specs, options);
}

export async function createTopicsReady(
  context: BrokerContext,
  specs: readonly CreateTopicSpec[],
  options: CreateTopicsOptions,
): Promise<TopicOutcome[]> {
  const { isValidateOnly } = options;
  const { results, metadataOffset } = await askController(
    specs,
    context.commands.createTopics({ specs, isValidateOnly }),
    ({ name }, error, message): TopicResult => ({ name, error, message, topic: null }),
  );
  const mustWait = !isValidateOnly && context.config.current.createWait;
  const outcomes = results.map(outcomeOf);
  if (!mustWait) return outcomes;
  const wait = { first: 0, metadataOffset, timeoutMs: timeoutOf(options.timeoutMs) };
  return Promise.all(outcomes.map((outcome) => whenReady(context, outcome, wait)));
}

async function whenReady(
  context: BrokerContext,
  outcome: TopicOutcome,
  wait: Parameters<typeof awaitReady>[2],
): Promise<TopicOutcome> {
  const { name, topic } = outcome;
  if (topic === null) return outcome;
  const missing = await awaitReady(context, topic, wait);
  if (missing.length === 0) return outcomeNow(context, outcome);
  const message = `topic "${name}" exists, but partitions ${missing.join(", ")} have no leader with an open log yet`;
  return { name, code: "REQUEST_TIMED_OUT", message, topic: null };
}

/** Leaders may have changed since it was made. */
export function outcomeNow(context: BrokerContext, outcome: TopicOutcome): TopicOutcome {
  const { topic } = outcome;
  return topic === null ? outcome : { ...outcome, topic: context.image().topicsById.get(topic.topicId) ?? topic };
}

export function outcomeOf({ name, error, message, topic }: TopicResult): TopicOutcome {
  return { name, code: error, message, topic: topic === null ? null : topicImageOf(topic) };
}
