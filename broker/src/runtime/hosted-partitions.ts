/** Partitions of one role on this broker, by topic and number. */
export class HostedPartitions<P> {
  readonly #byTopic = new Map<string, OfTopic<P>>();
  /** All of them; null: not since the last change. */
  #list: readonly P[] | null = null;

  find(topic: string, partition: number): P | undefined {
    return this.#byTopic.get(topic)?.partitions[partition];
  }

  set(topic: string, number: number, partition: P): void {
    let ofTopic = this.#byTopic.get(topic);
    if (ofTopic === undefined) {
      ofTopic = { partitions: [], count: 0 };
      this.#byTopic.set(topic, ofTopic);
    }
    if (ofTopic.partitions[number] === undefined) ofTopic.count += 1;
    ofTopic.partitions[number] = partition;
    this.#list = null;
  }

  remove(topic: string, number: number): void {
    const ofTopic = this.#byTopic.get(topic);
    if (ofTopic?.partitions[number] === undefined) return;
    ofTopic.partitions[number] = undefined;
    this.#list = null;
    ofTopic.count -= 1;
    if (ofTopic.count === 0) this.#byTopic.delete(topic);
  }

  clear(): void {
    this.#byTopic.clear();
    this.#list = null;
  }

  *of(topic: string): Iterable<P> {
    for (const partition of this.#byTopic.get(topic)?.partitions ?? []) if (partition !== undefined) yield partition;
  }

  /** As they are now: what comes and goes meanwhile does not show. Free while nothing does. */
  list(): readonly P[] {
    this.#list ??= [...this.all()];
    return this.#list;
  }

  *all(): Iterable<P> {
    for (const { partitions } of this.#byTopic.values())
      for (const partition of partitions) if (partition !== undefined) yield partition;
  }
}

interface OfTopic<P> {
  /** By number; undefined: it has another role, or none. */
  readonly partitions: (P | undefined)[];
  /** That are there: all of a topic change their role in one stretch, and none of them looks through the others for that. */
  count: number;
}
