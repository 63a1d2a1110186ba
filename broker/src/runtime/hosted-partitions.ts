/** Partitions of one role on this broker, by topic and number. */
export class HostedPartitions<P> {
  readonly #byTopic = new Map<string, (P | undefined)[]>();

  find(topic: string, partition: number): P | undefined {
    return this.#byTopic.get(topic)?.[partition];
  }

  set(topic: string, number: number, partition: P): void {
    let partitions = this.#byTopic.get(topic);
    if (partitions === undefined) {
      partitions = [];
      this.#byTopic.set(topic, partitions);
    }
    partitions[number] = partition;
  }

  remove(topic: string, number: number): void {
    const partitions = this.#byTopic.get(topic);
    if (partitions === undefined) return;
    partitions[number] = undefined;
    if (partitions.every((other) => other === undefined)) this.#byTopic.delete(topic);
  }

  clear(): void {
    this.#byTopic.clear();
  }

  *of(topic: string): Iterable<P> {
    for (const partition of this.#byTopic.get(topic) ?? []) if (partition !== undefined) yield partition;
  }

  *all(): Iterable<P> {
    for (const topic of this.#byTopic.keys()) yield* this.of(topic);
  }
}
