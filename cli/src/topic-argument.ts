/** A topic name from the command line: the rule is the contract's, the refusal comes before any connection. */
import { validateTopicName } from "@tidemark/proto";
import { CliFailure, usageFailure } from "./failure.ts";
import { plural } from "./output/units.ts";

/** @throws CliFailure USAGE naming what is wrong with the name. */
export function requireTopicName(name: string): string {
  const reason = validateTopicName(name);
  if (reason !== null) throw usageFailure(`topic name ${JSON.stringify(name)} ${reason}`);
  return name;
}

/** A partition that was asked for and that the topic does not have. */
export function noSuchPartition(topic: string, partitions: number, missing: number): CliFailure {
  return new CliFailure(
    "UNKNOWN_TOPIC_OR_PARTITION",
    `topic ${topic} has ${plural(partitions, "partition")}, and no partition ${missing}`,
    { hint: partitions === 1 ? "its partition is 0" : `they are 0 to ${partitions - 1}` },
  );
}
