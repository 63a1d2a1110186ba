/**
 * An image as bytes: the content of snapshots (semantics 10.2). JSON with the version of its layout; partitions as short rows, their
 * lists left out where they are what they mostly are. A checksum is the store's business.
 *
 *     {"version":1,"clusterId":…,"directories":[directory id, …],"topics":[{…,"partitions":[row, …]}, …],…}
 *     row: [replicas, isr | 0 = replicas, elr | 0 = none, [[broker, slot in directories], …], leader, leader epoch, partition epoch,
 *           unclean epoch, 1 = is recovering, (only where they are reassigned) adding, removing]
 *
 * Version 0 knew of no reassignments and no draining: an image without them is still written so, for a node of the version before.
 */
import { NewerMetadata } from "./feature-level.ts";
import type { BrokerImage, ClusterImage, PartitionImage, TopicImage } from "./image.ts";
import { ListPool } from "./list-pool.ts";
import { isReassigning, isSameList } from "./partition-rules.ts";

const LAYOUT_VERSION = 1;
/** Of snapshots that this version reads. */
export const SNAPSHOT_VERSIONS = { oldest: 0, newest: LAYOUT_VERSION } as const;

type Row = [
  replicas: readonly number[],
  isr: readonly number[] | 0,
  elr: readonly number[] | 0,
  lastIsr: readonly (readonly [brokerId: number, directory: number])[],
  leaderId: number,
  leaderEpoch: number,
  partitionEpoch: number,
  uncleanEpoch: number,
  isRecovering: 0 | 1,
  adding?: readonly number[],
  removing?: readonly number[],
];

interface Layout {
  readonly version: number;
  readonly clusterId: string;
  readonly metadataOffset: number;
  readonly controllerId: number;
  readonly minIsrDefault: number | null;
  readonly nextProducerId: number;
  /** Of builds before: without `isDraining` or `metadataLevel`, perhaps. */
  readonly brokers: readonly (Omit<BrokerImage, "isDraining" | "metadataLevel"> & Partial<BrokerImage>)[];
  /** Absent: nothing was chosen by hand. */
  readonly voterChoices?: readonly (readonly [number, boolean])[];
  readonly clusterConfigs: Texts;
  readonly brokerConfigs: readonly (readonly [number, Texts])[];
  readonly directories: readonly string[];
  readonly topics: readonly (Omit<TopicImage, "overrides" | "partitions"> & {
    readonly overrides: Texts;
    readonly partitions: readonly Row[];
  })[];
  /** The last of them, oldest first. */
  readonly topicsDeleted: readonly string[];
}

type Texts = Readonly<Record<string, string>>;

export interface MetadataSnapshot {
  readonly image: ClusterImage;
  /** Ids of topics that were deleted: of their logs it is known that they may go. */
  readonly topicsDeleted: Iterable<string>;
}

export function encodeImage({ image, topicsDeleted }: MetadataSnapshot): Uint8Array {
  const slots = new Map<string, number>();
  const slotOf = (directoryId: string): number => {
    const slot = slots.get(directoryId) ?? slots.size;
    slots.set(directoryId, slot);
    return slot;
  };
  const topics = [...image.topics.values()].map((topic) => ({
    ...topic,
    overrides: Object.fromEntries(topic.overrides),
    partitions: topic.partitions.map((partition) => rowOf(partition, slotOf)),
  }));
  const layout: Layout = {
    version: isOfVersion0(image) ? 0 : LAYOUT_VERSION,
    clusterId: image.clusterId,
    metadataOffset: image.metadataOffset,
    controllerId: image.controllerId,
    minIsrDefault: image.minIsrDefault,
    nextProducerId: image.nextProducerId,
    voterChoices: [...image.voterChoices],
    brokers: [...image.brokers.values()],
    clusterConfigs: Object.fromEntries(image.configs.cluster),
    brokerConfigs: [...image.configs.brokers].map(([id, texts]) => [id, Object.fromEntries(texts)]),
    directories: [...slots.keys()],
    topics,
    topicsDeleted: [...topicsDeleted],
  };
  return Buffer.from(JSON.stringify(layout), "utf8");
}

function isOfVersion0({ brokers, topics }: ClusterImage): boolean {
  for (const { isDraining } of brokers.values()) if (isDraining) return false;
  for (const { partitions } of topics.values()) if (partitions.some(isReassigning)) return false;
  return true;
}

function rowOf(partition: PartitionImage, slotOf: (directoryId: string) => number): Row {
  const { replicas, isr, elr, lastIsr, leaderId, leaderEpoch, partitionEpoch, uncleanEpoch, isRecovering } = partition;
  const row: Row = [
    replicas,
    isSameList(isr, replicas) ? 0 : isr,
    elr.length === 0 ? 0 : elr,
    lastIsr.map(({ brokerId, directoryId }) => [brokerId, slotOf(directoryId)]),
    leaderId,
    leaderEpoch,
    partitionEpoch,
    uncleanEpoch,
    isRecovering ? 1 : 0,
  ];
  if (isReassigning(partition)) row.push(partition.addingReplicas, partition.removingReplicas);
  return row;
}

/** Throws NewerMetadata, a SyntaxError, when the bytes are of a later version than `encodeImage` writes. */
export function decodeImage(bytes: Uint8Array): MetadataSnapshot {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");
  const layout = JSON.parse(text) as Layout;
  if (layout.version !== SNAPSHOT_VERSIONS.oldest && layout.version !== LAYOUT_VERSION) {
    throw new NewerMetadata(
      `a metadata snapshot of version ${layout.version}, where this version reads 0 to ${LAYOUT_VERSION}`,
    );
  }
  const lists = new ListPool();
  const topics = layout.topics.map(
    (topic): TopicImage => ({
      ...topic,
      overrides: textsOf(topic.overrides),
      partitions: topic.partitions.map((row, partition) => partitionOf(row, partition, layout.directories, lists)),
    }),
  );
  const image: ClusterImage = {
    clusterId: layout.clusterId,
    metadataOffset: layout.metadataOffset,
    controllerId: layout.controllerId,
    minIsrDefault: layout.minIsrDefault,
    nextProducerId: layout.nextProducerId,
    brokers: new Map(
      layout.brokers.map((broker) => {
        const { brokerId, isDraining = false, metadataLevel = 0 } = broker;
        return [brokerId, { ...broker, isDraining, metadataLevel }];
      }),
    ),
    voterChoices: new Map(layout.voterChoices ?? []),
    configs: {
      cluster: textsOf(layout.clusterConfigs),
      brokers: new Map(layout.brokerConfigs.map(([id, texts]) => [id, textsOf(texts)])),
    },
    topics: new Map(topics.map((topic) => [topic.name, topic])),
    topicsById: new Map(topics.map((topic) => [topic.topicId, topic])),
  };
  return { image, topicsDeleted: layout.topicsDeleted };
}

function partitionOf(row: Row, partition: number, directories: readonly string[], lists: ListPool): PartitionImage {
  const [replicas, isr, elr, lastIsr, leaderId, leaderEpoch, partitionEpoch, uncleanEpoch, isRecovering] = row;
  const [adding = [], removing = []] = row.slice(9) as [adding?: number[], removing?: number[]];
  return {
    partition,
    replicas: lists.ids(replicas),
    addingReplicas: lists.ids(adding),
    removingReplicas: lists.ids(removing),
    isr: lists.ids(isr === 0 ? replicas : isr),
    elr: lists.ids(elr === 0 ? [] : elr),
    lastIsr: lists.directories(lastIsr.map(([brokerId, slot]) => ({ brokerId, directoryId: directories[slot] ?? "" }))),
    leaderId,
    leaderEpoch,
    partitionEpoch,
    uncleanEpoch,
    isRecovering: isRecovering === 1,
  };
}

function textsOf(texts: Texts): ReadonlyMap<string, string> {
  return new Map(Object.entries(texts));
}
