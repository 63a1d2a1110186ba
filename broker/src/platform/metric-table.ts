/**
 * The names under which one broker's numbers are published (client-and-cli 5), as one table: the answers to `/metrics` and
 * `/metrics/detail`, docs/metrics.md and the test of the names are made from it. Names are interface.
 *
 * Three dialects: those of kafka_exporter (`kafka_topic_*`), of Kafka's JMX beans as Strimzi spells them
 * (`kafka_<domain>_<type>_<name>`), and our own (`tidemark_*`), in base units: seconds, bytes, shares of one.
 *
 * Not here: series of what several brokers have (followers, elections) or of what is not built yet (groups, transactions,
 * compaction, quotas, logins). They come with it.
 */
import type { Histogram } from "../base/index.ts";
import type { MetricsScope } from "../ports/index.ts";
import type {
  BrokerNumbers,
  PartitionNumbers,
  ProcessNumbers,
  RequestNumbers,
  TopicNumbers,
  TrafficNumbers,
} from "./broker-numbers.ts";

/** A value with the values of the labels, in the order of the family's `labels`. */
export type Sample = readonly [value: number | Histogram, ...labels: string[]];

interface FamilyHead {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge" | "histogram";
  /** Where it stands; what is in the summary is in the detail, too. `partitions`: in the summary of a small broker. */
  readonly scope: MetricsScope | "partitions";
  readonly labels: readonly string[];
}

export type MetricFamily = FamilyHead &
  (
    | { readonly of: "broker"; read(numbers: BrokerNumbers, own: ProcessNumbers): Iterable<Sample> }
    | { readonly of: "topic"; read(topic: TopicNumbers): number }
    /** Without a label for the whole broker, and in the detail for each topic, as Kafka has them. */
    | { readonly of: "traffic"; read(traffic: TrafficNumbers): number }
    /** Null: this broker does not know. */
    | { readonly of: "partition"; read(partition: PartitionNumbers): number | null }
  );

const TOPIC = ["topic"] as const;
const PARTITION = ["topic", "partition"] as const;

type BrokerRead = Extract<MetricFamily, { of: "broker" }>["read"];
type Spec = readonly [name: string, help: string];

/** Families of one value or a few, of the broker as a whole. */
function broker(
  type: FamilyHead["type"],
  scope: MetricsScope,
  [name, help]: Spec,
  labels: readonly string[],
  read: BrokerRead,
): MetricFamily {
  return { name, help, type, scope, labels, of: "broker", read };
}

function single(
  type: FamilyHead["type"],
  spec: Spec,
  read: (numbers: BrokerNumbers, own: ProcessNumbers) => number | Histogram | null,
): MetricFamily {
  return broker(type, "summary", spec, [], (numbers, own) => {
    const value = read(numbers, own);
    return value === null ? [] : [[value]];
  });
}

const gauge = single.bind(null, "gauge");
const counter = single.bind(null, "counter");
const histogram = single.bind(null, "histogram");

function traffic(name: string, help: string, read: (traffic: TrafficNumbers) => number): MetricFamily {
  return {
    name: `kafka_server_brokertopicmetrics_${name}_total`,
    help,
    type: "counter",
    scope: "summary",
    labels: TOPIC,
    of: "traffic",
    read,
  };
}

function partition(
  scope: "detail" | "partitions",
  [name, help]: Spec,
  read: (partition: PartitionNumbers) => number | null,
): MetricFamily {
  return { name, help, type: "gauge", scope, labels: PARTITION, of: "partition", read };
}

/** How many partitions with a replica here `isOne` holds for. */
function countOf(isOne: (partition: PartitionNumbers) => boolean): (numbers: BrokerNumbers) => number {
  return (numbers) => {
    let count = 0;
    for (const each of numbers.partitions()) if (isOne(each)) count += 1;
    return count;
  };
}

function sumOf(read: (led: NonNullable<PartitionNumbers["led"]>) => number): (numbers: BrokerNumbers) => number {
  return (numbers) => {
    let sum = 0;
    for (const { led } of numbers.partitions()) if (led !== null) sum += read(led);
    return sum;
  };
}

function perRequest(read: (requests: RequestNumbers) => Histogram): BrokerRead {
  return function* (numbers): Iterable<Sample> {
    for (const each of numbers.requests()) yield [read(each), each.api, each.listener];
  };
}

const isUnderReplicated = ({ isrCount, replicasCount }: PartitionNumbers): boolean => isrCount < replicasCount;
const isUnderMinIsr = ({ isrCount, led }: PartitionNumbers): boolean => led !== null && isrCount < led.effectiveMinIsr;
const isAtMinIsr = ({ isrCount, led }: PartitionNumbers): boolean => led !== null && isrCount === led.effectiveMinIsr;
const isOffline = ({ leaderId }: PartitionNumbers): boolean => leaderId < 0;
const flag = (isSo: boolean): number => (isSo ? 1 : 0);

const kafkaExporter: readonly MetricFamily[] = [
  gauge(["kafka_brokers", "Brokers of the cluster."], (numbers) => numbers.brokers().length),
  broker(
    "gauge",
    "summary",
    ["kafka_broker_info", "Always 1; the labels say which brokers there are and where."],
    ["id", "address"],
    (numbers) => numbers.brokers().map(({ id, address }): Sample => [1, String(id), address]),
  ),
  {
    name: "kafka_topic_partitions",
    help: "Partitions of the topic.",
    type: "gauge",
    scope: "summary",
    labels: TOPIC,
    of: "topic",
    read: ({ partitionsCount }) => partitionsCount,
  },
  partition(
    "partitions",
    ["kafka_topic_partition_current_offset", "The next offset a reader will get."],
    ({ led }) => led?.highWatermark ?? null,
  ),
  partition(
    "partitions",
    ["kafka_topic_partition_oldest_offset", "The first offset a reader can get."],
    ({ led }) => led?.logStartOffset ?? null,
  ),
  partition(
    "partitions",
    ["kafka_topic_partition_replicas", "Replicas of the partition."],
    (each) => each.replicasCount,
  ),
  partition(
    "partitions",
    ["kafka_topic_partition_in_sync_replica", "Replicas that are in sync."],
    (each) => each.isrCount,
  ),
  partition(
    "partitions",
    ["kafka_topic_partition_leader", "Id of the broker that leads the partition; -1 = none."],
    (each) => each.leaderId,
  ),
  partition(
    "partitions",
    ["kafka_topic_partition_leader_is_preferred", "1 if the leader is the preferred one."],
    (each) => flag(each.leaderId === each.preferredLeaderId),
  ),
  partition(
    "partitions",
    ["kafka_topic_partition_under_replicated_partition", "1 if a replica is not in sync."],
    (each) => flag(isUnderReplicated(each)),
  ),
];

const jmx: readonly MetricFamily[] = [
  traffic("messagesin", "Records appended, as batch headers count them.", ({ recordsIn }) => recordsIn),
  traffic("bytesin", "Bytes of batches appended.", ({ bytesIn }) => bytesIn),
  traffic("bytesout", "Bytes of batches sent to readers.", ({ bytesOut }) => bytesOut),
  traffic(
    "totalproducerequests",
    "Produce requests; by topic the batches offered to it.",
    ({ produceRequests }) => produceRequests,
  ),
  traffic(
    "failedproducerequests",
    "Produce requests with a refused batch; by topic the batches refused.",
    ({ produceRequestsFailed }) => produceRequestsFailed,
  ),
  traffic(
    "totalfetchrequests",
    "Answers to readers; by topic the parts of answers about it.",
    ({ fetchRequests }) => fetchRequests,
  ),
  traffic(
    "failedfetchrequests",
    "Parts of answers to readers that carried an error.",
    ({ fetchRequestsFailed }) => fetchRequestsFailed,
  ),
  gauge(
    ["kafka_server_replicamanager_leadercount", "Partitions led here."],
    countOf(({ led }) => led !== null),
  ),
  gauge(
    ["kafka_server_replicamanager_partitioncount", "Partitions with a replica here."],
    countOf(() => true),
  ),
  gauge(
    [
      "kafka_server_replicamanager_underreplicatedpartitions",
      "Partitions led here with a replica that is not in sync.",
    ],
    countOf((each) => each.led !== null && isUnderReplicated(each)),
  ),
  gauge(
    ["kafka_server_replicamanager_underminisrpartitioncount", "Partitions led here with too few replicas in sync."],
    countOf(isUnderMinIsr),
  ),
  counter(
    ["kafka_server_replicamanager_isrshrinks_total", "Times that replicas of a partition led here fell out of sync."],
    (numbers) => numbers.isrChanges().shrinks,
  ),
  counter(
    ["kafka_server_replicamanager_isrexpands_total", "Times that replicas of a partition led here came in sync."],
    (numbers) => numbers.isrChanges().expands,
  ),
  gauge(
    [
      "kafka_server_replicafetchermanager_maxlag",
      "Records that the replica here that is furthest behind its leader lacks.",
    ],
    (numbers) => numbers.followerLagMax(),
  ),
  partition("detail", ["kafka_cluster_partition_underminisr", "1 if too few replicas are in sync."], (each) =>
    each.led === null ? null : flag(isUnderMinIsr(each)),
  ),
  partition("detail", ["kafka_cluster_partition_atminisr", "1 if no replica in sync may be lost."], (each) =>
    each.led === null ? null : flag(isAtMinIsr(each)),
  ),
  partition("detail", ["kafka_cluster_partition_replicascount", "Replicas of the partition."], (each) =>
    each.led === null ? null : each.replicasCount,
  ),
  gauge(["kafka_controller_kafkacontroller_activecontrollercount", "1 if this broker is the controller."], (numbers) =>
    flag(numbers.raft()?.leaderId === numbers.nodeId),
  ),
  gauge(
    ["kafka_controller_kafkacontroller_offlinepartitionscount", "Partitions without a leader."],
    countOf(isOffline),
  ),
  counter(
    ["kafka_controller_controllerstats_uncleanleaderelections_total", "Leaders chosen that were not in sync."],
    () => 0,
  ),
  partition("detail", ["kafka_log_log_size", "Bytes of the replica's log."], ({ led }) => led?.sizeBytes ?? null),
  gauge(["kafka_log_logmanager_offlinelogdirectorycount", "Log directories that failed."], (numbers) =>
    numbers.offlineLogDirectoriesCount(),
  ),
  broker(
    "gauge",
    "summary",
    ["kafka_server_socket_server_metrics_connection_count", "Open connections."],
    ["listener"],
    connections,
  ),
  gauge(
    [
      "kafka_network_socketserver_networkprocessoravgidle_percent",
      "Share of time in which the event loop was idle, 0 to 1.",
    ],
    (_, own) => own.idleShare(),
  ),
  gauge(
    [
      "kafka_server_kafkarequesthandlerpool_requesthandleravgidle_percent",
      "The same share: one event loop reads, works and writes.",
    ],
    (_, own) => own.idleShare(),
  ),
  broker(
    "gauge",
    "summary",
    ["kafka_server_raftmetrics_current_state", "Always 1; the label says what this node is in the metadata quorum."],
    ["current_state"],
    (numbers) => {
      const raft = numbers.raft();
      // Kafka's word for a learner.
      return raft === null ? [] : [[1, raft.role === "learner" ? "observer" : raft.role]];
    },
  ),
  gauge(
    ["kafka_server_raftmetrics_current_leader", "Leader of the metadata quorum; -1 = none."],
    (numbers) => numbers.raft()?.leaderId ?? null,
  ),
  gauge(
    ["kafka_server_raftmetrics_current_vote", "Whom this node voted for in this term; -1 = nobody."],
    (numbers) => numbers.raft()?.votedFor ?? null,
  ),
  gauge(
    ["kafka_server_raftmetrics_current_epoch", "Term of the metadata quorum."],
    (numbers) => numbers.raft()?.term ?? null,
  ),
  gauge(["kafka_server_raftmetrics_high_watermark", "Index behind the last committed metadata entry."], (numbers) =>
    behind(numbers.raft()?.committedIndex),
  ),
  gauge(["kafka_server_raftmetrics_log_end_offset", "Index behind the last metadata entry."], (numbers) =>
    behind(numbers.raft()?.lastIndex),
  ),
  gauge(
    [
      "kafka_server_raftmetrics_commit_latency_avg",
      "Milliseconds to commit a metadata entry, on average since the start.",
    ],
    (numbers) => meanMs(numbers.raft()?.appendDurations),
  ),
  gauge(
    ["kafka_server_raftmetrics_append_records_rate", "Metadata entries appended a second, over the last while."],
    (numbers, own) => {
      const raft = numbers.raft();
      return raft === null ? null : own.rateOf(`raft ${numbers.nodeId}`, raft.recordsAppended);
    },
  ),
];

const tidemark: readonly MetricFamily[] = [
  broker(
    "gauge",
    "summary",
    ["tidemark_build_info", "Always 1; the labels say what runs."],
    ["version", "node"],
    ({ version, nodeVersion }) => [[1, version, nodeVersion]],
  ),
  broker("gauge", "summary", ["tidemark_connections", "Open connections."], ["listener"], connections),
  broker(
    "counter",
    "summary",
    ["tidemark_connections_delayed_total", "Connections that waited because of max.connection.creation.rate."],
    ["listener"],
    (numbers) => swapped(numbers.delayedConnections()),
  ),
  broker(
    "counter",
    "summary",
    ["tidemark_refused_total", "What a door refused, by the stage that refused it and the reason or error code."],
    ["listener", "stage", "reason"],
    function* (numbers) {
      for (const [listener, { stage, reason, count }] of numbers.refusals()) yield [count, listener, stage, reason];
    },
  ),
  broker(
    "histogram",
    "summary",
    [
      "tidemark_request_duration_seconds",
      "From a request's arrival to its answer's leaving. Fetch: from the read to the socket.",
    ],
    ["api", "listener"],
    perRequest(({ durations }) => durations),
  ),
  broker(
    "histogram",
    "detail",
    [
      "tidemark_request_phase_seconds",
      "Parts of that time: queue (waits for its turn), handler (checks, writes), remote (waits for acks), response.",
    ],
    ["api", "listener", "phase"],
    function* (numbers) {
      for (const { api, listener, queue, handler, remote, response } of numbers.requests()) {
        yield [queue, api, listener, "queue"];
        yield [handler, api, listener, "handler"];
        yield [remote, api, listener, "remote"];
        yield [response, api, listener, "response"];
      }
    },
  ),
  broker(
    "histogram",
    "detail",
    ["tidemark_request_size_bytes", "Bytes of batches in a produce request or fetch answer, of the message elsewhere."],
    ["api", "listener"],
    perRequest(({ sizes }) => sizes),
  ),
  counter(["tidemark_slow_requests_total", "Requests at or above tidemark.slow.request.ms."], (numbers) =>
    numbers.slowRequestsCount(),
  ),
  gauge(
    ["tidemark_queued_requests", "Requests read that are neither appended nor refused."],
    (numbers) => numbers.queued().requests,
  ),
  gauge(["tidemark_queued_request_bytes", "Bytes of such requests."], (numbers) => numbers.queued().bytes),
  broker(
    "gauge",
    "summary",
    ["tidemark_unfinished_request_bytes", "Bytes of messages that have begun and are not whole."],
    ["listener"],
    (numbers) => swapped(numbers.unfinishedBytes()),
  ),
  broker("gauge", "summary", ["tidemark_streams", "Open streams."], ["api"], (numbers) => {
    const { produceStreams, fetchStreams } = numbers.totals();
    return [
      [produceStreams, "Produce"],
      [fetchStreams, "Fetch"],
    ];
  }),
  counter(["tidemark_produce_batches_total", "Batches appended."], (numbers) => numbers.totals().batchesIn),
  counter(
    ["tidemark_produce_duplicates_total", "Batches that were there already."],
    (numbers) => numbers.totals().duplicatesIn,
  ),
  broker("histogram", "detail", ["tidemark_produce_batch_bytes", "Bytes of a batch appended."], [], (numbers) => [
    [numbers.totals().batchBytes],
  ]),
  histogram(["tidemark_fsync_duration_seconds", "Syncs of files and directories of the log."], (numbers) =>
    numbers.syncDurations(),
  ),
  gauge(
    ["tidemark_log_bytes", "Bytes of all logs of this broker."],
    sumOf(({ sizeBytes }) => sizeBytes),
  ),
  gauge(
    ["tidemark_segment_count", "Segments of all logs of this broker."],
    sumOf(({ segmentsCount }) => segmentsCount),
  ),
  partition(
    "detail",
    ["tidemark_partition_segments", "Segments of the replica's log."],
    ({ led }) => led?.segmentsCount ?? null,
  ),
  gauge(
    ["tidemark_damaged_partitions", "Partitions led here whose log is damaged: they refuse appends."],
    countOf(({ led }) => led?.isDamaged === true),
  ),
  gauge(
    ["tidemark_damaged_replicas", "Replicas here with damage on disk, known and not whole again; led here or not."],
    (numbers) => numbers.damage().replicas,
  ),
  counter(
    ["tidemark_damage_found_total", "Replicas here that were found damaged while they were in use."],
    (numbers) => numbers.damage().found,
  ),
  counter(
    ["tidemark_damage_repaired_total", "Damaged replicas here that were filled again from their leaders."],
    (numbers) => numbers.damage().repaired,
  ),
  partition("detail", ["tidemark_isr_size", "Replicas that are in sync."], (each) => each.isrCount),
  gauge(["tidemark_disk_free_bytes", "Free space where the log lies."], (numbers) => numbers.diskFreeBytes()),
  gauge(["tidemark_disk_total_bytes", "Size of the file system where the log lies."], (numbers) =>
    numbers.diskTotalBytes(),
  ),
  gauge(["tidemark_disk_full", "1 while appends are refused for want of space."], (numbers) =>
    flag(numbers.isDiskFull()),
  ),
  gauge(["tidemark_metadata_suspended", "1 while changes of metadata are refused for want of space."], (numbers) =>
    flag(numbers.isMetadataSuspended()),
  ),
  gauge(["tidemark_raft_term", "Term of the metadata quorum."], (numbers) => numbers.raft()?.term ?? null),
  gauge(["tidemark_raft_is_leader", "1 if this node leads the metadata quorum."], (numbers) => {
    const raft = numbers.raft();
    return raft === null ? null : flag(raft.leaderId === numbers.nodeId);
  }),
  counter(
    ["tidemark_raft_leader_changes_total", "Leaders of the metadata quorum that this process has seen begin."],
    (numbers) => numbers.raft()?.leaderChanges ?? null,
  ),
  histogram(
    ["tidemark_raft_append_duration_seconds", "From the write of metadata entries to their commit."],
    (numbers) => numbers.raft()?.appendDurations ?? null,
  ),
  gauge(["tidemark_raft_apply_lag_entries", "Metadata entries appended and not applied."], (numbers) => {
    const raft = numbers.raft();
    return raft === null ? null : raft.lastIndex - raft.committedIndex;
  }),
  histogram(
    ["tidemark_event_loop_delay_seconds", "By how much a timer of this process came late, asked ten times a second."],
    (_, own) => own.loopDelays(),
  ),
  gauge(
    [
      "tidemark_metrics_partitions_omitted",
      "Partitions whose own series stand in /metrics/detail alone: more than tidemark.metrics.partitions.max are here.",
    ],
    (numbers) => {
      const count = countOf(() => true)(numbers);
      return count > numbers.summaryPartitionsMax ? count : 0;
    },
  ),
  counter(
    ["process_cpu_user_seconds_total", "User CPU time of the process since it began."],
    (_, own) => own.cpu().user,
  ),
  counter(
    ["process_cpu_system_seconds_total", "System CPU time of the process since it began."],
    (_, own) => own.cpu().system,
  ),
  counter(["process_cpu_seconds_total", "CPU time of the process since it began."], (_, own) => {
    const { user, system } = own.cpu();
    return user + system;
  }),
];

/** In the order in which they are published. */
export const metricTable: readonly MetricFamily[] = Object.freeze([...kafkaExporter, ...jmx, ...tidemark]);

function connections(numbers: BrokerNumbers): Iterable<Sample> {
  return swapped(numbers.connections());
}

function* swapped(pairs: Iterable<readonly [string, number]>): Iterable<Sample> {
  for (const [label, value] of pairs) yield [value, label];
}

/** Kafka's offsets of the metadata log are the index behind. */
function behind(index: number | undefined): number | null {
  return index === undefined ? null : index + 1;
}

function meanMs(durations: Histogram | undefined): number | null {
  const count = durations?.count ?? 0;
  return durations === undefined || count === 0 ? null : (durations.sum / count) * 1000;
}
