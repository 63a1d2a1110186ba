/**
 * The names under which one broker's numbers are published (client-and-cli 5): those of kafka_exporter, of Kafka's JMX
 * beans as Strimzi spells them, and our own `tidemark_*`. The composition root hands in the numbers; this page only
 * names them, so that the names, which are interface, stand in one place.
 *
 * `/metrics` has what exists once per broker or topic, `/metrics/detail` also what exists per partition.
 */
import type { MetricRow, MetricsScope, MetricsSource } from "../ports/index.ts";

/** Totals since the start of the process. */
export interface BrokerTotals {
  readonly produceRequests: number;
  readonly produceRequestsFailed: number;
  readonly batchesIn: number;
  /** From batch headers: the broker opens no batch. */
  readonly recordsIn: number;
  readonly bytesIn: number;
  readonly duplicatesIn: number;
  readonly fetchMessages: number;
  readonly fetchErrors: number;
  readonly bytesOut: number;
}

export interface TopicNumbers {
  readonly topic: string;
  readonly partitionsCount: number;
}

/** One partition with a replica on this broker. */
export interface PartitionNumbers {
  readonly topic: string;
  readonly partition: number;
  readonly isLeader: boolean;
  readonly logStartOffset: number;
  readonly highWatermark: number;
  readonly sizeBytes: number;
}

export interface BrokerNumbers {
  readonly version: string;
  readonly nodeVersion: string;
  totals(): BrokerTotals;
  topics(): Iterable<TopicNumbers>;
  partitions(): Iterable<PartitionNumbers>;
  brokersCount(): number;
  /** Open connections of each listener. */
  connections(): Iterable<readonly [listener: string, count: number]>;
  /** Syncs since the start and how long they took together; null where nobody counts them, which leaves the series out. */
  syncs(): { readonly count: number; readonly seconds: number } | null;
  /** Null when the disk does not tell. */
  diskFreeBytes(): number | null;
  /** No room but the reserve: appends are refused. */
  isDiskFull(): boolean;
  /** The metadata store takes no writes until there is room. */
  isMetadataSuspended(): boolean;
  offlineLogDirectoriesCount(): number;
}

export class BrokerMetrics implements MetricsSource {
  readonly #numbers: BrokerNumbers;

  constructor(numbers: BrokerNumbers) {
    this.#numbers = numbers;
  }

  *collect(scope: MetricsScope): Iterable<MetricRow> {
    yield* this.#ofBroker();
    yield* this.#ofTraffic();
    for (const { topic, partitionsCount } of this.#numbers.topics()) {
      yield gauge("kafka_topic_partitions", "Partitions of the topic.", partitionsCount, { topic });
    }
    yield* this.#ofPartitions(scope);
  }

  *#ofBroker(): Iterable<MetricRow> {
    const { version, nodeVersion } = this.#numbers;
    yield gauge("tidemark_build_info", "Always 1; the labels say what runs.", 1, { version, node: nodeVersion });
    yield gauge("kafka_brokers", "Brokers of the cluster.", this.#numbers.brokersCount());
    for (const [listener, count] of this.#numbers.connections()) {
      yield gauge("tidemark_connections", "Open connections.", count, { listener });
      yield gauge("kafka_server_socket_server_metrics_connection_count", "Open connections.", count, { listener });
    }
    const syncs = this.#numbers.syncs();
    if (syncs !== null) {
      yield counter("tidemark_fsync_duration_seconds_count", "Syncs of log files.", syncs.count);
      yield counter("tidemark_fsync_duration_seconds_sum", "Time spent in syncs of log files.", syncs.seconds);
    }
    const freeBytes = this.#numbers.diskFreeBytes();
    if (freeBytes !== null) yield gauge("tidemark_disk_free_bytes", "Free space where the log lies.", freeBytes);
    yield gauge(
      "tidemark_disk_full",
      "1 while appends are refused for want of space.",
      Number(this.#numbers.isDiskFull()),
    );
    yield gauge(
      "tidemark_metadata_suspended",
      "1 while changes of metadata are refused for want of space.",
      Number(this.#numbers.isMetadataSuspended()),
    );
    yield gauge(
      "kafka_log_logmanager_offlinelogdirectorycount",
      "Log directories that failed.",
      this.#numbers.offlineLogDirectoriesCount(),
    );
  }

  *#ofTraffic(): Iterable<MetricRow> {
    const totals = this.#numbers.totals();
    const traffic = "kafka_server_brokertopicmetrics";
    yield counter(`${traffic}_messagesin_total`, "Records appended, as batch headers count them.", totals.recordsIn);
    yield counter(`${traffic}_bytesin_total`, "Bytes of batches appended.", totals.bytesIn);
    yield counter(`${traffic}_bytesout_total`, "Bytes of batches sent to readers.", totals.bytesOut);
    yield counter(`${traffic}_totalproducerequests_total`, "Produce requests.", totals.produceRequests);
    yield counter(
      `${traffic}_failedproducerequests_total`,
      "Produce requests with a refused batch.",
      totals.produceRequestsFailed,
    );
    yield counter(
      `${traffic}_totalfetchrequests_total`,
      "Answers to readers that carried something.",
      totals.fetchMessages,
    );
    yield counter(
      `${traffic}_failedfetchrequests_total`,
      "Partitions answered to readers with an error.",
      totals.fetchErrors,
    );
    yield counter("tidemark_produce_batches_total", "Batches appended.", totals.batchesIn);
    yield counter("tidemark_produce_duplicates_total", "Batches that were there already.", totals.duplicatesIn);
  }

  *#ofPartitions(scope: MetricsScope): Iterable<MetricRow> {
    let partitionsCount = 0;
    let leadersCount = 0;
    let logBytes = 0;
    const details: MetricRow[] = [];
    for (const partition of this.#numbers.partitions()) {
      partitionsCount++;
      if (partition.isLeader) leadersCount++;
      logBytes += partition.sizeBytes;
      if (scope === "summary") continue;
      const labels = { topic: partition.topic, partition: String(partition.partition) };
      details.push(gauge("kafka_log_log_size", "Bytes of the replica's log.", partition.sizeBytes, labels));
      if (!partition.isLeader) continue;
      details.push(
        gauge(
          "kafka_topic_partition_current_offset",
          "The next offset a reader will get.",
          partition.highWatermark,
          labels,
        ),
        gauge(
          "kafka_topic_partition_oldest_offset",
          "The first offset a reader can get.",
          partition.logStartOffset,
          labels,
        ),
      );
    }
    yield gauge("kafka_server_replicamanager_partitioncount", "Partitions with a replica here.", partitionsCount);
    yield gauge("kafka_server_replicamanager_leadercount", "Partitions led here.", leadersCount);
    yield gauge("tidemark_log_bytes", "Bytes of all logs of this broker.", logBytes);
    yield* details;
  }
}

const NO_LABELS: Readonly<Record<string, string>> = {};

function gauge(name: string, help: string, value: number, labels = NO_LABELS): MetricRow {
  return { name, help, type: "gauge", labels, value };
}

function counter(name: string, help: string, value: number): MetricRow {
  return { name, help, type: "counter", labels: NO_LABELS, value };
}
