/**
 * The rules by which one partition's registration changes: its ISR with what hangs on it (9(5)), and who leads (9(1)-(3)). All of
 * them are functions of a partition and of what stands around it, and give the same on every node: they run where a command is
 * decided and again wherever its records are applied.
 *
 * Modelled in the specification's model of one partition (`setIsr`, `elect`); who changes a rule changes the model first.
 */
import { assert } from "../base/index.ts";
import type { BrokerImage, PartitionImage, ReplicaDirectory } from "./image.ts";
import type { ListPool } from "./list-pool.ts";
import { replicationFactorOf } from "./min-isr.ts";
import type { ReplicaLists } from "./records.ts";

/** What a partition's rules look at beside the partition. */
export interface Surroundings {
  readonly brokers: ReadonlyMap<number, BrokerImage>;
  /** Effective min ISR of a partition of the topic with so many replicas (`replicationFactorOf`). */
  readonly minIsrOf: (replicationFactor: number) => number;
  /** Only synced records count in its ISR (15.1(1)): what was committed survives a power failure on each member. */
  readonly isSynced: boolean;
  readonly topicId: string;
  readonly lists: ListPool;
}

/** A registered broker that may take part: as leader, as member of an ISR, as a place for new replicas (9(2) but for a full disk). */
export function isUsable(broker: BrokerImage | undefined): broker is BrokerImage {
  return broker !== undefined && !broker.isFenced && !broker.isShuttingDown && !broker.isOffline;
}

/**
 * The partition with this ISR, in assignment order, and with the ELR and the last ISR that follow (9(5)). `unclean`: a replica that
 * may have lost records. The ISR may become empty; who leads is left as it is, and is to be looked at next.
 */
export function withIsr(
  partition: PartitionImage,
  isr: readonly number[],
  { brokers, minIsrOf, lists }: Surroundings,
  unclean: number | null = null,
): PartitionImage {
  if (isr.length >= minIsrOf(replicationFactorOf(partition))) {
    const lastIsr = isr.map((brokerId) => directoryOf(brokers, brokerId));
    return { ...partition, isr: lists.ids(isr), elr: lists.ids([]), lastIsr: lists.directories(lastIsr) };
  }
  const elr = partition.replicas.filter(
    (id) => (partition.elr.includes(id) || partition.isr.includes(id)) && !isr.includes(id) && id !== unclean,
  );
  // Joiners only: whoever left it still has all that was committed while it was a member.
  const lastIsr = [
    ...partition.lastIsr.filter(({ brokerId }) => !isr.includes(brokerId)),
    ...isr.map((brokerId) => directoryOf(brokers, brokerId)),
  ].sort((a, b) => a.brokerId - b.brokerId);
  return { ...partition, isr: lists.ids(isr), elr: lists.ids(elr), lastIsr: lists.directories(lastIsr) };
}

function directoryOf(brokers: Surroundings["brokers"], brokerId: number): ReplicaDirectory {
  const broker = brokers.get(brokerId);
  assert(broker !== undefined, `broker ${brokerId} is in an ISR and not registered`);
  return { brokerId, directoryId: broker.directoryId };
}

/**
 * The partition with the leader that it should have now: the current one if it still may; else the first acceptable one of the ISR;
 * of the ELR if the ISR is empty; the only one of the last ISR that can still have the records; else none (9(1)). Leader epoch and
 * partition epoch are the caller's.
 */
export function withLeader(partition: PartitionImage, around: Surroundings): PartitionImage {
  const { isr, elr, leaderId } = partition;
  const { brokers } = around;
  const leader = brokers.get(leaderId);
  // Nearly always; and whenever something happens to a broker every partition of it is looked at.
  if (isUsable(leader) && !leader.isFull && !leader.isDraining && isr.includes(leaderId)) return partition;
  const inSync = preferable(isr, brokers);
  if (inSync.includes(leaderId)) return partition;
  const [first] = inOrder(partition, inSync);
  if (first !== undefined) return { ...partition, leaderId: first };
  if (isr.length === 0) {
    const [eligible] = inOrder(partition, preferable(elr, brokers));
    if (eligible !== undefined) return { ...withIsr(partition, [eligible], around), leaderId: eligible };
    const only = onlyCandidate(partition, around);
    if (only !== null) return recoveredBy(partition, only, around);
  }
  return leaderId === -1 ? partition : { ...partition, leaderId: -1 };
}

/** Those that may lead: usable, and not full unless all of them are (9(2)). */
export function acceptable(ids: readonly number[], brokers: Surroundings["brokers"]): readonly number[] {
  const usable = ids.filter((id) => isUsable(brokers.get(id)));
  const roomy = usable.filter((id) => brokers.get(id)?.isFull === false);
  return roomy.length > 0 ? roomy : usable;
}

/** Those that are chosen from members that hold the same: acceptable, and not being drained unless all of them are. */
export function preferable(ids: readonly number[], brokers: Surroundings["brokers"]): readonly number[] {
  const mayLead = acceptable(ids, brokers);
  const staying = mayLead.filter((id) => brokers.get(id)?.isDraining !== true);
  return staying.length > 0 ? staying : mayLead;
}

function inOrder({ replicas }: PartitionImage, ids: readonly number[]): readonly number[] {
  return ids.length < 2 ? ids : replicas.filter((id) => ids.includes(id));
}

// ---- nobody is known to hold everything (9(3)) ----

/**
 * Whether the last ISR is to be asked: nobody of the ISR or ELR may lead. In a synced mode each member of the last ISR holds all
 * that was committed; otherwise an ELR member that is away is waited for.
 */
export function isOpen(partition: PartitionImage, { brokers, isSynced }: Surroundings): boolean {
  const { isr, elr, leaderId } = partition;
  if (leaderId !== -1 || isr.length > 0) return false;
  return elr.length === 0 || (isSynced && acceptable(elr, brokers).length === 0);
}

/** Members of the last ISR that can still have its records: not those whose disk was emptied since. */
export function candidatesOf({ lastIsr, replicas }: PartitionImage, brokers: Surroundings["brokers"]): number[] {
  return lastIsr
    .filter(({ brokerId, directoryId }) => {
      const broker = brokers.get(brokerId);
      return replicas.includes(brokerId) && (broker === undefined || broker.directoryId === directoryId);
    })
    .map(({ brokerId }) => brokerId);
}

/**
 * A question that has one possible answer is not asked: the only candidate, if it may lead and its bytes are good. So a broker that
 * was alone in its ISR leads again with its own start, a thousand partitions by one record.
 */
function onlyCandidate(partition: PartitionImage, around: Surroundings): number | null {
  if (!isOpen({ ...partition, leaderId: -1 }, around)) return null;
  const [candidate, ...others] = candidatesOf(partition, around.brokers);
  if (candidate === undefined || others.length > 0) return null;
  const broker = around.brokers.get(candidate);
  if (!isUsable(broker)) return null;
  return isDamaged(broker, around.topicId, partition.partition) ? null : candidate;
}

export function isDamaged({ damaged }: BrokerImage, topicId: string, partition: number): boolean {
  return damaged.some((row) => row.topicId === topicId && row.partitions.includes(partition));
}

/**
 * Led by a member of the last ISR, chosen for its log (9(3)): it alone is in sync, others cut back to it, and it recovers first.
 * `uncleanEpoch` is left for `asChanged`, which knows the new leader epoch.
 */
export function recoveredBy(partition: PartitionImage, leaderId: number, around: Surroundings): PartitionImage {
  const chosen = withIsr(partition, [leaderId], around);
  return { ...chosen, leaderId, elr: around.lists.ids([]), isRecovering: true, uncleanEpoch: UNCLEAN_NOW };
}

/** The same of all live replicas, as an operator allowed: what it lacks is lost, and it is the one that counts from here on. */
export function uncleanlyLedBy(partition: PartitionImage, leaderId: number, around: Surroundings): PartitionImage {
  const lastIsr = around.lists.directories([directoryOf(around.brokers, leaderId)]);
  return { ...recoveredBy(partition, leaderId, around), lastIsr };
}

/** Stands for the leader epoch that the choice gets. */
const UNCLEAN_NOW = -2;

// ---- other replicas (13(6), KIP-455) ----

export function isReassigning({ addingReplicas, removingReplicas }: ReplicaLists): boolean {
  return addingReplicas.length > 0 || removingReplicas.length > 0;
}

/** The replicas that it has after a reassignment; without one, those that it has. */
export function targetOf({ replicas, removingReplicas }: ReplicaLists): readonly number[] {
  return removingReplicas.length === 0 ? replicas : replicas.filter((id) => !removingReplicas.includes(id));
}

/** Those that it had before. */
export function originOf({ replicas, addingReplicas }: ReplicaLists): readonly number[] {
  return addingReplicas.length === 0 ? replicas : replicas.filter((id) => !addingReplicas.includes(id));
}

/**
 * Whether the partition may be left to these of its replicas: enough of them are in sync, or none of the others holds for certain
 * what was committed. Fewer copies than min ISR promises are never left.
 */
export function mayBeLeftTo(kept: readonly number[], partition: PartitionImage, { minIsrOf }: Surroundings): boolean {
  const { replicas, isr, elr, lastIsr } = partition;
  const counts = (id: number): boolean =>
    isr.includes(id) || elr.includes(id) || lastIsr.some(({ brokerId }) => brokerId === id);
  if (!replicas.some((id) => !kept.includes(id) && counts(id))) return true;
  return kept.filter((id) => isr.includes(id)).length >= minIsrOf(kept.length);
}

/**
 * The partition on these replicas, with the leader that it should have then. Of one that is gone nothing is remembered: its log is
 * deleted, and if it ever comes back it comes as a new one.
 */
export function withReplicas(partition: PartitionImage, to: ReplicaLists, around: Surroundings): PartitionImage {
  const { lists } = around;
  const isKept = (id: number): boolean => to.replicas.includes(id);
  const placed: PartitionImage = {
    ...partition,
    replicas: lists.ids(to.replicas),
    addingReplicas: lists.ids(to.addingReplicas),
    removingReplicas: lists.ids(to.removingReplicas),
    elr: lists.ids(partition.elr.filter(isKept)),
    lastIsr: lists.directories(partition.lastIsr.filter(({ brokerId }) => isKept(brokerId))),
  };
  const isr = to.replicas.filter((id) => partition.isr.includes(id));
  return withLeader(withIsr(placed, isr, around), around);
}

/**
 * With the reassignment over, once every target is in sync: the others go, and if one of them led, a target leads from here on. All in
 * one change, so that no state between them is ever seen.
 */
function withTargetAlone(partition: PartitionImage, around: Surroundings): PartitionImage {
  if (!isReassigning(partition) || partition.isRecovering) return partition;
  const target = targetOf(partition);
  if (!target.every((id) => partition.isr.includes(id))) return partition;
  return withReplicas(partition, { replicas: target, addingReplicas: [], removingReplicas: [] }, around);
}

/**
 * The new state with its epochs: the partition epoch rises with every change, the leader epoch with a change of the leader, when its
 * broker started anew, and when a replica is gone, so that whatever that one still asks is refused (7(8)). A reassignment that has
 * reached its target ends with the change. The state before, if nothing changed.
 */
export function asChanged(
  before: PartitionImage,
  wanted: PartitionImage,
  around: Surroundings,
  { isNewLeader = false, isRaised = false }: { readonly isNewLeader?: boolean; readonly isRaised?: boolean } = {},
): PartitionImage {
  const after = withTargetAlone(wanted, around);
  const isShrunk = after.replicas !== before.replicas && before.replicas.some((id) => !after.replicas.includes(id));
  const isLed = isNewLeader || isShrunk || after.leaderId !== before.leaderId || after.uncleanEpoch === UNCLEAN_NOW;
  if (!isLed && !isRaised && isSameState(before, after)) return before;
  const leaderEpoch = before.leaderEpoch + (isLed ? 1 : 0);
  return checked({
    ...after,
    leaderEpoch,
    uncleanEpoch: after.uncleanEpoch === UNCLEAN_NOW ? leaderEpoch : after.uncleanEpoch,
    partitionEpoch: before.partitionEpoch + 1,
  });
}

/**
 * The partition with the ISR that its leader proposed (7(6)). Somebody who joins may be the better leader: the one that leads is being
 * drained, or full.
 */
export function withAcceptedIsr(
  before: PartitionImage,
  { isr, isRecovering }: { readonly isr: readonly number[]; readonly isRecovering: boolean },
  around: Surroundings,
): PartitionImage {
  const members = before.replicas.filter((id) => isr.includes(id));
  const proposed = { ...withIsr(before, members, around), isRecovering };
  return asChanged(before, withLeader(proposed, around), around, { isRaised: true });
}

function isSameState(before: PartitionImage, after: PartitionImage): boolean {
  return (
    before === after ||
    (isSameList(before.isr, after.isr) &&
      isSameList(before.replicas, after.replicas) &&
      isSameList(before.addingReplicas, after.addingReplicas) &&
      isSameList(before.removingReplicas, after.removingReplicas) &&
      isSameList(before.elr, after.elr) &&
      isSameDirectories(before.lastIsr, after.lastIsr) &&
      before.leaderId === after.leaderId &&
      before.isRecovering === after.isRecovering)
  );
}

export function isSameList(left: readonly number[], right: readonly number[]): boolean {
  return left === right || (left.length === right.length && left.every((id, slot) => id === right[slot]));
}

function isSameDirectories(left: readonly ReplicaDirectory[], right: readonly ReplicaDirectory[]): boolean {
  return (
    left === right ||
    (left.length === right.length &&
      left.every(
        ({ brokerId, directoryId }, slot) =>
          right[slot]?.brokerId === brokerId && right[slot].directoryId === directoryId,
      ))
  );
}

/** Asserts what holds of every partition; 9(5) among it. */
export function checked(partition: PartitionImage): PartitionImage {
  const { replicas, isr, elr, lastIsr, leaderId, leaderEpoch, uncleanEpoch } = partition;
  assert(replicas.length > 0 && areDistinct(replicas), "replicas are distinct, at least one");
  assert(
    targetOf(partition).length > 0 && originOf(partition).length > 0,
    "a reassignment leaves and begins with replicas",
  );
  assert(areDistinct(isr) && isr.every((id) => replicas.includes(id)), "the ISR lies in the replicas");
  assert(
    elr.every((id) => replicas.includes(id) && !isr.includes(id)),
    "the ELR lies in the replicas, outside the ISR",
  );
  assert(leaderId === -1 || isr.includes(leaderId), "the leader is in the ISR");
  assert(
    isr.every((id) => lastIsr.some(({ brokerId }) => brokerId === id)),
    "the last ISR holds the ISR",
  );
  assert(uncleanEpoch <= leaderEpoch, "an unclean choice has an epoch that was");
  return partition;
}

/** There are a handful of them. */
function areDistinct(ids: readonly number[]): boolean {
  for (let slot = 0; slot < ids.length; slot += 1) if (ids.indexOf(ids[slot] ?? -1) !== slot) return false;
  return true;
}
