/**
 * A plan as Kafka's `kafka-reassign-partitions` reads and writes it:
 *
 *     {"version":1,"partitions":[{"topic":"orders","partition":0,"replicas":[1,2,3]}]}
 *
 * `log_dirs`, which that tool writes beside `replicas`, is passed over: a broker has one directory.
 */
import type { PartitionAssignment } from "@tidemark/client";
import { CliFailure } from "../failure.ts";

/** @param name of the file, for what is said. @throws CliFailure INVALID_PLAN saying where in the file what is wrong */
export function parsePlan(text: string, name: string): PartitionAssignment[] {
  const fail = (what: string, hint = FORM): CliFailure => new CliFailure("INVALID_PLAN", `${name}: ${what}`, { hint });
  let root: unknown;
  try {
    root = JSON.parse(text);
  } catch (error: unknown) {
    throw fail(`no JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (!isObject(root)) throw fail("an object is expected");
  const { version, partitions } = root;
  if (version !== undefined && version !== 1) throw fail(`version ${JSON.stringify(version)} is not known, only 1 is`);
  if (!Array.isArray(partitions)) {
    if (Array.isArray(root["topics"]))
      throw fail(
        "it lists topics, and no partitions",
        "`partitions reassign --topics a,b --brokers 1,2,3` makes a plan",
      );
    throw fail("`partitions` is missing, a list");
  }
  if (partitions.length === 0) throw fail("`partitions` is empty: there is nothing to do");
  const known = new Set<string>();
  return partitions.map((entry: unknown, slot): PartitionAssignment => {
    const where = `partitions[${slot}]`;
    if (!isObject(entry)) throw fail(`${where} is not an object`);
    const { topic, partition, replicas } = entry;
    for (const key of KEYS)
      if (entry[key] === undefined) throw fail(`${where} has no \`${key}\``, `it has ${Object.keys(entry).join(", ")}`);
    if (typeof topic !== "string" || topic === "") throw fail(`${where}.topic is not a name`);
    if (!isWholeNumber(partition)) throw fail(`${where}.partition is not a whole number from 0`);
    if (!Array.isArray(replicas) || replicas.length === 0 || !replicas.every(isWholeNumber))
      throw fail(`${where}.replicas is not a list of broker ids`);
    const twice = replicas.find((id, place) => replicas.indexOf(id) !== place);
    if (twice !== undefined) throw fail(`${where}.replicas names broker ${twice} twice`);
    const named = `${topic}:${partition}`;
    if (known.has(named)) throw fail(`${named} stands in it twice, the second time as ${where}`);
    known.add(named);
    return { topic, partition, replicas };
  });
}

/** What `parsePlan` reads, on one line. */
export function planText(assignments: readonly PartitionAssignment[]): string {
  const partitions = assignments.map(({ topic, partition, replicas }) => ({ topic, partition, replicas }));
  return `${JSON.stringify({ version: 1, partitions })}\n`;
}

const KEYS = ["topic", "partition", "replicas"] as const;
const FORM = `a plan is {"version":1,"partitions":[{"topic":"orders","partition":0,"replicas":[1,2,3]}]}; --dry-run -o json writes one`;

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isWholeNumber(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 && value <= 0x7fffffff;
}
