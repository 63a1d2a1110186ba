/**
 * What a family of metrics is, and the short forms by which the tables of the dialects are written. A table says the name, the help
 * and how the numbers are read; where and how it is rendered is render.ts.
 */
import type { Histogram } from "../../base/index.ts";
import type { MetricsScope } from "../../ports/index.ts";
import type {
  BrokerNumbers,
  ClusterNumbers,
  FollowerLag,
  PartitionNumbers,
  ProcessNumbers,
  RaftNumbers,
  RequestNumbers,
  TopicNumbers,
  TrafficNumbers,
} from "../broker-numbers.ts";

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
    /** Null: another broker tells. */
    | { readonly of: "topic"; read(topic: TopicNumbers): number | null }
    /** Without a label for the whole broker, and in the detail for each topic, as Kafka has them. */
    | { readonly of: "traffic"; read(traffic: TrafficNumbers): number }
    /** Null: this broker does not know. */
    | { readonly of: "partition"; read(partition: PartitionNumbers): number | null }
    /** Of the other replicas of a partition that is led here. */
    | { readonly of: "follower"; read(lag: FollowerLag): number }
  );

export const TOPIC = ["topic"] as const;
export const PARTITION = ["topic", "partition"] as const;

export type BrokerRead = Extract<MetricFamily, { of: "broker" }>["read"];
export type Spec = readonly [name: string, help: string];

/** Families of one value or a few, of the broker as a whole. */
export function broker(
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

export const gauge = single.bind(null, "gauge");
export const counter = single.bind(null, "counter");
export const histogram = single.bind(null, "histogram");

/** Of the cluster, by its controller alone. */
export function ofCluster(spec: Spec, read: (cluster: ClusterNumbers) => number): MetricFamily {
  return gauge(spec, (numbers) => {
    const cluster = numbers.cluster();
    return cluster === null ? null : read(cluster);
  });
}

/** Of this node's place in the metadata quorum. */
export function ofRaft<Value extends number | Histogram>(
  make: (spec: Spec, read: (numbers: BrokerNumbers, own: ProcessNumbers) => Value | null) => MetricFamily,
  spec: Spec,
  read: (raft: RaftNumbers, numbers: BrokerNumbers, own: ProcessNumbers) => Value | null,
): MetricFamily {
  return make(spec, (numbers, own) => {
    const raft = numbers.raft();
    return raft === null ? null : read(raft, numbers, own);
  });
}

export function follower([name, help]: Spec, read: (lag: FollowerLag) => number): MetricFamily {
  return { name, help, type: "gauge", scope: "detail", labels: [...PARTITION, "broker"], of: "follower", read };
}

export function traffic(name: string, help: string, read: (traffic: TrafficNumbers) => number): MetricFamily {
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

export function partition(
  scope: "detail" | "partitions",
  [name, help]: Spec,
  read: (partition: PartitionNumbers) => number | null,
): MetricFamily {
  return { name, help, type: "gauge", scope, labels: PARTITION, of: "partition", read };
}

/** How many partitions with a replica here `isOne` holds for. */
export function countOf(isOne: (partition: PartitionNumbers) => boolean): (numbers: BrokerNumbers) => number {
  return (numbers) => {
    let count = 0;
    for (const each of numbers.partitions()) if (isOne(each)) count += 1;
    return count;
  };
}

/** Of all replicas here. */
export function sumOf(read: (log: NonNullable<PartitionNumbers["log"]>) => number): (numbers: BrokerNumbers) => number {
  return (numbers) => {
    let sum = 0;
    for (const { log } of numbers.partitions()) if (log !== null) sum += read(log);
    return sum;
  };
}

export function perRequest(read: (requests: RequestNumbers) => Histogram): BrokerRead {
  return function* (numbers): Iterable<Sample> {
    for (const each of numbers.requests()) yield [read(each), each.api, each.listener];
  };
}

export const isUnderReplicated = ({ isrCount, replicasCount }: PartitionNumbers): boolean => isrCount < replicasCount;
export const isUnderMinIsr = ({ isrCount, led }: PartitionNumbers): boolean =>
  led !== null && isrCount < led.effectiveMinIsr;
export const isAtMinIsr = ({ isrCount, led }: PartitionNumbers): boolean =>
  led !== null && isrCount === led.effectiveMinIsr;
export const flag = (isSo: boolean): number => (isSo ? 1 : 0);

export function connections(numbers: BrokerNumbers): Iterable<Sample> {
  return swapped(numbers.connections());
}

export function* swapped(pairs: Iterable<readonly [string, number]>): Iterable<Sample> {
  for (const [label, value] of pairs) yield [value, label];
}

/** Kafka's offsets of the metadata log are the index behind. */
export function behind(index: number | undefined): number | null {
  return index === undefined ? null : index + 1;
}

export function meanMs(durations: Histogram | undefined): number | null {
  const count = durations?.count ?? 0;
  return durations === undefined || count === 0 ? null : (durations.sum / count) * 1000;
}
