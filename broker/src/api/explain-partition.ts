/**
 * Why a partition is as it is (semantics 15.6): what this broker knows of it, as facts. Placement is the metadata's, alike
 * everywhere; what a replica has is told by whoever has it, how far the followers are by the leader, what a partition without a
 * leader waits for by the controller. Whoever asks puts the answers of several brokers together.
 *
 * Read-only, and from memory alone: asking costs no disk and no call to another broker.
 */
import type { ErrorName } from "@tidemark/proto";
import { validateTopicName } from "@tidemark/proto";
import {
  candidatesOf,
  effectiveMinIsr,
  isDamaged,
  isSyncedTopic,
  type PartitionEvent,
  type PartitionImage,
  replicationFactorOf,
  type TopicImage,
} from "../metadata/index.ts";
import type { BrokerStanding, OpenInquiry, PlacedEvent } from "../runtime/index.ts";
import type { BrokerContext } from "./broker-context.ts";
import { controllerOf } from "./describe-cluster.ts";
import { explainReplica, type ReplicaExplanation } from "./explain-replica.ts";

export interface PartitionExplanation {
  readonly brokerId: number;
  readonly metadataOffset: number;
  /** -1: none is known here. */
  readonly controllerId: number;
  readonly topicId: string;
  readonly image: PartitionImage;
  readonly minInsyncReplicas: number;
  /** Of the topic's texts or the cluster's, before it is cut to the number of replicas. */
  readonly countsSynced: boolean;
  /** The replicas and whoever else may have the records, by id. */
  readonly brokers: readonly ExplainedBroker[];
  /** Of a partition without a leader: members of the last ISR that can still have its records (9(3)). */
  readonly candidates: readonly number[];
  /** Of this broker's replica; null: it has none, or its log is not open. */
  readonly replica: ReplicaExplanation | null;
  /** Of this broker's disk. */
  readonly isFull: boolean;
  /** Since the oldest sync under way on this broker began; 0 = none is. */
  readonly syncRunningMs: number;
  readonly syncMeanMs: number;
  /** By the controller, of a partition without a leader; null elsewhere. */
  readonly inquiry: OpenInquiry | null;
  /** Of ISR, leader and damage, as far as they are known here; oldest first. */
  readonly changes: readonly PlacedEvent<PartitionEvent>[];
  /** Wall clock of this broker, which the times are of. */
  readonly nowMs: number;
}

export interface ExplainedBroker extends BrokerStanding {
  readonly id: number;
  readonly registered: boolean;
  readonly fenced: boolean;
  readonly shuttingDown: boolean;
  readonly full: boolean;
  readonly offline: boolean;
  /** Its replica of this partition was reported as damaged, and is not in sync again. */
  readonly damaged: boolean;
  /** Registered without the marker of a clean stop. */
  readonly unclean: boolean;
  /** Its disk is another one than when it was in sync last. */
  readonly emptied: boolean;
}

const CHANGES_MAX = 10;
const UNKNOWN: BrokerStanding = { silentMs: -1, fencedWhy: "", fencedMs: -1 };

/** INVALID_TOPIC_EXCEPTION, UNKNOWN_TOPIC_OR_PARTITION; of a topic that was deleted that says so. */
export interface UnexplainedPartition {
  readonly brokerId: number;
  readonly metadataOffset: number;
  readonly code: ErrorName;
  readonly message: string;
}

export function handleExplainPartition(
  context: BrokerContext,
  { topic: name, partition: number }: { readonly topic: string; readonly partition: number },
): PartitionExplanation | UnexplainedPartition {
  const brokerId = context.config.base.nodeId;
  const cluster = context.image();
  const { metadataOffset } = cluster;
  const topic = cluster.topics.get(name);
  if (topic === undefined) return { brokerId, metadataOffset, ...unknownTopic(context, name) };
  const image = topic.partitions[number];
  if (image === undefined) {
    const last = topic.partitions.length - 1;
    const there = last === 0 ? "partition 0" : `partitions 0 to ${last}`;
    const message = `topic "${name}" has ${there}, not ${number}`;
    return { brokerId, metadataOffset, code: "UNKNOWN_TOPIC_OR_PARTITION", message };
  }
  const { replicas } = context;
  const { syncPace } = replicas;
  const here = replicas.replicaOf(topic, number);
  return {
    brokerId,
    metadataOffset,
    controllerId: controllerOf(context),
    topicId: topic.topicId,
    image,
    minInsyncReplicas: effectiveMinIsr(cluster, topic, replicationFactorOf(image)),
    countsSynced: isSyncedTopic(topic),
    brokers: brokersOf(context, topic, image),
    candidates: image.leaderId < 0 ? candidatesOf(image, cluster.brokers) : [],
    replica: here === null ? null : explainReplica(here),
    isFull: replicas.isFull,
    syncRunningMs: syncPace?.runningMs ?? 0,
    syncMeanMs: syncPace?.meanMs ?? 0,
    inquiry: context.controller.explanations?.explain(topic.topicId, number) ?? null,
    changes: context.timeline().changesOf(name, number, CHANGES_MAX).reverse(),
    nowMs: context.clock.wallNow(),
  };
}

function unknownTopic(context: BrokerContext, name: string): Pick<UnexplainedPartition, "code" | "message"> {
  const illegal = validateTopicName(name);
  if (illegal !== null) return { code: "INVALID_TOPIC_EXCEPTION", message: `the topic name ${illegal}` };
  const code: ErrorName = "UNKNOWN_TOPIC_OR_PARTITION";
  const deleted = context.timeline().last((event) => event.type === "topic-deleted" && event.topic === name);
  if (deleted === null) return { code, message: `there is no topic "${name}"` };
  const { at, metadataOffset } = deleted;
  const when = at === null ? "" : ` ${Math.max(0, Math.round((context.clock.wallNow() - at) / 1000))} s ago`;
  return { code, message: `topic "${name}" was deleted${when} (metadata offset ${metadataOffset})` };
}

function brokersOf(context: BrokerContext, { topicId }: TopicImage, image: PartitionImage): ExplainedBroker[] {
  const { brokers } = context.image();
  const { explanations } = context.controller;
  const lastOf = new Map(image.lastIsr.map(({ brokerId, directoryId }) => [brokerId, directoryId]));
  const ids = new Set([...image.replicas, ...lastOf.keys()]);
  return [...ids]
    .sort((a, b) => a - b)
    .map((id): ExplainedBroker => {
      const broker = brokers.get(id);
      const directoryId = lastOf.get(id);
      return {
        id,
        registered: broker !== undefined,
        fenced: broker?.isFenced ?? true,
        shuttingDown: broker?.isShuttingDown ?? false,
        full: broker?.isFull ?? false,
        offline: broker?.isOffline ?? false,
        damaged: broker !== undefined && isDamaged(broker, topicId, image.partition),
        unclean: broker?.isUnclean ?? false,
        emptied: broker !== undefined && directoryId !== undefined && broker.directoryId !== directoryId,
        ...(explanations?.standingOf(id) ?? UNKNOWN),
      };
    });
}
