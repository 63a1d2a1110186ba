/**
 * The shapes that users of the SDK see: records, topics, options, results. Their meaning is the contract of this package;
 * what is not built has no shape here.
 *
 * Offsets, sizes and milliseconds are plain numbers; an offset is a safe integer (below 2^53).
 */
import type { ShownEvent } from "@tidemark/proto";
import type { Duration } from "./duration.ts";
import type { BrokerError } from "./errors.ts";

export type { Duration } from "./duration.ts";

export type Bytes = Uint8Array;
/** Place of a record in its partition, from 0. */
export type Offset = number;
export type Headers = Iterable<readonly [name: string, value: Bytes | string | null]>;

export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

/** What every call that may take long accepts. */
export interface CallOptions {
  /** Ends the call with ABORTED. */
  signal?: AbortSignal;
  /** Ends the call with TIMEOUT. */
  timeout?: Duration;
}

/** Of `send`: compare-and-append (semantics 15.5). The record must name its partition, and `acks` must not be "none". */
export interface SendOptions extends CallOptions {
  /** The record is written only as the one with this offset; anything else in its place, and the call ends with ExpectedOffsetError. */
  expectedOffset?: Offset;
  /** With `expectedOffset`: only by the leader of this epoch. FENCED_LEADER_EPOCH says that another one leads by now. */
  expectedLeaderEpoch?: number;
}

// ---- codecs and topics

export interface CodecContext {
  topic: string;
  part: "key" | "value";
  headers: RecordHeaders;
}

/** Turns values into bytes and back. Either way may be asynchronous; `enqueue` takes synchronous ones only. */
export interface Codec<T> {
  /** Media type, for people and tools. */
  readonly contentType?: string;
  encode(value: T, context: CodecContext): Bytes | null | Promise<Bytes | null>;
  decode(bytes: Bytes | null, context: CodecContext): T | Promise<T>;
}

/** What zod 4, valibot and arktype schemas offer (https://standardschema.dev). */
export interface StandardSchema<T> {
  readonly "~standard": {
    readonly validate: (value: unknown) => unknown;
    readonly types?: { readonly output: T } | undefined;
  };
}

/** A topic's name with the codecs of its keys and values. Make it once and keep it. */
export interface TopicDef<K, V> {
  readonly name: string;
  readonly key: Codec<K>;
  readonly value: Codec<V>;
}

// ---- records

export interface RecordHeaders extends Iterable<readonly [string, Bytes | null]> {
  /** The last value under `name`; undefined when there is no such header. */
  get(name: string): Bytes | null | undefined;
  /** The last value under `name`, as UTF-8. */
  getString(name: string): string | undefined;
  /** All values under `name`, in order. */
  getAll(name: string): (Bytes | null)[];
}

/** A record as it was read. Key, value and headers are views of the batch they came in: copy what is kept for long. */
export interface ConsumerRecord<K = Bytes | null, V = Bytes | null> extends TopicPartition {
  readonly offset: Offset;
  /** Epoch of the leader that appended the record. */
  readonly leaderEpoch: number;
  /** Unix ms. */
  readonly timestamp: number;
  /** Whose clock `timestamp` is: the producer's, or the broker's at the append. */
  readonly timestampType: "create" | "append";
  readonly key: K;
  readonly value: V;
  readonly headers: RecordHeaders;
  /** Key and value before their codecs. */
  readonly raw: { key: Bytes | null; value: Bytes | null };
  /** 1 at the first delivery. */
  readonly deliveryAttempt: number;
}

export interface ProducerRecord<K, V> {
  key?: K;
  /** null is a tombstone: under compaction it deletes its key. */
  value: V | null;
  /** Chosen by the partitioner when absent. */
  partition?: number;
  /** Unix ms; now when absent. */
  timestamp?: number | Date;
  headers?: Headers | Readonly<{ [name: string]: string | Bytes | null }>;
}

// ---- client

export interface ClientOptions {
  /** "host:port", several of them, or a list of them with commas: where to begin. The cluster names the rest. */
  brokers: string | readonly string[];
  /** Appears in the brokers' logs and metrics. */
  clientId?: string;
  tls?: boolean | TlsOptions;
  retry?: RetryPolicy;
  /** connect 10 s, request 30 s, delivery 120 s. */
  timeouts?: { connect?: Duration; request?: Duration; delivery?: Duration };
  logger?: Logger;
}

export interface TlsOptions {
  ca?: string | Buffer;
  cert?: string | Buffer;
  key?: string | Buffer;
  /** The name that the broker's certificate must have, where it is not the host of the address. */
  serverName?: string;
  rejectUnauthorized?: boolean;
}

export interface RetryPolicy {
  /** 50 ms. */
  initialDelay?: Duration;
  /** 1 s. */
  maxDelay?: Duration;
  /** Share of a delay that is left to chance: 0.2. */
  jitter?: number;
  /** How long one call is tried: 30 s. Records have `timeouts.delivery` instead. */
  budget?: Duration;
}

export interface Logger {
  debug(fields: object, message?: string): void;
  info(fields: object, message?: string): void;
  warn(fields: object, message?: string): void;
  error(fields: object, message?: string): void;
}

export interface ClusterInfo {
  clusterId: string;
  /** -1 while none is known. */
  controllerId: number;
  brokers: BrokerInfo[];
}

export interface BrokerInfo {
  id: number;
  host: string;
  port: number;
  rack?: string;
  alive: boolean;
}

/** What the metadata says of the cluster. */
export interface ClusterDescription extends ClusterInfo {
  /** Index of the last metadata entry that the broker which answered has applied. */
  metadataOffset: number;
  /** For so long that broker has known no controller, and all this may be older than that; null: it knows one. */
  staleMs: number | null;
  brokers: BrokerDescription[];
}

export interface BrokerDescription extends BrokerInfo {
  /** Its session is over: it leads nothing and is in no ISR. The opposite of `alive`. */
  fenced: boolean;
  /** In a controlled shutdown. */
  shuttingDown: boolean;
  /** No room on its disk but the reserve: it takes no records. */
  full: boolean;
  /** Its log directory failed. */
  offline: boolean;
  /** It is to be emptied: it gets no new replicas, and leads only what nobody else may. */
  draining: boolean;
  /** The machine that it shares with other brokers, below the rack. */
  machine?: string;
  /** Grows with each start of the broker. */
  epoch: number;
  /** Partitions that it leads. */
  leaders: number;
  /** Partitions that it has a replica of. */
  replicas: number;
  /** Null where it was not asked, or did not answer. */
  version: string | null;
}

/** A format or protocol that the brokers of a cluster share. */
export interface ClusterFeature {
  name: string;
  /** The newest version that all brokers know which were heard; null: there is none. */
  inUse: number | null;
  /** By broker id. */
  brokers: FeatureSupport[];
}

export interface FeatureSupport {
  broker: number;
  /** Versions that it knows, both included; null: it did not answer, or is too old to say. */
  oldest: number | null;
  newest: number | null;
}

/** The replicated log of the metadata. */
export interface RaftStatus {
  leader: number | null;
  term: number;
  /** Index of the last entry that the cluster has agreed on. */
  commitIndex: number;
  /** Voters, then learners: every other broker. */
  nodes: RaftNode[];
}

/** What a node says of itself is null where it did not answer, what its leader says of it where there is none. */
export interface RaftNode {
  id: number;
  /** 22 characters; a node whose disk was emptied has another one, and is another voter. Null: not known. */
  directoryId: string | null;
  role: "leader" | "follower" | "candidate" | "learner" | "unknown";
  voter: boolean;
  term: number | null;
  /** What it holds on its disk, as the leader knows. */
  matchIndex: number | null;
  /** Entries that it lacks of the leader's log. */
  lag: number | null;
  /** Since the leader last heard of it. */
  lastContactMs: number | null;
  commitIndex: number | null;
  appliedIndex: number | null;
  /** Of its log, committed or not. */
  lastIndex: number | null;
  /** It has no room to store entries. */
  suspended: boolean;
}

/** A stretch of the metadata log, as one broker holds it. */
export interface RaftLogPage {
  /** Whose log it is. */
  broker: number;
  /** Of the oldest entry that is kept; what is below is in the snapshot. */
  firstIndex: number;
  lastIndex: number;
  /** Entries above it may still be replaced. */
  commitIndex: number;
  /** The last entry that the newest snapshot contains. */
  snapshot: { index: number; term: number };
  /** Without a gap. */
  entries: RaftLogEntry[];
}

export interface RaftLogEntry {
  index: number;
  term: number;
  /** leaderStart is the first entry of a leader, voters the complete list of who votes. */
  kind: "command" | "leaderStart" | "voters";
  committed: boolean;
  /** Of a command: the leader's clock when it was proposed, Unix ms; null: not known. */
  at: number | null;
  /** Of a command. */
  bytes: number;
  /** Of a command: what became of the cluster, each with its `type`. */
  records: Readonly<Record<string, unknown>>[];
  /** Further records, which do not fit into an answer. */
  recordsLeftOut: number;
  /** Of an entry that changes them. */
  voters: { id: number; directoryId: string }[] | null;
}

/** A broker's newest snapshot of the metadata. */
export interface RaftSnapshot {
  broker: number;
  /** The last entry that it contains. */
  index: number;
  term: number;
  bytes: number;
}

export type RecordOf<D> = D extends TopicDef<infer K, infer V> ? ConsumerRecord<K, V> : never;

// ---- producer

export interface ProducerOptions {
  /** Who must have a record before it counts as sent: "all" in-sync replicas (default), the leader, or nobody. */
  acks?: "all" | "leader" | "none";
  /** Retries neither double nor reorder records. Default: with acks "all". It needs acks "all". */
  idempotent?: boolean;
  /** How long a batch waits for company. Default: adaptive, 0 while the partition is idle, at most 5 ms. */
  linger?: Duration;
  /** Size, before compression, at which a batch is full: 128 KiB. One record may be larger. */
  batchBytes?: number;
  /** What may wait in memory, encoded and before compression: 32 MiB. */
  maxBuffered?: { bytes: number };
  /** Batches of one partition that are on their way at once: 1 to 5, default 5. */
  maxInFlight?: number;
  compression?: "none" | "gzip" | "snappy" | "lz4" | "zstd";
  /** From the moment a record is taken to its failure, all retries included: 120 s. */
  deliveryTimeout?: Duration;
  /** "default": records with a key by murmur2 as Kafka's Java clients do, others batch by batch in turn. */
  partitioner?:
    | "default"
    | "round-robin"
    | ((record: { topic: string; key: Bytes | null; value: Bytes | null; partitions: readonly number[] }) => number);
}

export interface RecordMetadata extends TopicPartition {
  /** -1 with acks "none". */
  readonly offset: Offset;
  /** Unix ms; the broker's clock where the topic keeps that. */
  readonly timestamp: number;
  /** The record was in the log already: an earlier attempt had got through. */
  readonly duplicate: boolean;
}

export interface BatchResult {
  /** In the order of the input. */
  readonly ok: readonly RecordMetadata[];
  /** In the order of the input; `index` is the place in it. */
  readonly failed: readonly { index: number; error: BrokerError }[];
  /** Throws the first error, if there is one. */
  throwIfFailed(): this;
}

// ---- reader

/** A reader has no group and commits nothing. */
export interface ReaderOptions {
  /** Default "all", or those that `from` names when it is a map. "all" without `to`, followed: also those that are added later, from their beginning. */
  partitions?: readonly number[] | "all";
  /** First offset to read; a Date: the first record at or after it. Default "earliest", as for what a map leaves out. */
  from?: Offset | "earliest" | "latest" | Date | ReadonlyMap<number, Offset>;
  /** First offset not to read, or "end": the end of the log when the reader starts. */
  to?: Offset | "end" | Date | ReadonlyMap<number, Offset>;
  /** Wait for records that are not there yet: for ever, or until `to`. Default false: end where the log ended at the start. */
  follow?: boolean;
  isolation?: "read_committed" | "read_uncommitted";
  /** What may be read ahead: 8 MiB, and as many records as fit. One batch may go beyond. */
  prefetch?: { records?: number; bytes?: number };
  signal?: AbortSignal;
  /** Records in all, over all partitions. */
  limit?: number;
}

// ---- admin

export interface TopicSpec {
  name: string;
  /** The broker's default when absent. */
  partitions?: number;
  /** Replication factor; the broker's default when absent. */
  replicas?: number;
  /** Broker ids per partition, instead of `partitions` and `replicas`. */
  assignment?: readonly (readonly number[])[];
  config?: { [key: string]: string };
}

export interface TopicSummary {
  name: string;
  partitions: number;
  replicas: number;
  internal: boolean;
  /** On disk, all partitions, one replica each. */
  bytes: number;
}

export interface TopicDescription extends TopicSummary {
  /** 22 characters. A topic made anew under an old name has another one. */
  id: string;
  config: ConfigEntry[];
  detail: PartitionDetail[];
}

/** Offsets are those of the leader; -1 while there is none, or where it does not answer. */
export interface PartitionDetail {
  partition: number;
  leader: number | null;
  leaderEpoch: number;
  /** In order of preference. */
  replicas: number[];
  isr: number[];
  /** Eligible leader replicas: left the ISR below min.insync.replicas, and have all that is committed. */
  elr: number[];
  /** Whose logs are compared when nobody is eligible, with the directories that held them. */
  lastIsr: { broker: number; directoryId: string }[];
  /** min.insync.replicas as it is in force: at most the number of replicas. */
  minIsr: number;
  /** From an unclean choice of the leader until it has recovered. */
  recovering: boolean;
  /** Of `replicas`, those that a reassignment adds: they copy, and are not in sync yet. */
  adding: number[];
  /** Of `replicas`, those that it lets go of when all others are in sync. */
  removing: number[];
  /** Replicas whose bytes were found bad, until they are whole and in sync again. */
  damaged: number[];
  start: Offset;
  highWatermark: Offset;
  lastStable: Offset;
  /** First offset that no record has, committed or not. */
  end: Offset;
  /** On disk, of the leader's replica. */
  bytes: number;
  /** What is wrong with it; empty: nothing. */
  troubles: PartitionTrouble[];
}

export type PartitionTrouble =
  | "leaderless"
  /** It has a leader that did not answer, or has its log not open. */
  | "leader-silent"
  /** acks=all is refused. */
  | "under-min-isr"
  | "under-replicated"
  | "recovering"
  /** Bytes of a replica were found bad; it is repaired from the others where there are any. */
  | "damaged";

export type PartitionDescription = TopicPartition & PartitionDetail;

/** What became of comparing the replicas of a partition. */
export interface VerifiedPartition extends TopicPartition {
  readonly leader: number;
  /** Compared from here, which all replicas have, up to what was committed when it began. */
  readonly start: Offset;
  readonly end: Offset;
  /** In the order of the assignment. */
  readonly replicas: readonly ReplicaVerdict[];
}

export interface ReplicaVerdict {
  readonly broker: number;
  /**
   * `behind`: the same as far as it goes. `damaged`: its bytes do not match their own checksum. `different`: whole, and not what the
   * leader has, or, where that is damaged, another replica. `silent`: it did not answer.
   */
  readonly verdict: "same" | "behind" | "damaged" | "different" | "silent";
  /** Up to here it is the leader's; what lies there is damaged or different. */
  readonly offset: Offset;
  /** Empty where it is the same. */
  readonly message: string;
}

/** A partition and the brokers that shall have a replica of it, the preferred leader first. */
export interface PartitionAssignment extends TopicPartition {
  readonly replicas: readonly number[];
}

/** Assignments, each partition once; as a map from `topic:partition` too. */
export type ReassignmentPlan = Iterable<PartitionAssignment> | ReadonlyMap<string, readonly number[]>;

/** What a plan is to bring about. Replicas that need not move stay where they are. */
export type ReassignmentGoal =
  /** These brokers, and those that are being drained, have no replica any more. */
  | { drain: number | readonly number[] }
  /** The partitions of these topics are on these brokers, and evenly. */
  | { topics: readonly string[]; brokers: readonly number[] }
  /** Brokers have as many replicas as each other, those that are being drained none: of these topics, or of all. */
  | { balance: true; topics?: readonly string[] }
  /** Just this: what of it is to be done still. */
  | { assignments: ReassignmentPlan };

/** One partition of a plan. */
export interface PartitionMove extends PartitionAssignment {
  /** Where it is, or is on its way to. */
  readonly current: readonly number[];
  /** Of `replicas`, those that have to copy it. */
  readonly adding: readonly number[];
  /** Of `current`, those that let go of it. */
  readonly removing: readonly number[];
  /** What is copied, to all of them; null where its leader did not say. */
  readonly bytes: number | null;
}

/** A move under way. */
export interface Reassignment extends TopicPartition {
  /** As they will be, the preferred leader first. */
  replicas: number[];
  adding: number[];
  removing: number[];
  /** How far each added replica is, where that was asked for. */
  copies: ReplicaCopy[];
}

export interface ReplicaCopy {
  broker: number;
  /** What it has; null where its broker did not say. */
  bytes: number | null;
  /** What its leader has; null where that did not say. */
  ofBytes: number | null;
}

/** Whose settings. */
export type ConfigResource =
  | { type: "topic"; name: string }
  | { type: "broker"; id: number }
  /** What all brokers have that have nothing of their own. */
  | { type: "cluster" };

/** The layer that a value comes from: built in, the broker's file or environment, set for the cluster, a broker, a topic. */
export type ConfigSource = "default" | "static" | "cluster" | "broker" | "topic";

export interface ConfigEntry {
  name: string;
  /** As the broker would write it, without units; null where it is secret or not set. */
  value: string | null;
  source: ConfigSource;
  sensitive: boolean;
  /** Only a restart with another file or environment changes it. */
  readOnly: boolean;
  doc?: string;
  /** int, long, double, boolean, string, list or listeners. */
  type: string;
  /**
   * Where a running cluster takes a new value: nowhere, for one broker, for the cluster and for one broker, for the cluster only;
   * "topic": for this topic.
   */
  updateMode: "read-only" | "per-broker" | "cluster-wide" | "cluster-only" | "topic";
  /** What whoever set this value should know, such as that it has no effect yet. */
  note?: string;
  /** Every layer that has a value, the one in force first. Empty in the description of a topic. */
  synonyms: { name: string; value: string | null; source: ConfigSource }[];
}

/** By key. A key stands in one of them. */
export interface ConfigChanges {
  set?: { [key: string]: string };
  delete?: readonly string[];
  append?: { [key: string]: string };
  subtract?: { [key: string]: string };
}

export interface HealthTrouble {
  /**
   * quorum-lost, no-controller, metadata-full, disk-full, directory-offline, damaged, broker-down, broker-unreachable, broker-silent,
   * log-not-open, leaderless, under-min-isr, under-replicated; other: of a broker of another version.
   */
  code: string;
  text: string;
  /** That it is about; null: none in particular. */
  broker: number | null;
}

export interface HealthReport {
  healthy: boolean;
  /** The first of `reasons`; null: nothing is wrong. */
  cause: string | null;
  /** One sentence for each thing that is wrong, causes before what follows from them. */
  reasons: string[];
  /** The same for programs, in the same order. */
  troubles: HealthTrouble[];
  controller: number | null;
  brokersDown: number[];
  leaderless: TopicPartition[];
  underReplicated: TopicPartition[];
  underMinIsr: TopicPartition[];
  /** Recover from an unclean choice of their leader; that passes, and is no reason. */
  recovering: TopicPartition[];
}

/** Where a watch of the cluster begins, and whether it goes on. */
export interface WatchOptions {
  /**
   * The first metadata offset whose events are wanted; "earliest": all that a broker still has. Default "latest": from now on. A program
   * that goes on after a restart names the offset behind the last event that it has seen.
   */
  from?: Offset | "earliest" | "latest";
  /** Events that are not older, instead of `from`. */
  since?: Duration;
  /** Default true: wait for what comes. Else it ends behind what there is. */
  follow?: boolean;
  signal?: AbortSignal;
}

/** How far back what happened to the cluster is looked at. */
export interface HistoryOptions extends CallOptions {
  /** The first metadata offset whose events are wanted. Default "earliest": all that any broker still has. */
  from?: Offset | "earliest";
  /** Events that are not older, instead of `from`. */
  since?: Duration;
}

export interface ClusterHistory {
  /** By offset, each once, from whichever broker has them; what none has any more is in gaps. */
  events: ClusterEvent[];
  /** A watch from there on goes on behind them. */
  nextOffset: Offset;
  /** Brokers that did not tell, and why. */
  silent: { broker: number; message: string }[];
}

/**
 * Something that happened to the cluster, told by its metadata log: in its order, and the same by every broker. Several may have one
 * offset: they happened together.
 */
export type ClusterEvent = {
  metadataOffset: Offset;
  /** Unix time in ms by the controller's clock; null where that is not known. */
  at: number | null;
} & ClusterChange;

export type {
  ArrivalReason,
  BrokerConcerned,
  ClusterEventFields,
  DepartureReason,
  IsrChange,
  LeaderChange,
  LeaderChangeReason,
  PartitionConcerned,
  PartitionEventFields,
  ReassignmentChange,
  RegistrationReason,
  ShownEvent,
  TopicConcerned,
} from "@tidemark/proto";

/** A type that a newer broker tells of comes with an empty detail. */
export type ClusterChange =
  | ShownEvent
  /** Events of these offsets, both included, are not known any more where they were asked for. */
  | { type: "gap"; detail: { fromOffset: Offset; toOffset: Offset } };

/** One replica in a data directory. */
export interface LogDir extends TopicPartition {
  broker: number;
  path: string;
  bytes: number;
  /** First offset that no record of it has. */
  end: Offset;
  /** Records behind the replica that has most, of all brokers that answered. */
  lag: number;
}

/** One data directory. */
export interface LogDisk {
  broker: number;
  /** Null where the broker did not answer. */
  path: string | null;
  /** Of the file system; null where that is not known. */
  totalBytes: number | null;
  freeBytes: number | null;
  /** By the replicas in it. */
  usedBytes: number;
  /** Why it is offline, or why nothing is known of it. */
  error: BrokerError | null;
}
