/** A topic as an answer carries it: plain data, so that it may go over the wire. */
import type { TopicImage } from "./image.ts";

export interface CreatedTopic extends Omit<TopicImage, "overrides"> {
  readonly overrides: Readonly<Record<string, string>>;
}

export function createdTopicOf(topic: TopicImage): CreatedTopic {
  return { ...topic, overrides: Object.fromEntries(topic.overrides) };
}

export function topicImageOf(topic: CreatedTopic): TopicImage {
  return { ...topic, overrides: new Map(Object.entries(topic.overrides)) };
}
