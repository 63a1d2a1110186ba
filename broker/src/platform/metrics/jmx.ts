/** What Kafka's brokers publish as JMX beans, as Strimzi's rules spell it. */
import {
  broker,
  behind,
  connections,
  countOf,
  counter,
  flag,
  gauge,
  isAtMinIsr,
  isUnderMinIsr,
  isUnderReplicated,
  meanMs,
  type MetricFamily,
  ofCluster,
  ofRaft,
  partition,
  traffic,
} from "./families.ts";

export const jmx: readonly MetricFamily[] = [
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
    flag(numbers.cluster() !== null),
  ),
  gauge(
    [
      "kafka_controller_kafkacontroller_offlinepartitionscount",
      "Partitions of the cluster without a leader; 0 but from the controller.",
    ],
    (numbers) => numbers.cluster()?.offlinePartitionsCount ?? 0,
  ),
  ofCluster(
    ["kafka_controller_kafkacontroller_activebrokercount", "Brokers that are not fenced, by the controller."],
    ({ brokers, fencedBrokersCount }) => brokers.length - fencedBrokersCount,
  ),
  ofCluster(
    ["kafka_controller_kafkacontroller_fencedbrokercount", "Registered brokers that are fenced, by the controller."],
    ({ fencedBrokersCount }) => fencedBrokersCount,
  ),
  ofCluster(
    ["kafka_controller_kafkacontroller_globaltopiccount", "Topics of the cluster, by the controller."],
    ({ topicsCount }) => topicsCount,
  ),
  ofCluster(
    ["kafka_controller_kafkacontroller_globalpartitioncount", "Partitions of the cluster, by the controller."],
    ({ partitionsCount }) => partitionsCount,
  ),
  ofCluster(
    [
      "kafka_controller_kafkacontroller_preferredreplicaimbalancecount",
      "Partitions that their preferred replica does not lead, by the controller.",
    ],
    ({ strayLeadersCount }) => strayLeadersCount,
  ),
  counter(
    [
      "kafka_controller_controllerstats_uncleanleaderelections_total",
      "Leaders chosen here as controller that might lack what was acknowledged.",
    ],
    (numbers) => numbers.uncleanElectionsCount(),
  ),
  partition("detail", ["kafka_log_log_size", "Bytes of the replica's log."], ({ log }) => log?.sizeBytes ?? null),
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
  ofRaft(
    gauge,
    ["kafka_server_raftmetrics_current_leader", "Leader of the metadata quorum; -1 = none."],
    ({ leaderId }) => leaderId,
  ),
  ofRaft(
    gauge,
    ["kafka_server_raftmetrics_current_vote", "Whom this node voted for in this term; -1 = nobody."],
    ({ votedFor }) => votedFor,
  ),
  ofRaft(gauge, ["kafka_server_raftmetrics_current_epoch", "Term of the metadata quorum."], ({ term }) => term),
  ofRaft(
    gauge,
    ["kafka_server_raftmetrics_high_watermark", "Index behind the last committed metadata entry."],
    ({ committedIndex }) => behind(committedIndex),
  ),
  ofRaft(gauge, ["kafka_server_raftmetrics_log_end_offset", "Index behind the last metadata entry."], ({ lastIndex }) =>
    behind(lastIndex),
  ),
  ofRaft(
    gauge,
    [
      "kafka_server_raftmetrics_commit_latency_avg",
      "Milliseconds from proposal to commit of a metadata entry, on average since the start, of a node that has led.",
    ],
    ({ commitDurations }) => meanMs(commitDurations),
  ),
  ofRaft(
    gauge,
    [
      "kafka_server_raftmetrics_append_records_rate",
      "Metadata entries appended a second as leader, over the last while.",
    ],
    ({ role, recordsAppended }, { nodeId }, own) =>
      role === "leader" ? own.rateOf(`raft ${nodeId}`, recordsAppended) : 0,
  ),
  ofRaft(
    gauge,
    [
      "kafka_server_raftmetrics_fetch_records_rate",
      "Metadata entries taken over from the leader a second, over the last while.",
    ],
    ({ role, recordsAppended }, { nodeId }, own) =>
      role === "leader" ? 0 : own.rateOf(`raft ${nodeId}`, recordsAppended),
  ),
];
