/**
 * How many replicas must be in sync (semantics 1, "effective min ISR"). It is the cluster's to say, or a topic's, and not a
 * broker's: so every node goes by the image, and by what the controller's file says through it.
 */
import type { ClusterImage, PartitionImage, TopicImage } from "./image.ts";

const KEY = "min.insync.replicas";

export type MinIsrSource = Pick<ClusterImage, "configs" | "minIsrDefault">;

/** min(`min.insync.replicas`, number of replicas); not set: 2 of three replicas and more, else 1. */
export function effectiveMinIsr(
  source: MinIsrSource,
  topic: Pick<TopicImage, "overrides">,
  replicationFactor: number,
): number {
  return minIsrRule(source, topic)(replicationFactor);
}

/** The same for any number of replicas: of a partition, `replicationFactorOf`. */
export function minIsrRule(
  { configs, minIsrDefault }: MinIsrSource,
  { overrides }: Pick<TopicImage, "overrides">,
): (replicationFactor: number) => number {
  const set = numberIn(overrides) ?? numberIn(configs.cluster) ?? minIsrDefault;
  return (replicationFactor) => Math.min(set ?? (replicationFactor >= 3 ? 2 : 1), replicationFactor);
}

/**
 * How many replicas the partition has; while they are reassigned, how many it had. Those that are added count when it is over:
 * counted at once, they would raise the minimum before they can help to hold it, and producers would wait for them.
 */
export function replicationFactorOf({
  replicas,
  addingReplicas,
}: Pick<PartitionImage, "replicas" | "addingReplicas">): number {
  return replicas.length - addingReplicas.length;
}

/** Texts were checked when they were set. */
function numberIn(texts: ReadonlyMap<string, string>): number | null {
  const text = texts.get(KEY);
  const value = text === undefined ? Number.NaN : Number(text);
  return Number.isSafeInteger(value) && value >= 1 ? value : null;
}

/** Whether a topic's replicas count only what they have synced (15.1(1)). Its mode is written down when it is made. */
export function isSyncedTopic({ overrides }: Pick<TopicImage, "overrides">): boolean {
  const mode = overrides.get("tidemark.durability");
  return mode === "group-commit" || mode === "fsync-each";
}
