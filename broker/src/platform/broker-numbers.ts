/** The numbers of one broker as the metric table reads them. The composition root makes them out of the broker's parts. */
import type { Histogram } from "../base/index.ts";
import type { Refusal } from "../ports/index.ts";

/** What went through one topic or through the broker since the start. */
export interface TrafficNumbers {
  readonly recordsIn: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly produceRequests: number;
  readonly produceRequestsFailed: number;
  readonly fetchRequests: number;
  readonly fetchRequestsFailed: number;
}

export interface BrokerTotals extends TrafficNumbers {
  readonly batchesIn: number;
  readonly duplicatesIn: number;
  readonly batchBytes: Histogram;
  /** Open now. */
  readonly produceStreams: number;
  readonly fetchStreams: number;
}

export interface TopicNumbers {
  readonly topic: string;
  /** Null: told by the controller, which is another node. */
  readonly partitionsCount: number | null;
  /** Null until a partition of it was led here. */
  readonly traffic: TrafficNumbers | null;
}

/** One partition with a replica on this broker. What only its leader knows is null elsewhere. */
export interface PartitionNumbers {
  readonly topic: string;
  readonly partition: number;
  /** -1 = none. */
  readonly leaderId: number;
  readonly preferredLeaderId: number;
  readonly replicasCount: number;
  readonly isrCount: number;
  /** One broker speaks for the partition as a whole: its leader, or while nobody leads the first replica that lives. */
  readonly isToldHere: boolean;
  readonly led: LedPartition | null;
  /** Of the replica here, led or not; null: it is not open. */
  readonly log: { readonly sizeBytes: number; readonly segmentCount: number } | null;
}

export interface LedPartition {
  readonly logStartOffset: number;
  readonly highWatermark: number;
  readonly effectiveMinIsr: number;
  readonly isDamaged: boolean;
  followerLags(): Iterable<FollowerLag>;
}

/** One replica of a partition that is led here, behind its leader. */
export interface FollowerLag {
  readonly brokerId: number;
  readonly records: number;
  /** Since it stood at the end of the log; 0: it stands there. */
  readonly seconds: number;
}

/** What the active controller knows of the whole cluster. */
export interface ClusterNumbers {
  readonly brokers: readonly BrokerInfo[];
  readonly fencedBrokersCount: number;
  readonly topicsCount: number;
  readonly partitionsCount: number;
  readonly offlinePartitionsCount: number;
  /** Partitions that the first replica of their assignment does not lead. */
  readonly strayLeadersCount: number;
}

export interface RequestNumbers {
  readonly api: string;
  readonly listener: string;
  /** Seconds. */
  readonly durations: Histogram;
  readonly queue: Histogram;
  readonly handler: Histogram;
  readonly remote: Histogram;
  readonly response: Histogram;
  /** Bytes. */
  readonly sizes: Histogram;
}

export interface BrokerInfo {
  readonly id: number;
  readonly address: string;
}

/** The metadata log as this node sees it. */
export interface RaftNumbers {
  readonly role: "leader" | "follower" | "candidate" | "learner";
  readonly term: number;
  /** -1 = none known. */
  readonly leaderId: number;
  /** In this term; -1 = nobody. */
  readonly votedFor: number;
  readonly leaderChanges: number;
  /** Indexes, 1-based. */
  readonly committedIndex: number;
  readonly lastIndex: number;
  readonly recordsAppended: number;
  readonly snapshotBytes: number;
  /** Seconds from handing entries to the disk until they are safe there. */
  readonly appendDurations: Histogram;
  /** Seconds from the proposal of an entry here to its commit. */
  readonly commitDurations: Histogram;
}

export interface BrokerNumbers {
  readonly version: string;
  readonly nodeVersion: string;
  readonly nodeId: number;
  /** `tidemark.metrics.partitions.max`. */
  readonly summaryPartitionsMax: number;
  totals(): BrokerTotals;
  topics(): Iterable<TopicNumbers>;
  partitions(): Iterable<PartitionNumbers>;
  /** Null: another node is the controller, or none is. */
  cluster(): ClusterNumbers | null;
  /** Leaders that this node has chosen as controller although they might lack what was acknowledged. */
  uncleanElectionsCount(): number;
  /** Open connections of each listener. */
  connections(): Iterable<readonly [listener: string, count: number]>;
  /** Connections that had to wait because of the creation rate, since the start. */
  delayedConnections(): Iterable<readonly [listener: string, count: number]>;
  refusals(): Iterable<readonly [listener: string, refusal: Refusal]>;
  requests(): Iterable<RequestNumbers>;
  slowRequestsCount(): number;
  /** Requests read and neither appended nor refused. */
  queued(): { readonly requests: number; readonly bytes: number };
  /** Bytes of messages that have begun and are not whole, of each listener. */
  unfinishedBytes(): Iterable<readonly [listener: string, bytes: number]>;
  /** Null before the log directory is open. */
  syncDurations(): Histogram | null;
  /** Null when the disk does not tell. */
  diskFreeBytes(): number | null;
  diskTotalBytes(): number | null;
  /** How often the ISR of a partition that is led here lost, or won, members. */
  isrChanges(): { readonly shrinks: number; readonly expands: number };
  /** Bad bits in replicas here (15.7): replicas that have some, how often some were found in use, and were repaired. */
  damage(): { readonly replicas: number; readonly found: number; readonly repaired: number };
  /** Records that the replica here lacks which is furthest behind its leader. */
  followerLagMax(): number;
  /** No room but the reserve: appends are refused. */
  isDiskFull(): boolean;
  /** The metadata store takes no writes until there is room. */
  isMetadataSuspended(): boolean;
  offlineLogDirectoriesCount(): number;
  /** Null before the metadata is replayed. */
  raft(): RaftNumbers | null;
}

/** What the process measures of itself. */
export interface ProcessNumbers {
  /** Seconds of CPU since the process began. */
  cpu(): { readonly user: number; readonly system: number };
  /** Share of the last while in which the event loop waited for something to do; 0 to 1. */
  idleShare(): number;
  /** Seconds by which a timer came late. */
  loopDelays(): Histogram;
  /** A value per second, over the last while, of a count that only grows; null while nothing can be said. */
  rateOf(name: string, count: number): number | null;
}
