/**
 * Descriptions of topics put together from the answers of several brokers: each tells where the partitions are by the metadata
 * that it has applied, and offsets and sizes of those that it leads.
 */
import type { PartitionDescription as WirePartition, TopicDescription as WireTopic } from "@tidemark/proto";
import { askEach } from "./admin-call.ts";
import { BrokerError } from "./errors.ts";
import type { Limits } from "./pause.ts";
import type { Cluster } from "./transport/cluster.ts";
import type { PartitionDetail, PartitionTrouble } from "./types.ts";

/** The same topics with what the leaders of their partitions know. A leader that does not answer is left out. */
export async function withLeaders(
  cluster: Cluster,
  topics: readonly WireTopic[],
  limits: Limits,
): Promise<WireTopic[]> {
  const namesByLeader = new Map<number, Set<string>>();
  for (const { name, partitions } of topics) {
    for (const { leaderId, ledHere } of partitions) {
      if (ledHere || leaderId < 0) continue;
      const names = namesByLeader.get(leaderId) ?? new Set();
      namesByLeader.set(leaderId, names.add(name));
    }
  }
  if (namesByLeader.size === 0) return [...topics];
  const request = (broker: number): { names: string[] } => ({ names: [...(namesByLeader.get(broker) ?? [])] });
  const answers = await askEach(cluster, "describeTopics", request, namesByLeader.keys(), limits);
  const told = new Map<string, WireTopic[]>();
  for (const [broker, answer] of answers) {
    if (answer instanceof BrokerError) {
      const { code, message } = answer;
      cluster.settings.logger.warn({ broker, code, message }, `broker ${broker} did not say what it leads`);
      continue;
    }
    for (const { topic } of answer.results) {
      // Another one of the same name says nothing of this one.
      if (topic !== null) told.set(topic.topicId, [...(told.get(topic.topicId) ?? []), topic]);
    }
  }
  return topics.map((topic) => merged(topic, told.get(topic.topicId) ?? []));
}

function merged(topic: WireTopic, others: readonly WireTopic[]): WireTopic {
  const partitions = topic.partitions.map((partition) => {
    const rows = others.flatMap((other) => other.partitions[partition.partition] ?? []);
    return rows.reduce(better, partition);
  });
  return { ...topic, partitions, bytes: partitions.reduce((sum, { bytes }) => sum + bytes, 0) };
}

/** The later epoch; of one epoch the leader's own words. */
function better(a: WirePartition, b: WirePartition): WirePartition {
  if (a.leaderEpoch !== b.leaderEpoch) return a.leaderEpoch > b.leaderEpoch ? a : b;
  return b.ledHere && !a.ledHere ? b : a;
}

/** @param isNew of a topic that was made a moment ago: nothing is in it, whoever leads it */
export function partitionDetail(row: WirePartition, isNew = false): PartitionDetail {
  const known = (value: number): number => (row.ledHere || isNew ? value : -1);
  return {
    partition: row.partition,
    leader: row.leaderId < 0 ? null : row.leaderId,
    leaderEpoch: row.leaderEpoch,
    replicas: row.replicas,
    isr: row.isr,
    elr: row.elr,
    lastIsr: row.lastIsr.map(({ brokerId, directoryId }) => ({ broker: brokerId, directoryId })),
    minIsr: row.minInsyncReplicas,
    recovering: row.recovering,
    adding: row.addingReplicas,
    removing: row.removingReplicas,
    damaged: row.damaged,
    start: known(row.logStartOffset),
    highWatermark: known(row.highWatermark),
    lastStable: known(row.lastStableOffset),
    end: known(row.logEndOffset),
    bytes: row.bytes,
    troubles: troublesOf(row, isNew),
  };
}

function troublesOf(row: WirePartition, isNew: boolean): PartitionTrouble[] {
  const { leaderId, ledHere, isr, replicas, minInsyncReplicas, recovering, damaged } = row;
  return [
    ...(leaderId < 0 ? (["leaderless"] as const) : []),
    ...(leaderId >= 0 && !ledHere && !isNew ? (["leader-silent"] as const) : []),
    ...(isr.length < minInsyncReplicas ? (["under-min-isr"] as const) : []),
    ...(isr.length < replicas.length ? (["under-replicated"] as const) : []),
    ...(recovering ? (["recovering"] as const) : []),
    ...(damaged.length > 0 ? (["damaged"] as const) : []),
  ];
}
