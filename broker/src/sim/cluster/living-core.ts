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
        const living = this.#imageOf(place)?.replicas.filter((id) => this.#isIn(id)) ?? [];
        return led !== undefined && !led.isDamaged && living.length >= led.effectiveMinIsr;
      })
      .map(({ topic, partition }) => `${topic.name}-${partition}`);
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
