/**
 * Metadata records: the only thing about the cluster that is stored, and what an image is replayed from. They are kept
 * as JSON, one array of records per entry, with the version of their layout, and when they were proposed by the clock of the node that
 * decided (Unix ms; entries of older versions do not say):
 *
 *     {"version":0,"at":1767225600000,"records":[{"type":"topicCreated",...},...]}
 *
 * The time is told to people, and nothing is decided by it.
 * A checksum is the store's business. A record of an unknown type or version is refused: applying half of an entry would
 * make this node's image another one than its peers'.
 */
import type { Listener } from "../config/index.ts";
import type { TopicPartitions } from "./broker-requests.ts";
import { isKnownRecord, NewerMetadata } from "./feature-level.ts";
import type { BrokerImage, PartitionImage } from "./image.ts";

export type MetadataRecord =
  /** The first record of all. */
  | { readonly type: "clusterCreated"; readonly clusterId: string }
  /** First record of a term: whose commands follow, and what its file says where nothing was set for the cluster. */
  | {
      readonly type: "termStarted";
      readonly term: number;
      readonly controllerId: number;
      readonly minIsrDefault: number | null;
    }
  /**
   * A new incarnation. In every partition with a replica on the broker, what `afterRegistration` says follows from it: one record,
   * whatever the broker hosts.
   */
  | {
      readonly type: "brokerRegistered";
      readonly brokerId: number;
      readonly brokerEpoch: number;
      readonly incarnationId: string;
      readonly directoryId: string;
      readonly listeners: readonly Listener[];
      readonly rack: string | null;
      readonly host: string | null;
      readonly isFenced: boolean;
      /** It may have lost records since its last registration. */
      readonly isUnclean: boolean;
      readonly damaged: readonly TopicPartitions[];
      /** The metadata that it understands (feature-level.ts); builds before told none. */
      readonly metadataLevel?: number;
    }
  /** What is named has this value now. For its partitions, what `afterBrokerChange` says follows. */
  | ({ readonly type: "brokerChanged"; readonly brokerId: number } & Partial<BrokerState>)
  /** Found while the broker runs; replicas that nobody else could stand in for are not named (`afterDamage`). */
  | { readonly type: "replicasDamaged"; readonly brokerId: number; readonly damaged: readonly TopicPartitions[] }
  | {
      readonly type: "topicCreated";
      readonly topicId: string;
      readonly name: string;
      readonly internal: boolean;
      readonly overrides: Readonly<Record<string, string>>;
      /** Of the request that asked for it. */
      readonly creationId?: string;
    }
  /** Follows its topic's record; partitions come in order from 0. */
  | {
      readonly type: "partitionCreated";
      readonly topicId: string;
      readonly partition: number;
      readonly replicas: readonly number[];
      readonly isr: readonly number[];
      readonly leaderId: number;
    }
  /**
   * What leaders proposed, and was accepted (7(6)): of each of these partitions so many of its replicas are in sync from here on, by
   * id; the leader stays. ELR and last ISR follow (9(5)), and partitionEpoch is one more, also where the ISR is the one that was.
   */
  | {
      readonly type: "isrsChanged";
      readonly isr: readonly number[];
      readonly isRecovering: boolean;
      readonly partitions: readonly TopicPartitions[];
    }
  /** This broker leads these from here on: out of the ISR, by the longest log of the last ISR, or uncleanly (9(1), 9(3)). */
  | {
      readonly type: "leadersChosen";
      readonly leaderId: number;
      readonly choice: LeaderChoice;
      readonly partitions: readonly TopicPartitions[];
    }
  /**
   * A reassignment begins, is replaced, or is cancelled (both lists empty). Where its target is in sync it is over at once
   * (`asChanged`), as it is with whatever change brings the last target into the ISR.
   */
  | ({ readonly type: "partitionReassigned"; readonly topicId: string; readonly partition: number } & ReplicaLists)
  /** An operator takes the broker out of service, or back into it. */
  | { readonly type: "brokerDraining"; readonly brokerId: number; readonly isDraining: boolean }
  /** It has no replicas and is fenced: the cluster forgets it. */
  | { readonly type: "brokerUnregistered"; readonly brokerId: number }
  | { readonly type: "topicDeleted"; readonly topicId: string }
  /**
   * What becomes of one resource's texts: these are set, those are gone. Where that changes the effective min ISR, ELR and last ISR
   * are worked out again (9(5)).
   */
  | {
      readonly type: "configChanged";
      readonly owner: ConfigOwner;
      readonly set: Readonly<Record<string, string>>;
      readonly unset: readonly string[];
    }
  /** An operator has given this node a vote on the metadata, or taken it away; his word stands above every node's configuration. */
  | { readonly type: "voterChosen"; readonly nodeId: number; readonly isVoter: boolean }
  | {
      readonly type: "producerIdsAllocated";
      readonly brokerId: number;
      readonly brokerEpoch: number;
      readonly firstId: number;
      readonly count: number;
    };

export type BrokerState = Pick<BrokerImage, "isFenced" | "isShuttingDown" | "isFull" | "isOffline">;

export type ReplicaLists = Pick<PartitionImage, "replicas" | "addingReplicas" | "removingReplicas">;

export type LeaderChoice = "inSync" | "lastIsr" | "unclean";

/** Whose settings. A topic by its id: one made anew under the name starts without. */
export type ConfigOwner =
  | { readonly type: "topic"; readonly topicId: string }
  | { readonly type: "broker"; readonly brokerId: number }
  | { readonly type: "cluster" };

const LAYOUT_VERSION = 0;
/** Of entries that this version reads; it writes the newest. */
export const RECORD_VERSIONS = { oldest: LAYOUT_VERSION, newest: LAYOUT_VERSION } as const;

/** One entry of the log: its records, and when they were proposed, in Unix ms; null = it does not say. */
export interface MetadataEntry {
  readonly at: number | null;
  readonly records: readonly MetadataRecord[];
}

/** In memory of its own: an entry stays for long, and a piece of Node's pool would keep the 8 KiB that it was cut from. */
export function encodeRecords(records: readonly MetadataRecord[], at?: number): Uint8Array {
  return new TextEncoder().encode(JSON.stringify({ version: LAYOUT_VERSION, at, records }));
}

/**
 * An entry as `encodeRecords` of this version writes it. Throws NewerMetadata, a SyntaxError, when it is of a newer version: the checksum
 * of the bytes was good.
 */
export function decodeEntry(bytes: Uint8Array): MetadataEntry {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");
  const { version, at = null, records } = JSON.parse(text) as { version: number } & Partial<MetadataEntry>;
  if (version !== LAYOUT_VERSION || records === undefined) {
    throw new NewerMetadata(`a metadata entry of version ${version}, where this version reads ${LAYOUT_VERSION}`);
  }
  const unknown = records.find(({ type }) => !isKnownRecord(type));
  if (unknown !== undefined) throw new NewerMetadata(`a metadata record of the unknown type ${unknown.type}`);
  return { at, records };
}

export function decodeRecords(bytes: Uint8Array): readonly MetadataRecord[] {
  return decodeEntry(bytes).records;
}
