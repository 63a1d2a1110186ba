/**
 * A broker has started and says who it is (semantics 10.4(1)). It gets a broker epoch, new and greater than every one
 * before; a repeated request of the same incarnation keeps its own.
 *
 * Every new incarnation passes through a leader change: the epoch of each partition it leads rises by one in the same
 * command, so that nothing the old process left behind is taken for the new one's. An emptied directory (new id) is a
 * new replica (9(6)): what the broker held alone has no leader until an operator decides.
 */
import type { ErrorName } from "@tidemark/proto";
import type { BrokerRegistration, RegistrationResponse } from "./broker-requests.ts";
import type { Decision } from "./decision.ts";
import type { ClusterImage, PartitionImage } from "./image.ts";
import type { MetadataRecord } from "./records.ts";

export function registerBroker(working: ClusterImage, request: BrokerRegistration): Decision<RegistrationResponse> {
  const { brokerId, incarnationId, directoryId, listeners, rack } = request;
  const refuse = (error: ErrorName, message: string): Decision<RegistrationResponse> => ({
    records: [],
    response: { ok: false, error, message },
  });
  if (directoryId === "") return refuse("INVALID_REGISTRATION", `broker ${brokerId} names no directory id`);
  for (const other of working.brokers.values()) {
    if (other.brokerId !== brokerId && other.directoryId === directoryId) {
      return refuse(
        "INVALID_REGISTRATION",
        `directory ${directoryId} of broker ${brokerId} is broker ${other.brokerId}'s`,
      );
    }
  }
  const before = working.brokers.get(brokerId);
  if (before?.incarnationId === incarnationId) {
    return { records: [], response: { ok: true, brokerEpoch: before.brokerEpoch } };
  }
  // The index of the entry that this command becomes: it grows, and no two registrations share it.
  const brokerEpoch = working.metadataOffset + 1;
  const isEmptied = before !== undefined && before.directoryId !== directoryId;
  const records: MetadataRecord[] = [
    { type: "brokerRegistered", brokerId, brokerEpoch, incarnationId, directoryId, listeners, rack },
  ];
  if (!isEmptied) {
    if (leadsAny(working, brokerId)) records.push({ type: "ledPartitionsRaised", brokerId });
    return { records, response: { ok: true, brokerEpoch } };
  }
  for (const topic of working.topics.values()) {
    for (const partition of topic.partitions) {
      const change = afterEmptying(partition, brokerId);
      if (change === null) continue;
      records.push({
        type: "partitionChanged",
        topicId: topic.topicId,
        partition: partition.partition,
        partitionEpoch: partition.partitionEpoch + 1,
        ...change,
      });
    }
  }
  return { records, response: { ok: true, brokerEpoch } };
}

function leadsAny({ topics }: ClusterImage, brokerId: number): boolean {
  for (const { partitions } of topics.values()) {
    if (partitions.some(({ leaderId }) => leaderId === brokerId)) return true;
  }
  return false;
}

/** What an emptied directory of `brokerId` does to a partition; null = nothing. */
function afterEmptying(
  partition: PartitionImage,
  brokerId: number,
): Pick<PartitionImage, "isr" | "leaderId" | "leaderEpoch"> | null {
  const { isr, leaderId, leaderEpoch } = partition;
  if (!isr.includes(brokerId)) return null;
  const rest = isr.filter((id) => id !== brokerId);
  if (leaderId !== brokerId) return { isr: rest, leaderId, leaderEpoch };
  return { isr: rest, leaderId: rest[0] ?? -1, leaderEpoch: leaderEpoch + 1 };
}
