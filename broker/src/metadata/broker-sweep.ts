/**
 * What becomes of a partition when something becomes of one of its brokers: it started anew, may take part no longer or again, found
 * damage. One record says it for all partitions of the broker; here is what it means for each.
 */
import type { PartitionImage } from "./image.ts";
import { replicationFactorOf } from "./min-isr.ts";
import { asChanged, candidatesOf, isDamaged, isUsable, withIsr, withLeader } from "./partition-rules.ts";
import type { Surroundings } from "./partition-rules.ts";

/**
 * A new incarnation of the broker is registered. Clean or not, it passes through a fencing (10.4(1)): out of the ISR, and a new
 * leader epoch for what it led. Unclean, or with damage here, it is out of the ELR as well, and all that before a leader is
 * chosen (9(4)).
 */
export function afterRegistration(
  partition: PartitionImage,
  brokerId: number,
  { isUnclean, isDamaged }: { readonly isUnclean: boolean; readonly isDamaged: boolean },
  around: Surroundings,
): PartitionImage {
  if (!partition.replicas.includes(brokerId)) return partition;
  const alone = isDamaged ? null : afterRestartsAlone(partition, brokerId, [isUnclean], around);
  if (alone !== null) return alone;
  const wasLeader = partition.leaderId === brokerId;
  let after = wasLeader ? { ...partition, leaderId: -1 } : partition;
  const mayHaveLost = isUnclean || isDamaged;
  if (partition.isr.includes(brokerId) || (mayHaveLost && partition.elr.includes(brokerId))) {
    after = without(after, brokerId, around, mayHaveLost);
  }
  return asChanged(partition, withLeader(after, around), around, { isNewLeader: wasLeader });
}

/**
 * The only replica, led before and after, on the disk that it had: what the rules come to, without the way there, for so many restarts
 * in a row (true: an unclean one). A broker alone replays every restart of its life with every partition. Null: it is not so.
 */
export function afterRestartsAlone(
  partition: PartitionImage,
  brokerId: number,
  restarts: readonly boolean[],
  { brokers }: Surroundings,
): PartitionImage | null {
  const { replicas, isr, leaderId, lastIsr, leaderEpoch } = partition;
  if (replicas.length !== 1 || isr.length !== 1 || leaderId !== brokerId) return null;
  const broker = brokers.get(brokerId);
  if (!isUsable(broker) || lastIsr[0]?.directoryId !== broker.directoryId) return null;
  const lastUnclean = restarts.lastIndexOf(true);
  return {
    ...partition,
    leaderEpoch: leaderEpoch + restarts.length,
    partitionEpoch: partition.partitionEpoch + restarts.length,
    uncleanEpoch: lastUnclean < 0 ? partition.uncleanEpoch : leaderEpoch + lastUnclean + 1,
    isRecovering: lastUnclean >= 0 || partition.isRecovering,
  };
}

/** Its state is another one: fenced or not, shutting down, full, its disk gone (3.8, 10.4(3), 10.4(4), 10.5), being drained. */
export function afterBrokerChange(partition: PartitionImage, brokerId: number, around: Surroundings): PartitionImage {
  if (!partition.replicas.includes(brokerId)) return partition;
  const broker = around.brokers.get(brokerId);
  const isMember = partition.isr.includes(brokerId);
  if (isMember && !isUsable(broker)) {
    return asChanged(partition, withLeader(without(partition, brokerId, around), around), around);
  }
  const led = withLeader(partition, around);
  // A full one leaves the ISRs where min ISR stays (3.8(2)), unless all others are full too and it leads.
  const mustLeave = isMember && broker?.isFull === true && led.leaderId !== brokerId;
  const mayLeave = mustLeave && led.isr.length > around.minIsrOf(replicationFactorOf(led));
  return asChanged(partition, mayLeave ? without(led, brokerId, around) : led, around);
}

/**
 * The replica has bad bytes below its recovery point: out of leadership, ISR and ELR (15.7(2)). Null: nobody else has the records
 * for certain, and it stays as it is (15.7(4)).
 *
 * The leader epoch rises in any case: the leader knows how far the log reached before the replica cut it, and would take it back
 * into the ISR on that. In the new epoch it knows nothing of it (7(3)) until it has heard it again, cut by then; and what it
 * proposed before is refused (7(6)).
 */
export function afterDamage(partition: PartitionImage, brokerId: number, around: Surroundings): PartitionImage | null {
  const { isr, elr, leaderId } = partition;
  // In page-cache mode a member of the last ISR may have lost its tail since, and this one is all there is of it (9(1)).
  const candidates = around.isSynced ? candidatesOf(partition, around.brokers) : [];
  const copies = [...isr, ...elr, ...candidates.filter((id) => !isKnownDamaged(id, partition, around))];
  // Also where it is in neither of them: of the last ISR it may be the one whose records are left.
  if (copies.every((id) => id === brokerId)) return null;
  const isCounted = isr.includes(brokerId) || elr.includes(brokerId);
  const isLeader = leaderId === brokerId;
  const after = isCounted
    ? without(isLeader ? { ...partition, leaderId: -1 } : partition, brokerId, around, true)
    : partition;
  return asChanged(partition, withLeader(after, around), around, { isNewLeader: true });
}

function isKnownDamaged(brokerId: number, { partition }: PartitionImage, { brokers, topicId }: Surroundings): boolean {
  const broker = brokers.get(brokerId);
  return broker !== undefined && isDamaged(broker, topicId, partition);
}

function without(
  partition: PartitionImage,
  brokerId: number,
  around: Surroundings,
  mayHaveLost = false,
): PartitionImage {
  const isr = partition.isr.filter((id) => id !== brokerId);
  return withIsr(partition, isr, around, mayHaveLost ? brokerId : null);
}
