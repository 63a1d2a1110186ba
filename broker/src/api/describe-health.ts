/** What is wrong with the cluster, as this broker sees it: one sentence for each thing, and the partitions that it is about. */
import { effectiveMinInsyncReplicas, topicConfig } from "../config/index.ts";
import type { BrokerContext } from "./broker-context.ts";

export interface HealthReport {
  readonly healthy: boolean;
  readonly reasons: readonly string[];
  /** -1: none. */
  readonly controllerId: number;
  readonly brokersDown: readonly number[];
  readonly leaderless: readonly PartitionName[];
  readonly underReplicated: readonly PartitionName[];
  readonly underMinIsr: readonly PartitionName[];
}

export interface PartitionName {
  readonly topic: string;
  readonly partition: number;
}

/** Partitions that one sentence names. */
const NAMED_MAX = 5;

export function handleDescribeHealth(context: BrokerContext): HealthReport {
  const { replicas, controller } = context;
  const config = context.config.current;
  const image = context.image();
  const leaderless: PartitionName[] = [];
  const underReplicated: PartitionName[] = [];
  const underMinIsr: PartitionName[] = [];
  const damaged: PartitionName[] = [];
  const notOpen: PartitionName[] = [];
  for (const { name: topic, overrides, partitions } of image.topics.values()) {
    const settings = topicConfig(config, overrides);
    for (const { partition, leaderId, isr, replicas: assigned } of partitions) {
      const name = { topic, partition };
      if (leaderId < 0) leaderless.push(name);
      if (isr.length < assigned.length) underReplicated.push(name);
      if (isr.length < effectiveMinInsyncReplicas(settings, assigned.length)) underMinIsr.push(name);
      if (leaderId !== config.nodeId) continue;
      const led = replicas.find(topic, partition);
      if (led === undefined) notOpen.push(name);
      else if (led.isDamaged) damaged.push(name);
    }
  }
  const reasons = [
    ...(image.controllerId < 0 ? ["the cluster has no controller"] : []),
    ...(replicas.isOffline ? [`the data directory of broker ${config.nodeId} is offline`] : []),
    ...(replicas.isFull ? [`the disk of broker ${config.nodeId} is full: nothing is appended`] : []),
    ...(controller.isSuspended ? ["metadata cannot be stored: the disk of the controller is full"] : []),
    ...sentence(leaderless, "no leader"),
    ...sentence(notOpen, "no open log on its leader"),
    ...sentence(underMinIsr, "fewer replicas in sync than min.insync.replicas"),
    ...sentence(underReplicated, "replicas that are not in sync"),
    ...sentence(damaged, "damage on disk"),
  ];
  return {
    healthy: reasons.length === 0,
    reasons,
    controllerId: image.controllerId,
    // One broker is one cluster so far: whoever answers this is up, and there is nobody else.
    brokersDown: [...image.brokers.keys()].filter((id) => id !== config.nodeId),
    leaderless,
    underReplicated,
    underMinIsr,
  };
}

function sentence(partitions: readonly PartitionName[], what: string): string[] {
  if (partitions.length === 0) return [];
  const named = partitions.slice(0, NAMED_MAX).map(({ topic, partition }) => `${topic}-${partition}`);
  const rest = partitions.length - named.length;
  const verb = partitions.length === 1 ? "has" : "have";
  return [`${named.join(", ")}${rest > 0 ? ` and ${rest} more` : ""} ${verb} ${what}`];
}
