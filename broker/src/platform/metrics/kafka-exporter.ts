/** What kafka_exporter publishes of a cluster, by its names. It looks from outside, once: so each series comes from one broker. */
import {
  broker,
  flag,
  isUnderReplicated,
  type MetricFamily,
  ofCluster,
  partition,
  type Sample,
  TOPIC,
} from "./families.ts";

export const kafkaExporter: readonly MetricFamily[] = [
  ofCluster(["kafka_brokers", "Brokers of the cluster, by its controller."], ({ brokers }) => brokers.length),
  broker(
    "gauge",
    "summary",
    ["kafka_broker_info", "Always 1; the labels say which brokers there are and where, by the controller."],
    ["id", "address"],
    (numbers) => (numbers.cluster()?.brokers ?? []).map(({ id, address }): Sample => [1, String(id), address]),
  ),
  {
    name: "kafka_topic_partitions",
    help: "Partitions of the topic, by the controller.",
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
    ({ isToldHere, replicasCount }) => (isToldHere ? replicasCount : null),
  ),
  partition(
    "partitions",
    ["kafka_topic_partition_in_sync_replica", "Replicas that are in sync."],
    ({ isToldHere, isrCount }) => (isToldHere ? isrCount : null),
  ),
  partition(
    "partitions",
    ["kafka_topic_partition_leader", "Id of the broker that leads the partition; -1 = none."],
    ({ isToldHere, leaderId }) => (isToldHere ? leaderId : null),
  ),
  partition(
    "partitions",
    ["kafka_topic_partition_leader_is_preferred", "1 if the leader is the preferred one."],
    ({ isToldHere, leaderId, preferredLeaderId }) => (isToldHere ? flag(leaderId === preferredLeaderId) : null),
  ),
  partition(
    "partitions",
    ["kafka_topic_partition_under_replicated_partition", "1 if a replica is not in sync."],
    (each) => (each.isToldHere ? flag(isUnderReplicated(each)) : null),
  ),
];
