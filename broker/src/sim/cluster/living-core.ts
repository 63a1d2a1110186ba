/**
 * What a majority owes when the others are dead (testing.md 3.3): whatever the living hold between them is led, and is written to where there
 * are enough of them. What the dead alone may lead is nobody's fault.
 */
import type { PartitionImage } from "../../metadata/index.ts";
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

  #find({ topic, partition }: Place): Partition | undefined {
    return this.#brokers
      .map(({ context }) => context?.replicas.find(topic.name, partition))
      .find((led) => led !== undefined);
  }

  #imageOf({ topic, partition }: Place): PartitionImage | undefined {
    return newestImage(this.#brokers)?.topics.get(topic.name)?.partitions[partition];
  }

  #isLost(place: Place): boolean {
    const image = this.#imageOf(place);
    const able = [...(image?.isr ?? []), ...(image?.elr ?? [])];
    const isIn = (id: number): boolean => this.#isIn(id);
    return place.topic.durability === "page-cache" ? !able.every(isIn) : !able.some(isIn);
  }
}

function nameOf({ topic, partition }: Place): string {
  return `${topic.name}-${partition}`;
}
