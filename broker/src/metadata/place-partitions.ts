/**
 * Which brokers new partitions go to, for topics that are made and for topics that grow: as a request assigns them, or as
 * placement.ts spreads them, within the limits of a request and of each broker (security 2, "topics").
 */
import { type ErrorName, MAX_PARTITIONS_PER_REQUEST } from "@tidemark/proto";
import type { BrokerConfig, ConfigLayers } from "../config/index.ts";
import type { BrokerImage, ClusterImage } from "./image.ts";
import { isUsable } from "./partition-rules.ts";
import { placeReplicas } from "./placement.ts";

/** Brokers of each partition, the preferred leader first. */
export type Assignment = readonly (readonly number[])[];

export interface PlacementRefusal {
  readonly ok: false;
  readonly error: ErrorName;
  readonly message: string;
}

export type Placed = { readonly ok: true; readonly assignment: Assignment } | PlacementRefusal;

export interface PlacementContext {
  /** In force on the controller, and the layers that it comes from. */
  readonly config: BrokerConfig;
  readonly layers: ConfigLayers;
  /** Makes 16-byte ids and chooses where placement begins. */
  readonly random: (count: number) => Uint8Array;
}

export function refuse(error: ErrorName, message: string): PlacementRefusal {
  return { ok: false, error, message };
}

/** How many replicas each broker has: those of the working image, and what the request has placed so far. */
export class HostedReplicas {
  readonly brokers: ClusterImage["brokers"];
  /** Those that new replicas are placed on; full ones only where the others do not suffice. */
  readonly usable: readonly BrokerImage[];
  /** Partitions that the request has made. */
  partitionsCount = 0;
  readonly #counts = new Map<number, number>();

  constructor(working: ClusterImage) {
    this.brokers = working.brokers;
    this.usable = [...working.brokers.values()].filter((broker) => isUsable(broker) && !broker.isDraining);
    for (const { partitions } of working.topics.values()) {
      for (const { replicas } of partitions) this.#host(replicas);
    }
  }

  count(brokerId: number): number {
    return this.#counts.get(brokerId) ?? 0;
  }

  add(assignment: Assignment): void {
    this.partitionsCount += assignment.length;
    for (const replicas of assignment) this.#host(replicas);
  }

  /** The ISR that partitions start with: replicas on brokers that may take part now. */
  isrOf(replicas: readonly number[]): readonly number[] {
    return replicas.filter((brokerId) => isUsable(this.brokers.get(brokerId)));
  }

  #host(replicas: readonly number[]): void {
    for (const brokerId of replicas) this.#counts.set(brokerId, this.count(brokerId) + 1);
  }
}

/** Kafka's rules for a manual assignment: known and distinct brokers, `factor` for each partition; they are numbered from `first`. */
export function checkAssignment(
  hosted: HostedReplicas,
  assignment: Assignment,
  { first, factor }: { readonly first: number; readonly factor: number },
): Placed {
  for (const [slot, replicas] of assignment.entries()) {
    const text = `partition ${first + slot} [${replicas.slice(0, 20).join(", ")}]`;
    if (replicas.length === 0) return refuse("INVALID_REPLICA_ASSIGNMENT", `${text} has no replica`);
    if (replicas.length !== factor) {
      return refuse("INVALID_REPLICA_ASSIGNMENT", `${text} has ${replicas.length} replicas, partition 0 has ${factor}`);
    }
    if (new Set(replicas).size !== factor) return refuse("INVALID_REPLICA_ASSIGNMENT", `${text} names a broker twice`);
    const stranger = replicas.find((brokerId) => !hosted.brokers.has(brokerId));
    const draining = replicas.find((brokerId) => hosted.brokers.get(brokerId)?.isDraining);
    if (draining !== undefined)
      return refuse("INVALID_REPLICA_ASSIGNMENT", `${text}: broker ${draining} is being drained`);
    if (stranger !== undefined) return refuse("INVALID_REPLICA_ASSIGNMENT", `${text}: there is no broker ${stranger}`);
    if (hosted.isrOf(replicas).length === 0) {
      return refuse("INVALID_REPLICA_ASSIGNMENT", `${text}: none of these brokers is alive`);
    }
  }
  return { ok: true, assignment };
}

/** `partitions` of them with `factor` replicas each; placement goes on where the `first` of them stands. */
export function placeOnBrokers(
  hosted: HostedReplicas,
  { partitions, factor, first }: { readonly partitions: number; readonly factor: number; readonly first: number },
  { random, config }: PlacementContext,
): Placed {
  const requested = hosted.partitionsCount + partitions;
  if (requested > MAX_PARTITIONS_PER_REQUEST) return tooManyPartitions(requested);
  if (factor > hosted.usable.length) return tooFewBrokers(hosted, factor);
  // Before anything is made in that number: a request may ask for it thousands of times, and be refused each time.
  const limit = checkRoom(hosted, partitions * factor, config);
  if (limit !== null) return limit;
  const start = Buffer.from(random(4)).readUInt32BE() + first;
  const roomy = hosted.usable.filter(({ isFull }) => !isFull);
  const targets = roomy.length >= factor ? roomy : hosted.usable;
  return { ok: true, assignment: placeReplicas(targets, partitions, factor, start) };
}

function tooFewBrokers({ brokers, usable }: HostedReplicas, factor: number): PlacementRefusal {
  const there = `there ${usable.length === 1 ? "is" : "are"} ${usable.length}`;
  const others = [...brokers.values()].filter((broker) => !usable.includes(broker));
  const listed = (what: string, isSo: boolean): string[] => {
    const ids = others.filter(({ isDraining }) => isDraining === isSo).map(({ brokerId }) => brokerId);
    return ids.length === 0 ? [] : [`${what}: ${ids.slice(0, 20).join(", ")}`];
  };
  const why = [...listed("not alive", false), ...listed("being drained", true)];
  const ofThem = why.length === 0 ? "" : ` (${why.join("; ")})`;
  return refuse(
    "INVALID_REPLICATION_FACTOR",
    `replication factor ${factor} needs ${factor} brokers; ${there}${ofThem}`,
  );
}

/** Whether the brokers have room for so many replicas, wherever they are placed; null = they do. */
function checkRoom(
  hosted: HostedReplicas,
  replicasCount: number,
  { maxPartitionsPerBroker }: BrokerConfig,
): PlacementRefusal | null {
  let room = 0;
  for (const { brokerId } of hosted.usable) room += Math.max(0, maxPartitionsPerBroker - hosted.count(brokerId));
  if (replicasCount <= room) return null;
  const limit = `max.partitions.per.broker is ${maxPartitionsPerBroker}`;
  return refuse(
    "POLICY_VIOLATION",
    `${replicasCount} replicas are wanted, and brokers have room for ${room}; ${limit}`,
  );
}

/** What the limits have against an assignment; null = nothing. */
export function checkHosts(
  hosted: HostedReplicas,
  assignment: Assignment,
  { maxPartitionsPerBroker }: BrokerConfig,
): PlacementRefusal | null {
  const requested = hosted.partitionsCount + assignment.length;
  if (requested > MAX_PARTITIONS_PER_REQUEST) return tooManyPartitions(requested);
  const added = new Map<number, number>();
  for (const brokerId of assignment.flat()) added.set(brokerId, (added.get(brokerId) ?? 0) + 1);
  for (const [brokerId, count] of added) {
    const total = hosted.count(brokerId) + count;
    if (total <= maxPartitionsPerBroker) continue;
    const limit = `max.partitions.per.broker is ${maxPartitionsPerBroker}`;
    return refuse("POLICY_VIOLATION", `broker ${brokerId} would host ${total} replicas; ${limit}`);
  }
  return null;
}

function tooManyPartitions(count: number): PlacementRefusal {
  return refuse("INVALID_PARTITIONS", `${count} partitions in one request; ${MAX_PARTITIONS_PER_REQUEST} are allowed`);
}
