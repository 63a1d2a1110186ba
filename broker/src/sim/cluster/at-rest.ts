/** What holds of a cluster that is whole and has come to rest: its replicas are in sync, and byte for byte the same. */
import { type ClusterImage, isReassigning } from "../../metadata/index.ts";
import { ensure } from "../violation.ts";
import { type ClusterBroker, DATA } from "./cluster-broker.ts";
import { batchesOf, firstDifference, logStartOf, segmentsOf } from "./replica-files.ts";
import type { ClusterTopic } from "./run-options.ts";

/** As the broker that is furthest has applied it. */
export function newestImage(brokers: readonly ClusterBroker[]): ClusterImage | null {
  let newest: ClusterImage | null = null;
  for (const { context } of brokers) {
    const image = context?.image() ?? null;
    if (image !== null && image.metadataOffset > (newest?.metadataOffset ?? -1)) newest = image;
  }
  return newest;
}

export function isOutOfSync(
  brokers: readonly ClusterBroker[],
  topics: readonly ClusterTopic[],
  { topic: name, partition }: { readonly topic: string; readonly partition: number },
): boolean {
  const topic = topics.find((each) => each.name === name);
  return topic !== undefined && partitionOutOfSync(brokers, topic, partition, newestImage(brokers)) !== null;
}

/** In words; null: every replica is in the ISR and ends where its leader does, all of it is committed, and none moves. */
export function outOfSync(brokers: readonly ClusterBroker[], topics: readonly ClusterTopic[]): string | null {
  const image = newestImage(brokers);
  for (const topic of topics) {
    for (let partition = 0; partition < topic.partitions; partition++) {
      const why = partitionOutOfSync(brokers, topic, partition, image);
      if (why !== null) return `${topic.name}-${partition}: ${why}`;
    }
  }
  return null;
}

function partitionOutOfSync(
  brokers: readonly ClusterBroker[],
  { name, replicationFactor }: ClusterTopic,
  partition: number,
  metadata: ClusterImage | null,
): string | null {
  const image = metadata?.topics.get(name)?.partitions[partition];
  if (image === undefined) return "nobody knows it";
  if (isReassigning(image))
    return `it moves: replicas ${image.replicas.join()}, isr ${image.isr.join()}, leader ${image.leaderId}`;
  const leader = brokers.find(({ nodeId }) => nodeId === image.leaderId);
  const led = leader?.context?.replicas.find(name, partition);
  if (led === undefined) return `broker ${image.leaderId} does not lead it`;
  if (led.isr.length !== replicationFactor) return `the ISR is ${led.isr.join()} of ${image.replicas.join()}`;
  if (led.highWatermark !== led.logEndOffset)
    return `the high watermark is ${led.highWatermark} of ${led.logEndOffset}`;
  const holders = brokers.filter(({ disk }) => disk.tree.find(`${DATA}/${name}-${partition}`) !== undefined);
  if (holders.length !== replicationFactor)
    return `it stands on the disks of ${holders.map((broker) => broker.name).join()}`;
  for (const { context, name: broker } of brokers) {
    const log = context?.replicas.log(name, partition);
    if (log === undefined) continue;
    if (log.logEndOffset !== led.logEndOffset)
      return `${broker} ends at ${log.logEndOffset}, its leader at ${led.logEndOffset}`;
    if (log.highWatermark !== led.highWatermark) return `${broker} has the high watermark ${log.highWatermark}`;
  }
  return null;
}

/** RE4: byte by byte, as the files hold them from the log start on. Answers the batches that were compared. */
export function compareReplicas(brokers: readonly ClusterBroker[], topics: readonly ClusterTopic[]): number {
  let compared = 0;
  for (const { name, partitions, replicationFactor } of topics) {
    for (let partition = 0; partition < partitions; partition++) {
      const directory = `${DATA}/${name}-${partition}`;
      const replicas = brokers
        .filter(({ disk }) => disk.tree.find(directory) !== undefined)
        .map((broker) => {
          const logStart = logStartOf(broker.disk, DATA, name, partition);
          const batches = batchesOf(broker.disk, directory, logStart);
          // One that is empty begins somewhere all the same.
          const from = batches[0]?.baseOffset ?? Math.max(logStart, segmentsOf(broker.disk, directory)[0]?.base ?? 0);
          return { broker, batches, from };
        });
      ensure(replicas.length === replicationFactor, "RE4", () => `${directory} stands on ${replicas.length} disks`);
      const [first, ...others] = replicas;
      if (first === undefined) continue;
      compared += first.batches.length;
      for (const { broker, batches, from: ownFrom } of others) {
        const from = Math.max(first.from, ownFrom);
        const difference = firstDifference(
          first.batches.filter(({ baseOffset }) => baseOffset >= from),
          batches.filter(({ baseOffset }) => baseOffset >= from),
        );
        ensure(
          difference === null,
          "RE4",
          () => `${directory} of ${first.broker.name} and of ${broker.name} from ${from}: ${difference}`,
        );
      }
    }
  }
  return compared;
}
