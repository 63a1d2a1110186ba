/**
 * Which brokers hold which partition. Leaders go round all brokers, so that they differ by at most one per topic; the
 * other replicas follow on the next brokers round: first those on racks that the partition does not have yet, then those on
 * hosts that it does not have, then the others. A shift that grows with each full round keeps two brokers from sharing all their partitions.
 */
import { assert } from "../base/index.ts";

export interface PlacementTarget {
  readonly brokerId: number;
  readonly rack: string | null;
  /** The machine; null = one of its own. */
  readonly host: string | null;
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

/** Brokers in an order in which neighbours stand on different racks and hosts as far as possible; the same for any input order. */
function interleaveRacks(brokers: readonly PlacementTarget[]): PlacementTarget[] {
  const sorted = [...brokers].sort((a, b) => a.brokerId - b.brokerId);
  const racks = [...groupedBy(sorted, rackOf).values()];
  return interleaved(racks.map((members) => interleaved([...groupedBy(members, hostOf).values()])));
}

/** A broker without a rack is a failure domain of its own, with those on its host if it names one. */
function rackOf(broker: PlacementTarget): string {
  return broker.rack === null ? hostOf(broker) : `rack ${broker.rack}`;
}

function hostOf({ brokerId, host }: PlacementTarget): string {
  return host === null ? `broker ${brokerId}` : `host ${host}`;
}

function groupedBy(
  brokers: readonly PlacementTarget[],
  keyOf: (broker: PlacementTarget) => string,
): Map<string, PlacementTarget[]> {
  const groups = new Map<string, PlacementTarget[]>();
  for (const broker of brokers) {
    const group = groups.get(keyOf(broker));
    if (group === undefined) groups.set(keyOf(broker), [broker]);
    else group.push(broker);
  }
  return groups;
}

/** The first of each list, then the second of each, and so on. */
function interleaved(lists: readonly (readonly PlacementTarget[])[]): PlacementTarget[] {
  const longest = Math.max(0, ...lists.map(({ length }) => length));
  return Array.from({ length: longest }, (_, round) => lists.flatMap((list) => list.slice(round, round + 1))).flat();
}

function replicasFrom(ring: readonly PlacementTarget[], leaderSlot: number, shift: number, count: number): number[] {
  const others = ring.length - 1;
  const [leader, ...rest] = Array.from({ length: ring.length }, (_, step) => {
    const slot = step === 0 ? leaderSlot : (leaderSlot + 1 + ((step - 1 + shift) % others)) % ring.length;
    return ring[slot];
  }).filter((broker) => broker !== undefined);
  assert(leader !== undefined, "the ring is not empty");
  const chosen = [leader];
  const racks = new Set([rackOf(leader)]);
  const hosts = new Set([hostOf(leader)]);
  const sameRack: PlacementTarget[] = [];
  const sameHost: PlacementTarget[] = [];
  for (const broker of rest) {
    if (racks.has(rackOf(broker))) sameRack.push(broker);
    else {
      chosen.push(broker);
      racks.add(rackOf(broker));
      hosts.add(hostOf(broker));
    }
  }
  for (const broker of sameRack) {
    if (hosts.has(hostOf(broker))) sameHost.push(broker);
    else chosen.push(broker);
    hosts.add(hostOf(broker));
  }
  return [...chosen, ...sameHost].slice(0, count).map(({ brokerId }) => brokerId);
}
