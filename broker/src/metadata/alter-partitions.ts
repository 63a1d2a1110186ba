/**
 * AlterPartition (semantics 7(6)): a leader proposes in-sync replicas. Each proposal is decided by itself on the working state, with
 * its checks in the written order; what is accepted raises the partition epoch, also when the ISR is the one that was, and the
 * leader epoch only where it ends a reassignment, or lets another one lead than one that is being drained (7(8)). A broker that is
 * back is taken into a thousand ISRs at once: those that become the same are one record.
 */
import type { ErrorName } from "@tidemark/proto";
import type { AlterPartitionsRequest, IsrProposal, IsrVerdict } from "./broker-requests.ts";
import type { Decision } from "./decision.ts";
import type { ClusterImage, PartitionImage } from "./image.ts";
import { ListPool } from "./list-pool.ts";
import { isUsable, withAcceptedIsr } from "./partition-rules.ts";
import type { MetadataRecord } from "./records.ts";
import { surroundingsOf } from "./surroundings.ts";
import { TopicRows } from "./topic-rows.ts";

/** One verdict per proposal, in order. */
export function alterPartitions(working: ClusterImage, request: AlterPartitionsRequest): Decision<IsrVerdict[]> {
  const accepted = new AcceptedIsrs();
  const lists = new ListPool();
  const decided = new Set<string>();
  const isStale = working.brokers.get(request.brokerId)?.brokerEpoch !== request.brokerEpoch;
  const response = request.partitions.map((proposal): IsrVerdict => {
    const { topicId, partition } = proposal;
    const verdict = (error: ErrorName, message: string): IsrVerdict => ({ topicId, partition, error, message });
    if (isStale) return verdict("STALE_BROKER_EPOCH", `broker ${request.brokerId} has registered anew`);
    const topic = working.topicsById.get(topicId);
    const before = topic?.partitions[partition];
    if (topic === undefined || before === undefined) return verdict("UNKNOWN_TOPIC_ID", `no ${topicId}-${partition}`);
    const key = `${topicId} ${partition}`;
    if (decided.has(key)) return verdict("INVALID_REQUEST", `the request names ${topic.name}-${partition} twice`);
    decided.add(key);
    const refusal = refusalOf(working, before, request.brokerId, proposal);
    if (refusal !== null) return verdict(...refusal);
    accepted.add(proposal);
    const isr = proposal.isr.map(({ brokerId }) => brokerId);
    const { isRecovering } = proposal;
    const after = withAcceptedIsr(before, { isr, isRecovering }, surroundingsOf(working, topic, lists));
    if (after.leaderId !== before.leaderId) return verdict("NEW_LEADER_ELECTED", `broker ${after.leaderId} leads now`);
    return verdict("NONE", "");
  });
  return { records: accepted.records, response };
}

function refusalOf(
  { brokers }: ClusterImage,
  now: PartitionImage,
  senderId: number,
  { leaderEpoch, partitionEpoch, isr, isRecovering }: IsrProposal,
): [ErrorName, string] | null {
  if (leaderEpoch > now.leaderEpoch || partitionEpoch > now.partitionEpoch) {
    return ["NOT_CONTROLLER", `epochs ${leaderEpoch}/${partitionEpoch} are newer than any decided here`];
  }
  if (leaderEpoch < now.leaderEpoch) return ["FENCED_LEADER_EPOCH", `leader epoch ${now.leaderEpoch} has begun`];
  if (now.leaderId !== senderId) return ["INVALID_REQUEST", `broker ${senderId} does not lead it`];
  if (partitionEpoch < now.partitionEpoch) {
    return ["INVALID_UPDATE_VERSION", `partition epoch ${now.partitionEpoch} has begun`];
  }
  const ids = isr.map(({ brokerId }) => brokerId);
  if (new Set(ids).size !== ids.length || !ids.every((id) => now.replicas.includes(id))) {
    return ["INVALID_REQUEST", `[${ids.join(", ")}] is no ISR of replicas [${now.replicas.join(", ")}]`];
  }
  if (!ids.includes(senderId)) return ["INVALID_REQUEST", "the leader is in the ISR"];
  if (isRecovering && ids.length > 1) return ["INVALID_REQUEST", "a leader that recovers is alone in the ISR"];
  if (isRecovering && !now.isRecovering) return ["INVALID_REQUEST", "the partition has recovered"];
  for (const { brokerId, brokerEpoch } of isr) {
    const broker = brokers.get(brokerId);
    // One that is full stays where min ISR needs it, and joins nowhere (3.8(2)).
    const isJoining = !now.isr.includes(brokerId);
    if (!isUsable(broker) || broker.brokerEpoch !== brokerEpoch || (isJoining && broker.isFull)) {
      return ["INELIGIBLE_REPLICA", `broker ${brokerId} is fenced, full, shutting down or started anew`];
    }
  }
  return null;
}

/** One record for each ISR that was accepted. */
class AcceptedIsrs {
  readonly #rows = new Map<string, { isr: readonly number[]; isRecovering: boolean; partitions: TopicRows }>();

  add({ topicId, partition, isr, isRecovering }: IsrProposal): void {
    const ids = isr.map(({ brokerId }) => brokerId).sort((a, b) => a - b);
    const key = `${ids.join()} ${isRecovering}`;
    let row = this.#rows.get(key);
    if (row === undefined) {
      row = { isr: ids, isRecovering, partitions: new TopicRows() };
      this.#rows.set(key, row);
    }
    row.partitions.add(topicId, partition);
  }

  get records(): MetadataRecord[] {
    return [...this.#rows.values()].map(({ isr, isRecovering, partitions }) => ({
      type: "isrsChanged",
      isr,
      isRecovering,
      partitions: partitions.rows,
    }));
  }
}
