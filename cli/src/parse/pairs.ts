/** `name=value` pairs (headers, topic settings, broker settings) and `NAME[:PARTITIONS[:REPLICAS]]`. */
import { usageFailure } from "../failure.ts";
import { parseWholeNumber } from "./numbers.ts";

/** Everything behind the first `=` is the value, which may be empty. @throws CliFailure USAGE */
export function parsePair(text: string): readonly [name: string, value: string] {
  const at = text.indexOf("=");
  if (at < 1) throw usageFailure("expected name=value");
  return [text.slice(0, at), text.slice(at + 1)];
}

/** A topic to create; what is null is left to the broker's default. */
export interface NewTopicSpec {
  readonly name: string;
  readonly partitions: number | null;
  readonly replicas: number | null;
}

/** @throws CliFailure USAGE */
export function parseTopicSpec(text: string): NewTopicSpec {
  const [name = "", partitions, replicas, ...rest] = text.split(":");
  if (name === "" || rest.length > 0) throw usageFailure("expected NAME:PARTITIONS:REPLICAS such as orders:6:1");
  return {
    name,
    partitions: partitions === undefined ? null : parseWholeNumber(partitions, { min: 1 }),
    replicas: replicas === undefined ? null : parseWholeNumber(replicas, { min: 1, max: 32_767 }),
  };
}
