/**
 * What a broker is busy with, from two looks at its numbers. Pure. A number that the broker does not publish is null, and is
 * shown as "-": an older broker, or one whose HTTP door cannot be reached, still shows the rest.
 */
import { bucketsOf, type Metrics, totalOf } from "./metrics-text.ts";

export interface PartitionLook {
  readonly topic: string;
  readonly partition: number;
  /** null: not known from where we looked. */
  readonly endOffset: number | null;
  readonly bytes: number | null;
}

/** One look. Counters are totals since the start of the broker. */
export interface Look {
  readonly atMs: number;
  readonly recordsIn: number | null;
  readonly bytesIn: number | null;
  readonly bytesOut: number | null;
  readonly produceRequests: number | null;
  readonly fetchRequests: number | null;
  readonly failedRequests: number | null;
  readonly cpuSeconds: number | null;
  /** Upper bound in seconds, and how many delays of the event loop were at most that long. */
  readonly loopDelays: ReadonlyMap<number, number> | null;
  readonly gauges: Gauges;
  readonly partitions: readonly PartitionLook[];
}

export interface Gauges {
  readonly version: string | null;
  readonly startedAtMs: number | null;
  readonly partitions: number | null;
  /** Partitions led here, and those of them with a replica that is not in sync. */
  readonly leaders: number | null;
  readonly underReplicated: number | null;
  /** Partitions of the cluster without a leader; null: another broker is its controller. */
  readonly offlinePartitions: number | null;
  /** By the id of another broker: records that its replica which is furthest behind lacks, of partitions led here. */
  readonly followerLags: Readonly<Record<string, number>>;
  readonly logBytes: number | null;
  readonly diskFreeBytes: number | null;
  readonly memoryBytes: number | null;
  /** By listener. */
  readonly connections: Readonly<Record<string, number>>;
  /** Share of its time that the event loop was busy, 0 to 1. */
  readonly loopBusy: number | null;
}

export interface PartitionLoad {
  readonly topic: string;
  readonly partition: number;
  readonly recordsPerSecond: number | null;
  readonly bytesPerSecond: number | null;
  readonly bytes: number | null;
}

/** Stable interface: what `top -o json` prints. Rates are per second. */
export interface BrokerLoad {
  readonly seconds: number;
  readonly recordsIn: number | null;
  readonly bytesIn: number | null;
  readonly bytesOut: number | null;
  readonly produceRequests: number | null;
  readonly fetchRequests: number | null;
  readonly failedRequests: number | null;
  /** Share of one core, 0 to 1 and more. */
  readonly cpu: number | null;
  readonly version: string | null;
  readonly uptimeSeconds: number | null;
  readonly partitions: number | null;
  /** Partitions led here, and those of them with a replica that is not in sync. */
  readonly leaders: number | null;
  readonly underReplicated: number | null;
  /** Partitions of the cluster without a leader; null: another broker is its controller. */
  readonly offlinePartitions: number | null;
  /** By the id of another broker: records that its replica which is furthest behind lacks, of partitions led here. */
  readonly followerLags: Readonly<Record<string, number>>;
  readonly logBytes: number | null;
  readonly diskFreeBytes: number | null;
  readonly memoryBytes: number | null;
  readonly connections: Readonly<Record<string, number>>;
  readonly loopBusy: number | null;
  /** No more than one in a hundred delays of the event loop was longer. */
  readonly loopDelayMs: number | null;
  readonly hottest: readonly PartitionLoad[];
}

/** What was found at one broker. */
export interface SourceLoad {
  readonly id: number | null;
  readonly name: string;
  readonly missing: string | null;
  /** Null: it did not answer. */
  readonly load: BrokerLoad | null;
}

const TRAFFIC = "kafka_server_brokertopicmetrics";

export function lookAtMetrics(metrics: Metrics, atMs: number): Look {
  const total = (name: string): number | null => totalOf(metrics, name);
  const failed = [total(`${TRAFFIC}_failedproducerequests_total`), total(`${TRAFFIC}_failedfetchrequests_total`)];
  return {
    atMs,
    recordsIn: total(`${TRAFFIC}_messagesin_total`),
    bytesIn: total(`${TRAFFIC}_bytesin_total`),
    bytesOut: total(`${TRAFFIC}_bytesout_total`),
    produceRequests: total(`${TRAFFIC}_totalproducerequests_total`),
    fetchRequests: total(`${TRAFFIC}_totalfetchrequests_total`),
    failedRequests: failed.reduce<number | null>((sum, one) => (one === null ? sum : (sum ?? 0) + one), null),
    cpuSeconds: total("process_cpu_seconds_total"),
    loopDelays: bucketsOf(metrics, "tidemark_event_loop_delay_seconds"),
    gauges: gaugesOf(metrics),
    partitions: partitionsOf(metrics),
  };
}

/** What happened between two looks of the same broker; the busiest `hottest` partitions come first. */
export function loadBetween(first: Look, second: Look, hottest: number): BrokerLoad {
  const seconds = Math.max((second.atMs - first.atMs) / 1_000, 0.001);
  const rate = (before: number | null, after: number | null): number | null =>
    // A counter that went back belongs to a broker that was started again.
    before === null || after === null ? null : Math.max(after - before, 0) / seconds;
  const { gauges } = second;
  const { startedAtMs, ...shown } = gauges;
  return {
    seconds: Math.round(seconds * 1_000) / 1_000,
    recordsIn: rate(first.recordsIn, second.recordsIn),
    bytesIn: rate(first.bytesIn, second.bytesIn),
    bytesOut: rate(first.bytesOut, second.bytesOut),
    produceRequests: rate(first.produceRequests, second.produceRequests),
    fetchRequests: rate(first.fetchRequests, second.fetchRequests),
    failedRequests: rate(first.failedRequests, second.failedRequests),
    cpu: rate(first.cpuSeconds, second.cpuSeconds),
    uptimeSeconds: startedAtMs === null ? null : Math.max(Math.round((second.atMs - startedAtMs) / 1_000), 0),
    ...shown,
    loopDelayMs: percentileMs(first.loopDelays, second.loopDelays, 0.99),
    hottest: hottestOf(first, second, rate).slice(0, hottest),
  };
}

function hottestOf(
  first: Look,
  second: Look,
  rate: (before: number | null, after: number | null) => number | null,
): PartitionLoad[] {
  const before = new Map(first.partitions.map((one) => [`${one.topic}-${one.partition}`, one]));
  const loads = second.partitions.map((now) => {
    const then = before.get(`${now.topic}-${now.partition}`);
    return {
      topic: now.topic,
      partition: now.partition,
      // One that is new began at nothing.
      recordsPerSecond: rate(then === undefined ? 0 : then.endOffset, now.endOffset),
      bytesPerSecond: rate(then === undefined ? 0 : then.bytes, now.bytes),
      bytes: now.bytes,
    };
  });
  return loads.sort(byHeat);
}

/** The hottest partitions of several brokers. Of the replicas of one that of its leader is ahead. */
export function hottestOfAll(loads: readonly SourceLoad[], count: number): PartitionLoad[] {
  const all = loads.flatMap(({ load }) => load?.hottest ?? []).sort(byHeat);
  const seen = new Set<string>();
  const once = all.filter(({ topic, partition }) => {
    const place = `${topic}-${partition}`;
    return !seen.has(place) && seen.add(place);
  });
  return once.slice(0, count);
}

function byHeat(a: PartitionLoad, b: PartitionLoad): number {
  const heat = (load: PartitionLoad): number => load.bytesPerSecond ?? load.recordsPerSecond ?? 0;
  return (
    heat(b) - heat(a) ||
    (b.bytes ?? 0) - (a.bytes ?? 0) ||
    (a.topic < b.topic ? -1 : a.topic > b.topic ? 1 : a.partition - b.partition)
  );
}

/** From what came into the buckets between two looks; the first look of all counts from the start of the broker. */
function percentileMs(
  first: ReadonlyMap<number, number> | null,
  second: ReadonlyMap<number, number> | null,
  share: number,
): number | null {
  const bounds = [...(second?.keys() ?? [])].filter((bound) => !Number.isNaN(bound)).sort((a, b) => a - b);
  const since = (bound: number): number =>
    (second?.get(bound) ?? 0) - (first === second ? 0 : (first?.get(bound) ?? 0));
  const count = since(Number.POSITIVE_INFINITY);
  const found = bounds.find((bound) => count > 0 && since(bound) >= count * share);
  if (found === undefined) return null;
  const finite = Number.isFinite(found) ? found : (bounds.at(-2) ?? 0);
  return Math.round(finite * 1e6) / 1e3;
}

function gaugesOf(metrics: Metrics): Gauges {
  const total = (name: string): number | null => totalOf(metrics, name);
  const startedAt = total("process_start_time_seconds");
  const idle = total("kafka_network_socketserver_networkprocessoravgidle_percent");
  const connections = (metrics.get("tidemark_connections") ?? []).map(
    ({ labels, value }) => [labels.get("listener") ?? "", value] as const,
  );
  const isController = total("kafka_controller_kafkacontroller_activecontrollercount") === 1;
  const lags = (metrics.get("tidemark_replication_lag_max_records") ?? []).map(
    ({ labels, value }) => [labels.get("broker") ?? "", value] as const,
  );
  return {
    version: metrics.get("tidemark_build_info")?.[0]?.labels.get("version") ?? null,
    startedAtMs: startedAt === null ? null : startedAt * 1_000,
    partitions: total("kafka_server_replicamanager_partitioncount"),
    leaders: total("kafka_server_replicamanager_leadercount"),
    underReplicated: total("kafka_server_replicamanager_underreplicatedpartitions"),
    offlinePartitions: isController ? total("kafka_controller_kafkacontroller_offlinepartitionscount") : null,
    followerLags: Object.fromEntries(lags),
    logBytes: total("tidemark_log_bytes"),
    diskFreeBytes: total("tidemark_disk_free_bytes"),
    memoryBytes: total("process_resident_memory_bytes"),
    connections: Object.fromEntries(connections),
    loopBusy: idle === null ? null : Math.round(Math.min(Math.max(1 - idle, 0), 1) * 1e4) / 1e4,
  };
}

function partitionsOf(metrics: Metrics): PartitionLook[] {
  const sizes = new Map(
    (metrics.get("kafka_log_log_size") ?? []).map(({ labels, value }) => [placeOf(labels), value] as const),
  );
  return (metrics.get("kafka_topic_partition_current_offset") ?? []).map(({ labels, value }) => ({
    topic: labels.get("topic") ?? "",
    partition: Number(labels.get("partition")),
    endOffset: value,
    bytes: sizes.get(placeOf(labels)) ?? null,
  }));
}

function placeOf(labels: ReadonlyMap<string, string>): string {
  return `${labels.get("topic")}-${labels.get("partition")}`;
}
