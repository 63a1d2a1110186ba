/**
 * What a majority owes when the others are dead (testing.md 3.3): whatever the living hold between them is led, and is written to where there
 * are enough of them. What the dead alone may lead is nobody's fault, however much the living have of it.
 */
import { isDamaged, type PartitionImage } from "../../metadata/index.ts";
import type { Partition } from "../../runtime/index.ts";
import { newestImage } from "./at-rest.ts";
import type { ClusterBroker } from "./cluster-broker.ts";
import type { ClusterTopic } from "./run-options.ts";

interface Place {
  readonly topic: ClusterTopic;
  readonly partition: number;
}

export class LivingCore {
  readonly #brokers: readonly ClusterBroker[];
  readonly #places: readonly Place[];

  constructor(brokers: readonly ClusterBroker[], topics: readonly ClusterTopic[]) {
    this.#brokers = brokers;
    this.#places = topics.flatMap((topic) =>
      Array.from({ length: topic.partitions }, (_, partition) => ({ topic, partition })),
    );
  }

  get placesCount(): number {
    return this.#places.length;
  }

  /**
   * Somebody of the living decides, on all that was decided before, and has fenced the dead: until then leaders are seen that were replaced
   * long since, where nobody living had heard of it, and a dead broker may be chosen.
   */
  get knowsTheDead(): boolean {
    const newest = newestImage(this.#brokers);
    const isDecidedHere = this.#brokers.some(({ context }) => {
      const quorum = context?.quorum() ?? null;
      if (quorum?.role !== "leader" || quorum.appliedIndex < quorum.lastIndex) return false;
      return context?.image() === newest;
    });
    if (!isDecidedHere || newest === null) return false;
    return [...newest.brokers.values()].every(({ brokerId, isFenced }) => isFenced || this.#isIn(brokerId));
  }

  get isLed(): boolean {
    return this.#places.every((place) => this.#find(place) !== undefined || this.#isLost(place));
  }

  /** Names of the partitions that have to take records. */
  writable(): string[] {
    return this.#places
      .filter((place) => {
        const led = this.#find(place);
        return led !== undefined && !led.isDamaged && this.#isEnoughFor(place, led);
      })
      .map(nameOf);
  }

  /** Its min ISR is more than there are living, perhaps by a change that was under way when the core was looked at. */
  isShort(name: string): boolean {
    const place = this.#places.find((each) => nameOf(each) === name);
    const led = place === undefined ? undefined : this.#find(place);
    return place !== undefined && led !== undefined && !this.#isEnoughFor(place, led);
  }

  #isEnoughFor(place: Place, led: Partition): boolean {
    const living = this.#imageOf(place)?.replicas.filter((id) => this.#isIn(id)) ?? [];
    return living.length >= led.effectiveMinIsr;
  }

  #isIn(brokerId: number): boolean {
    return this.#brokers.some(({ nodeId }) => nodeId === brokerId);
  }

  /** As the newest metadata says: whoever has not heard that it was replaced leads nothing. */
  #find(place: Place): Partition | undefined {
    const image = this.#imageOf(place);
    const leader = this.#brokers.find(({ nodeId }) => nodeId === image?.leaderId);
    const led = leader?.context?.replicas.find(place.topic.name, place.partition);
    return led?.leaderEpoch === image?.leaderEpoch ? led : undefined;
  }

  #imageOf({ topic, partition }: Place): PartitionImage | undefined {
    return newestImage(this.#brokers)?.topics.get(topic.name)?.partitions[partition];
  }

  /**
   * Nobody of the living may lead it (9(1), 9(3)). Whoever is known to have everything may. Where dead ones are known for that, page-cache mode
   * waits for them; else the last ISR is asked, and of the living those may lead that are on the same disk as then, and not damaged.
   */
  #isLost({ topic: { name, durability }, partition }: Place): boolean {
    const cluster = newestImage(this.#brokers);
    const topic = cluster?.topics.get(name);
    const image = topic?.partitions[partition];
    if (cluster === null || topic === undefined || image === undefined) return false;
    const sure = [...image.isr, ...image.elr];
    if (sure.some((id) => this.#isIn(id))) return false;
    if (sure.length > 0 && durability === "page-cache") return true;
    return !this.#brokers.some(({ nodeId, context }) => {
      const registered = cluster.brokers.get(nodeId);
      const last = image.lastIsr.find(({ brokerId }) => brokerId === nodeId);
      if (last === undefined || registered?.directoryId !== last.directoryId) return false;
      return (
        !isDamaged(registered, topic.topicId, partition) && context?.replicas.log(name, partition)?.isDamaged !== true
      );
    });
  }
}

function nameOf({ topic, partition }: Place): string {
  return `${topic.name}-${partition}`;
}
