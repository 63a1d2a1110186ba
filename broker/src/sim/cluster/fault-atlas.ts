/**
 * Who holds good copies of what (testing.md 3.2): asked before bytes of a broker are destroyed, so that a good copy of all that was
 * acknowledged stays with another that acknowledged it. One broker at a time is hurt, and with it one copy of each record; the next is
 * hurt only when that one has everything back.
 *
 * Of the hurt, three kinds. `bytes`: some below its recovery point are bad, and it knows how long its log was. `disk`: all of it is gone, and
 * it comes as a new one. `tail`: its log may come back shorter, with nothing that tells (a sync that lied, rot that a recovery takes for a torn
 * tail): if all others were away for the ten seconds of 9(3) it would be chosen, so those are left alone meanwhile.
 *
 * Looks at files, never at what brokers say of them.
 */
import { type ClusterImage, isReassigning, type PartitionImage } from "../../metadata/index.ts";
import { newestImage } from "./at-rest.ts";
import { type ClusterBroker, DATA } from "./cluster-broker.ts";
import { goodBatchesIn, goodEndOf, segmentsOf } from "./replica-files.ts";
import type { ClusterTopic } from "./run-options.ts";

export type Hurt = "bytes" | "disk" | "tail";

/** A replica with bytes that were turned over. */
interface DamagedReplica {
  readonly topic: string;
  readonly partition: number;
}

/** One of it that was hit. */
export interface RottenBatch extends DamagedReplica {
  readonly nextOffset: number;
  /** The bit turns back, if it is there still. */
  readonly undo: () => void;
}

/** A batch in a segment of a replica. */
export interface BatchPlace {
  readonly topic: ClusterTopic;
  readonly partition: number;
  readonly baseOffset: number;
  readonly bytes: Buffer;
}

/** How long a seat that was asked for may still be on the way. */
const SEAT_MS = 30_000;
/** Between two looks at all files of who is hurt. */
const LOOK_MS = 50;

export class FaultAtlas {
  readonly #brokers: readonly ClusterBroker[];
  readonly #topics: readonly ClusterTopic[];
  readonly #now: () => number;
  readonly #onWhole: (hurt: Hurt) => void;
  #lookedAtMs = Number.NEGATIVE_INFINITY;
  #seatTakenAtMs = Number.NEGATIVE_INFINITY;
  #hurt: { readonly broker: ClusterBroker; kind: Hurt } | null = null;
  readonly #replicas = new Map<string, DamagedReplica>();
  #lying: ClusterBroker | null = null;
  #latent: ClusterBroker | null = null;
  #rotten: RottenBatch[] = [];

  constructor(
    brokers: readonly ClusterBroker[],
    topics: readonly ClusterTopic[],
    /** `onWhole`: who was hurt has everything back. */
    { now, onWhole }: { readonly now: () => number; readonly onWhole: (hurt: Hurt) => void },
  ) {
    this.#brokers = brokers;
    this.#topics = topics;
    this.#now = now;
    this.#onWhole = onWhole;
  }

  /** For who compares files: some of this replica's may be bad. */
  isDamaged(broker: ClusterBroker, topic: string, partition: number): boolean {
    return this.#hurt?.broker === broker && this.#replicas.has(`${topic}-${partition}`);
  }

  /** Replicas with bad bytes, of the broker that has them; null: nobody has. */
  get damaged(): { readonly broker: ClusterBroker; readonly replicas: readonly DamagedReplica[] } | null {
    if (this.#hurt === null || this.#replicas.size === 0) return null;
    return { broker: this.#hurt.broker, replicas: [...this.#replicas.values()] };
  }

  get hurt(): Hurt | null {
    this.#look();
    return this.#hurt?.kind ?? null;
  }

  // ---- asked before a fault ----

  /** Whether this broker may be away: always, unless it has what another one may have lost. */
  mayBeAway(broker: ClusterBroker): boolean {
    this.#look();
    return this.#hurt === null || this.#hurt.kind !== "tail" || this.#hurt.broker === broker;
  }

  /** Whether it may lose power: not while its disk lies, for that is drawn with a time of its own. */
  mayLosePower(broker: ClusterBroker): boolean {
    return this.mayBeAway(broker) && this.#lying !== broker;
  }

  /** Whether a read of its log may be refused, which counts as bad bytes: not while another one has lost something. */
  mayBeUnread(broker: ClusterBroker): boolean {
    this.#look();
    return this.#hurt === null || this.#hurt.broker === broker;
  }

  /** Whether its disk may be lost: all that was on it stands on as many others as min ISR asks for, and on a majority of the voters. */
  mayLose(): boolean {
    const areSeatsSettled = this.#now() >= this.#seatTakenAtMs + SEAT_MS;
    return areSeatsSettled && this.#mayHurtAnybody && isAllInSync(this.#brokers, this.#topics);
  }

  /** Whether somebody may be asked to give up a seat among the controllers: not while another's is empty with its disk. */
  mayTakeSeat(): boolean {
    if (this.hurt === "disk") return false;
    this.#seatTakenAtMs = this.#now();
    return true;
  }

  /** Whether the end of its logs may be: everybody has it, or it is down and all others go on without it. */
  mayLoseTail(broker: ClusterBroker): boolean {
    return this.#mayHurtAnybody && areIsrsFull(this.#brokers, this.#topics, broker.isUp ? null : broker);
  }

  get #mayHurtAnybody(): boolean {
    this.#look();
    return this.#hurt === null && this.#topics.every(({ minIsrLeast }) => minIsrLeast >= 2);
  }

  /** Whether a byte of the batch may go bad at `broker`: its topic is synced, and another of the ISR or last ISR has it, synced. */
  mayRot(broker: ClusterBroker, place: BatchPlace): boolean {
    this.#look();
    if (this.#hurt !== null && (this.#hurt.broker !== broker || this.#hurt.kind !== "bytes")) return false;
    const { topic, partition } = place;
    if (topic.durability === "page-cache" || topic.minIsrLeast < 2) return false;
    const image = newestImage(this.#brokers);
    const its = image?.topics.get(topic.name)?.partitions[partition];
    if (image === null || its === undefined || !its.replicas.includes(broker.nodeId)) return false;
    return this.#brokers.some(
      (other) => other !== broker && mayStandIn(image, its, other.nodeId) && hasSynced(other, place),
    );
  }

  /** The same of a byte that a recovery may cut away: nothing is hurt, and who is left goes on without it. */
  mayRotTail(broker: ClusterBroker, place: BatchPlace): boolean {
    return this.mayLoseTail(broker) && this.mayRot(broker, place);
  }

  // ---- told of a fault ----

  /** Its disk says that it has synced, and has not; null: none does any more. */
  onLying(broker: ClusterBroker | null): void {
    this.#lying = broker;
    if (broker !== null) this.onHurt(broker, "tail");
  }

  /** Its metadata is bad, and its next start will find that; null: nobody's is any more that runs. */
  onLatent(broker: ClusterBroker | null): void {
    this.#latent = broker;
    if (broker !== null) this.onHurt(broker, "disk");
  }

  onHurt(broker: ClusterBroker, kind: Hurt): void {
    if (this.#hurt?.broker === broker && this.#hurt.kind === "tail") return;
    this.#hurt = { broker, kind };
    if (kind === "disk") this.#replicas.clear();
  }

  onRot(broker: ClusterBroker, rotten: RottenBatch, kind: "bytes" | "tail"): void {
    const { topic, partition } = rotten;
    this.onHurt(broker, kind);
    this.#replicas.set(`${topic}-${partition}`, { topic, partition });
    this.#rotten.push(rotten);
  }

  /** Whatever it has synced may be torn, below what it holds for synced too. */
  onTorn(broker: ClusterBroker): void {
    this.onHurt(broker, "tail");
    for (const { name: topic, partitions } of this.#topics)
      for (let partition = 0; partition < partitions; partition++)
        this.#replicas.set(`${topic}-${partition}`, { topic, partition });
  }

  // ---- what became of it ----

  #look(): void {
    // Who is whole a moment later was hurt for a moment longer.
    if (this.#hurt === null || this.#lying !== null || this.#latent !== null) return;
    if (this.#now() < this.#lookedAtMs + LOOK_MS) return;
    this.#lookedAtMs = this.#now();
    const { broker, kind } = this.#hurt;
    this.#rotten = this.#rotten.filter((rotten) => {
      const isDeleted =
        rotten.nextOffset <= (broker.context?.replicas.log(rotten.topic, rotten.partition)?.logStartOffset ?? 0);
      // What nobody can read any more nobody mends, and nobody misses.
      if (isDeleted) rotten.undo();
      return !isDeleted;
    });
    for (const [name, { topic, partition }] of this.#replicas)
      if (isWhole(broker, topic, partition, newestImage(this.#brokers))) this.#replicas.delete(name);
    if (this.#replicas.size > 0) return;
    if (kind === "disk" && !isAllInSync(this.#brokers, this.#topics)) return;
    if (kind === "tail" && !areIsrsFull(this.#brokers, this.#topics)) return;
    this.#hurt = null;
    this.#rotten = [];
    this.#onWhole(kind);
  }
}

/** Everybody serves, every replica is in its ISR and so has all that was acknowledged, every voter has all metadata. */
export function isAllInSync(brokers: readonly ClusterBroker[], topics: readonly ClusterTopic[]): boolean {
  if (!areIsrsFull(brokers, topics)) return false;
  const leader = brokers.map(({ context }) => context?.quorum()).find((quorum) => quorum?.role === "leader");
  const voters = leader?.nodes.filter(({ isVoter }) => isVoter) ?? [];
  // Of fewer than three one more is a majority of those that are left.
  const isEnough = voters.length >= Math.min(3, brokers.length);
  return isEnough && voters.every(({ matchIndex }) => matchIndex === leader?.lastIndex);
}

/** Everybody serves, every replica is in its ISR; but for who is `away`, and counts nowhere. */
export function areIsrsFull(
  brokers: readonly ClusterBroker[],
  topics: readonly ClusterTopic[],
  away: ClusterBroker | null = null,
): boolean {
  if (!brokers.every((broker) => broker === away || broker.state === "ready")) return false;
  const image = newestImage(brokers);
  const isAway = (brokerId: number): boolean => brokerId === away?.nodeId;
  return topics.every(({ name, partitions }) => {
    const its = image?.topics.get(name)?.partitions ?? [];
    return (
      its.length === partitions &&
      its.every((partition) => {
        const { isr, elr, lastIsr, replicas, leaderId, isRecovering } = partition;
        const led = brokers
          .find(({ nodeId }) => nodeId === leaderId)
          ?.context?.replicas.find(name, partition.partition);
        const count = replicas.filter((id) => !isAway(id)).length;
        if (isRecovering || isReassigning(partition) || isr.length !== count || led?.isr.length !== count) return false;
        return ![...isr, ...elr, ...lastIsr.map(({ brokerId }) => brokerId)].some(isAway);
      })
    );
  });
}

/** Of those that the cluster turns to for what another has lost: the same disk that was in sync. */
function mayStandIn(image: ClusterImage, { isr, elr, lastIsr }: PartitionImage, brokerId: number): boolean {
  const directoryId = image.brokers.get(brokerId)?.directoryId;
  const isLast = lastIsr.some((last) => last.brokerId === brokerId && last.directoryId === directoryId);
  return isr.includes(brokerId) || elr.includes(brokerId) || isLast;
}

function hasSynced({ disk }: ClusterBroker, { topic, partition, baseOffset, bytes: wanted }: BatchPlace): boolean {
  return segmentsOf(disk, `${DATA}/${topic.name}-${partition}`, baseOffset).some((segment) => {
    const found = goodBatchesIn(segment).find((batch) => batch.baseOffset === baseOffset);
    if (found === undefined) return false;
    const { from, to } = found;
    return segment.bytes.subarray(from, to).equals(wanted) && segment.file.isSynced(from, to);
  });
}

/** It is no replica any more; or it is in sync, and its files are good from the first batch to the last. */
function isWhole(broker: ClusterBroker, topic: string, partition: number, image: ClusterImage | null): boolean {
  const directory = `${DATA}/${topic}-${partition}`;
  if (broker.disk.tree.find(directory) === undefined) return true;
  const log = broker.context?.replicas.log(topic, partition);
  const its = image?.topics.get(topic)?.partitions[partition];
  if (broker.state !== "ready" || log === undefined || its?.isr.includes(broker.nodeId) !== true) return false;
  if (log.isDamaged || log.isRepairing || log.isTruncating) return false;
  return goodEndOf(broker.disk, directory, log.logStartOffset) >= log.logEndOffset;
}
