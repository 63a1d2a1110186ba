/**
 * Which metadata a build understands, as one number, as Kafka's metadata.version. Every broker tells its own when it registers, and the node that
 * decides writes no record that one of them could not read, whether that one is up or may come back: in a rolling upgrade what is new is
 * refused until the last broker is new (decision 0039). A broker that meets a record beyond it stops, and skips nothing: its image
 * would be another one than its peers'.
 *
 * Not here: calls between brokers, which have versions of their own (decision 0033).
 */
import type { ClusterImage } from "./image.ts";
import type { MetadataRecord } from "./records.ts";

/** Of this build. Raised by one with every record type, or field that may not be skipped, that the builds before do not know. */
export const METADATA_LEVEL = 1;

/** From which level on a record is understood; brokers that tell no level, as those of builds before there was one, are of level 0. */
const RECORD_LEVELS: Readonly<Record<MetadataRecord["type"], number>> = {
  clusterCreated: 0,
  termStarted: 0,
  brokerRegistered: 0,
  brokerChanged: 0,
  replicasDamaged: 0,
  topicCreated: 0,
  partitionCreated: 0,
  isrsChanged: 0,
  leadersChosen: 0,
  partitionReassigned: 0,
  brokerDraining: 0,
  brokerUnregistered: 0,
  topicDeleted: 0,
  configChanged: 0,
  voterChosen: 0,
  producerIdsAllocated: 0,
};

/** Metadata of a later build than this one. */
export class NewerMetadata extends SyntaxError {
  readonly code = "METADATA_TOO_NEW";

  constructor(what: string) {
    super(`${what}: a later version of Tidemark has written it, and this one must not go on without it`);
    this.name = "NewerMetadata";
  }
}

export function isKnownRecord(type: string): boolean {
  return Object.hasOwn(RECORD_LEVELS, type);
}

/** What a broker needs to understand all of these. */
export function levelOf(records: readonly MetadataRecord[]): number {
  let level = 0;
  for (const { type } of records) level = Math.max(level, RECORD_LEVELS[type]);
  return level;
}

/** Ids of the brokers that would not understand it. */
export function brokersBelow({ brokers }: ClusterImage, level: number): number[] {
  if (level === 0) return [];
  return [...brokers.values()].filter(({ metadataLevel }) => metadataLevel < level).map(({ brokerId }) => brokerId);
}
