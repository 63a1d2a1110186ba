/**
 * What is wrong with the cluster, as this broker sees it: one sentence for each thing, and the partitions that it is about.
 * Brokers and partitions are judged by the applied metadata, alike everywhere; disks and logs by who has them, so that a whole
 * cluster is healthy when every broker says so.
 */
import { type BrokerImage, effectiveMinIsr, replicationFactorOf } from "../metadata/index.ts";
import type { BrokerContext } from "./broker-context.ts";
import { controllerOf } from "./describe-cluster.ts";

export interface HealthReport {
  readonly healthy: boolean;
  /** The texts of `troubles`. */
  readonly reasons: readonly string[];
  readonly troubles: readonly Trouble[];
  /** -1: none. */
  readonly controllerId: number;
  readonly brokersDown: readonly number[];
  readonly leaderless: readonly PartitionName[];
  readonly underReplicated: readonly PartitionName[];
  readonly underMinIsr: readonly PartitionName[];
  /** Passes by itself, and is no trouble of its own. */
  readonly recovering: readonly PartitionName[];
  readonly metadataOffset: number;
  readonly brokerId: number;
  /** Those of `reasons` that this broker alone knows. */
  readonly localReasons: readonly string[];
}

export interface Trouble {
  readonly code:
    | "broker-down"
    | "directory-offline"
    | "disk-full"
    | "metadata-full"
    | "no-controller"
    | "leaderless"
    | "under-min-isr"
    | "under-replicated"
    | "log-not-open"
    | "damaged";
  /** One sentence. */
  readonly text: string;
  /** That it is about; -1: none in particular. */
  readonly brokerId: number;
  /** This broker alone knows of it. */
  readonly isLocal: boolean;
}

export interface PartitionName {
  readonly topic: string;
  readonly partition: number;
}

const DOWN = {
  "": "is down",
  stopped: "is down: it was stopped",
  gone: "is down: nobody listens at its address",
  silent: "is fenced: the controller hears nothing from it",
} as const;

/** Partitions that one sentence names. */
const NAMED_MAX = 5;

export function handleDescribeHealth(context: BrokerContext): HealthReport {
  const { replicas } = context;
  const { nodeId } = context.config.current;
  const image = context.image();
  const controllerId = controllerOf(context);
  const leaderless: PartitionName[] = [];
  const underReplicated: PartitionName[] = [];
  const underMinIsr: PartitionName[] = [];
  const recovering: PartitionName[] = [];
  const damaged: PartitionName[] = [];
  const notOpen: PartitionName[] = [];
  for (const described of image.topics.values()) {
    const { name: topic, partitions } = described;
    for (const placed of partitions) {
      const { partition, leaderId, isr, isRecovering } = placed;
      const name = { topic, partition };
      const factor = replicationFactorOf(placed);
      if (leaderId < 0) leaderless.push(name);
      if (isr.length < factor) underReplicated.push(name);
      if (isr.length < effectiveMinIsr(image, described, factor)) underMinIsr.push(name);
      if (isRecovering) recovering.push(name);
      if (leaderId !== nodeId) continue;
      const led = replicas.find(topic, partition);
      if (led === undefined) notOpen.push(name);
      else if (led.isDamaged || led.isRotten) damaged.push(name);
    }
  }
  const brokers = [...image.brokers.values()].sort((a, b) => a.brokerId - b.brokerId);
  const shared = (code: Trouble["code"], text: string): Trouble => ({ code, text, brokerId: -1, isLocal: false });
  const local = (code: Trouble["code"], text: string): Trouble => ({ code, text, brokerId: nodeId, isLocal: true });
  const troubles: Trouble[] = [
    ...brokers.flatMap((broker) => troublesOf(broker, context)),
    ...sentence(leaderless, "no leader").map((text) => shared("leaderless", text)),
    ...sentence(underMinIsr, "fewer replicas in sync than min.insync.replicas").map((text) =>
      shared("under-min-isr", text),
    ),
    ...sentence(underReplicated, "replicas that are not in sync").map((text) => shared("under-replicated", text)),
    ...(controllerId < 0 ? [local("no-controller", `broker ${nodeId} knows no controller`)] : []),
    ...(replicas.isOffline ? [local("directory-offline", `the data directory of broker ${nodeId} is offline`)] : []),
    ...(replicas.isFull ? [local("disk-full", `the disk of broker ${nodeId} is full: nothing is appended`)] : []),
    ...(context.quorum()?.isSuspended === true
      ? [local("metadata-full", `broker ${nodeId} cannot store metadata: its disk is full`)]
      : []),
    ...sentence(notOpen, "no open log on its leader").map((text) => local("log-not-open", text)),
    ...sentence(damaged, "damage on disk").map((text) => local("damaged", text)),
  ];
  return {
    healthy: troubles.length === 0,
    reasons: troubles.map(({ text }) => text),
    troubles,
    controllerId,
    brokersDown: brokers.filter(({ isFenced }) => isFenced).map(({ brokerId }) => brokerId),
    leaderless,
    underReplicated,
    underMinIsr,
    recovering,
    metadataOffset: image.metadataOffset,
    brokerId: nodeId,
    localReasons: troubles.filter(({ isLocal }) => isLocal).map(({ text }) => text),
  };
}

/** A broker that leaves on purpose is no trouble before it is gone. */
function troublesOf(broker: BrokerImage, { controller }: BrokerContext): Trouble[] {
  const { brokerId, isFenced, isFull, isOffline } = broker;
  const trouble = (code: Trouble["code"], text: string): Trouble => ({ code, text, brokerId, isLocal: false });
  if (isFenced) {
    // The controller's word; the others know that it is so.
    const why = controller.explanations?.standingOf(brokerId).fencedWhy ?? "";
    return [trouble("broker-down", `broker ${brokerId} ${DOWN[why]}`)];
  }
  return [
    ...(isOffline ? [trouble("directory-offline", `broker ${brokerId} has lost its log directory`)] : []),
    ...(isFull ? [trouble("disk-full", `broker ${brokerId} has no room on its disk`)] : []),
  ];
}

function sentence(partitions: readonly PartitionName[], what: string): string[] {
  if (partitions.length === 0) return [];
  const named = partitions.slice(0, NAMED_MAX).map(({ topic, partition }) => `${topic}-${partition}`);
  const rest = partitions.length - named.length;
  const verb = partitions.length === 1 ? "has" : "have";
  return [`${named.join(", ")}${rest > 0 ? ` and ${rest} more` : ""} ${verb} ${what}`];
}
