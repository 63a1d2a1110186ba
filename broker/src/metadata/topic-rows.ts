/** Partitions that a record names, gathered one by one: a row per topic, in the order in which they came. */
import type { TopicPartitions } from "./broker-requests.ts";

export class TopicRows {
  readonly #partitions = new Map<string, number[]>();

  add(topicId: string, partition: number): void {
    const partitions = this.#partitions.get(topicId);
    if (partitions === undefined) this.#partitions.set(topicId, [partition]);
    else partitions.push(partition);
  }

  get rows(): TopicPartitions[] {
    return [...this.#partitions].map(([topicId, partitions]) => ({ topicId, partitions }));
  }
}
