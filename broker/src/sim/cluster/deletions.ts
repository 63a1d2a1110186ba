/** Records that are gone because somebody wanted it: by DeleteRecords, or by retention. What else is gone was lost. */
import type { History } from "../history/index.ts";
import { ensure } from "../violation.ts";
import type { ClusterBroker } from "./cluster-broker.ts";
import type { ClusterTopic } from "./run-options.ts";

interface Deleted {
  /** Highest first offset that somebody asked to keep, and that was answered. */
  asked: number;
  answered: number;
}

export class Deletions {
  readonly #byPlace = new Map<string, Deleted>();

  onAsked(topic: string, partition: number, before: number): void {
    const deleted = this.#of(topic, partition);
    deleted.asked = Math.max(deleted.asked, before);
  }

  onAnswered(topic: string, partition: number, lowWatermark: number): void {
    const deleted = this.#of(topic, partition);
    deleted.answered = Math.max(deleted.answered, lowWatermark);
  }

  /** ST5 of a cluster at rest: each replica begins at or behind what was answered, and none behind what was asked for. */
  check(brokers: readonly ClusterBroker[], topics: readonly ClusterTopic[], history: History): void {
    for (const { name, partitions, retentionBytes } of topics)
      for (let partition = 0; partition < partitions; partition++) {
        const { asked, answered } = this.#of(name, partition);
        for (const { context, name: broker } of brokers) {
          const log = context?.replicas.log(name, partition);
          if (log === undefined) continue;
          const { logStartOffset: start, highWatermark } = log;
          const most = retentionBytes < 0 ? asked : highWatermark;
          const place = `${name}-${partition} at ${broker}`;
          ensure(start >= answered, "ST5", () => `${place} begins at ${start}, deleted were records below ${answered}`);
          ensure(start <= most, "ST5", () => `${place} begins at ${start}, and nobody may delete beyond ${most}`);
          history.deletedBelow(name, partition, start);
        }
      }
  }

  #of(topic: string, partition: number): Deleted {
    const place = `${topic}-${partition}`;
    let deleted = this.#byPlace.get(place);
    if (deleted === undefined) {
      deleted = { asked: 0, answered: 0 };
      this.#byPlace.set(place, deleted);
    }
    return deleted;
  }
}
