/**
 * Which brokers hold which partition. Leaders go round all brokers, so that they differ by at most one per topic; the
 * other replicas follow on the next brokers round, first those on racks that the partition does not have yet. A shift
 * that grows with each full round keeps two brokers from sharing all their partitions.
 */
import { assert } from "../base/index.ts";

export interface PlacementTarget {
  readonly brokerId: number;
  readonly rack: string | null;
}

/**
 * One list of broker ids per partition, the preferred leader first. `start` is any whole number: which broker begins.
 * Asserts 1 <= replicationFactor <= brokers.
 */
export function placeReplicas(
  brokers: readonly PlacementTarget[],
  partitionsCount: number,
  replicationFactor: number,
  start: number,
): number[][] {
  assert(replicationFactor >= 1 && replicationFactor <= brokers.length, "a replica needs a broker of its own");
  const ring = interleaveRacks(brokers);
  return Array.from({ length: partitionsCount }, (_, partition) => {
    const leaderSlot = (start + partition) % ring.length;
    const shift = Math.floor((start + partition) / ring.length);
    return replicasFrom(ring, leaderSlot, shift, replicationFactor);
  });
}

/** Brokers in an order in which neighbours stand on different racks as far as possible; the same for any input order. */
function interleaveRacks(brokers: readonly PlacementTarget[]): PlacementTarget[] {
  const racks = new Map<string, PlacementTarget[]>();
  for (const broker of [...brokers].sort((a, b) => a.brokerId - b.brokerId)) {
    // A broker without a rack is a failure domain of its own.
    const rack = broker.rack === null ? `broker ${broker.brokerId}` : `rack ${broker.rack}`;
    racks.set(rack, [...(racks.get(rack) ?? []), broker]);
  }
  const ring: PlacementTarget[] = [];
  for (let round = 0; ring.length < brokers.length; round++) {
    for (const members of racks.values()) ring.push(...members.slice(round, round + 1));
  }
  return ring;
}

function replicasFrom(ring: readonly PlacementTarget[], leaderSlot: number, shift: number, count: number): number[] {
  const others = ring.length - 1;
  const [leader, ...rest] = Array.from({ length: ring.length }, (_, step) => {
    const slot = step === 0 ? leaderSlot : (leaderSlot + 1 + ((step - 1 + shift) % others)) % ring.length;
    return ring[slot];
  }).filter((broker) => broker !== undefined);
  assert(leader !== undefined, "the ring is not empty");
  const chosen = [leader];
  const racks = new Set<string | null>([leader.rack]);
  const spare: PlacementTarget[] = [];
  for (const broker of rest) {
    if (broker.rack !== null && racks.has(broker.rack)) spare.push(broker);
    else chosen.push(broker);
    racks.add(broker.rack);
  }
  return [...chosen, ...spare].slice(0, count).map(({ brokerId }) => brokerId);
}
