/** `orders:0`: a partition by its topic and number. */
import { usageFailure } from "../failure.ts";
import { parsePartition } from "./numbers.ts";

export interface TopicPartitionName {
  readonly topic: string;
  readonly partition: number;
}

/** The topic's name is not looked at; the rule for it is not loaded for help. @throws CliFailure USAGE */
export function parseTopicPartition(text: string): TopicPartitionName {
  const [, topic = "", number = ""] = /^(.+):(\d+)$/s.exec(text) ?? [];
  if (topic !== "") return { topic, partition: parsePartition(number) };
  // As logs and messages of brokers name it.
  const [, dashed = "", last = ""] = /^(.+)-(\d+)$/s.exec(text) ?? [];
  throw usageFailure(
    "expected TOPIC:PARTITION, such as orders:0",
    dashed === "" ? undefined : `did you mean ${dashed}:${last}?`,
  );
}
