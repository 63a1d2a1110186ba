/** Records that are gone because somebody wanted it: by DeleteRecords, or by retention. What else is gone was lost. */
import type { History } from "../history/index.ts";
import { ensure } from "../violation.ts";
import type { TreeNode } from "../sim-tree.ts";
import { type ClusterBroker, DATA } from "./cluster-broker.ts";
import type { ClusterTopic } from "./run-options.ts";

interface Deleted {
  /** Highest first offset that somebody asked to keep. */
  asked: number;
  /** The same that was answered, by the directory of each replica that lived then (13(4)). */
  readonly answered: Map<TreeNode, number>;
}

export class Deletions {
  readonly #brokers: readonly ClusterBroker[];
  readonly #byPlace = new Map<string, Deleted>();

  constructor(brokers: readonly ClusterBroker[]) {
    this.#brokers = brokers;
  }

  onAsked(topic: string, partition: number, before: number): void {
    const deleted = this.#of(topic, partition);
    deleted.asked = Math.max(deleted.asked, before);
  }

  /** `liveIds`: of replicas that were not fenced, for all that the leader knew. Others were not waited for. */
  onAnswered(topic: string, partition: number, lowWatermark: number, liveIds: readonly number[]): void {
    const { answered } = this.#of(topic, partition);
    for (const { nodeId, disk } of this.#brokers) {
      const directory = disk.tree.find(`${DATA}/${topic}-${partition}`);
      if (directory === undefined || !liveIds.includes(nodeId)) continue;
      answered.set(directory, Math.max(answered.get(directory) ?? 0, lowWatermark));
    }
  }

  /** ST5 of a cluster at rest: who counted for what was answered begins there or later, and nobody behind what was asked for. */
  check(topics: readonly ClusterTopic[], history: History): void {
    for (const { name, partitions, retentionBytes } of topics)
      for (let partition = 0; partition < partitions; partition++) {
        const { asked, answered } = this.#of(name, partition);
        for (const { context, name: broker, disk } of this.#brokers) {
          const log = context?.replicas.log(name, partition);
          if (log === undefined) continue;
          const { logStartOffset: start, highWatermark } = log;
          const most = retentionBytes < 0 ? asked : highWatermark;
          const place = `${name}-${partition} at ${broker}`;
          const directory = disk.tree.find(`${DATA}/${name}-${partition}`);
          const least = directory === undefined ? 0 : (answered.get(directory) ?? 0);
          ensure(start >= least, "ST5", () => `${place} begins at ${start}, deleted were records below ${least}`);
          ensure(start <= most, "ST5", () => `${place} begins at ${start}, and nobody may delete beyond ${most}`);
          // A reader may have met a log start that ended with the leader which had it, before it was answered.
          history.deletedBelow(name, partition, Math.max(start, asked));
        }
      }
  }

  #of(topic: string, partition: number): Deleted {
    const place = `${topic}-${partition}`;
    let deleted = this.#byPlace.get(place);
    if (deleted === undefined) {
      deleted = { asked: 0, answered: new Map() };
      this.#byPlace.set(place, deleted);
    }
    return deleted;
  }
}
