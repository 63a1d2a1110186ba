/**
 * The names under which one broker's numbers are published (client-and-cli 5), as one table: the answers to `/metrics` and
 * `/metrics/detail`, docs/metrics.md and the test of the names are made from it. Names are interface.
 *
 * Three dialects: those of kafka_exporter (`kafka_topic_*`), of Kafka's JMX beans as Strimzi spells them
 * (`kafka_<domain>_<type>_<name>`), and our own (`tidemark_*`), in base units: seconds, bytes, shares of one.
 *
 * What the cluster has once is told once: by the active controller, what a partition has once by its leader. So sums over all brokers
 * are what dashboards of those dialects take them for.
 *
 * Not here: series of what is not built yet (groups, transactions, compaction, quotas, logins). They come with it.
 */
import type { MetricFamily } from "./families.ts";
import { jmx } from "./jmx.ts";
import { kafkaExporter } from "./kafka-exporter.ts";
import { tidemark } from "./tidemark.ts";

export type { MetricFamily, Sample } from "./families.ts";

/** In the order in which they are published. */
export const metricTable: readonly MetricFamily[] = Object.freeze([...kafkaExporter, ...jmx, ...tidemark]);
