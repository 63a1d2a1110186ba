/** A topic name from the command line: the rule is the contract's, the refusal comes before any connection. */
import { validateTopicName } from "@tidemark/proto";
import { usageFailure } from "./failure.ts";

/** @throws CliFailure USAGE naming what is wrong with the name. */
export function requireTopicName(name: string): string {
  const reason = validateTopicName(name);
  if (reason !== null) throw usageFailure(`topic name ${JSON.stringify(name)} ${reason}`);
  return name;
}
