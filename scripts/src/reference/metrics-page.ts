/** docs/metrics.md, made from the table that /metrics is made from. */
import { type MetricFamily, metricTable } from "@tidemark/broker/tools";
import { markdownTable } from "./markdown.ts";

const INTRODUCTION = `# Metrics

Made by \`npm run reference\` from the table that the broker publishes from; a test fails when it is out of date.

The HTTP door answers in Prometheus' text format: \`/metrics\` with what exists once per broker and topic, and
\`/metrics/detail\` with everything. Series of single partitions that kafka_exporter's dashboards want are in \`/metrics\`, too, as
long as the broker has no more than \`tidemark.metrics.partitions.max\` partitions; \`tidemark_metrics_partitions_omitted\` says
when it has. Times are in seconds, sizes in bytes, shares from 0 to 1, except where a name of Kafka's says otherwise. A counter
counts from the start of the process. Of a topic that is deleted no series is left.

\`kafka_server_brokertopicmetrics_*\` stand once without a label, for the broker, and in the detail once more for each topic, as
Kafka has them: sum over \`{topic!=""}\`, or take the one without.

Beside these stand prom-client's numbers of the process: \`process_*\` (memory, descriptors, start time) and \`nodejs_*\` (heap,
handles, garbage collection, the latter from the first scrape on).
`;

const where: Readonly<Record<MetricFamily["scope"], string>> = {
  summary: "both",
  partitions: "both, see above",
  detail: "detail",
};

/** @returns the whole page, with its final LF */
export function metricsPage(): string {
  const isOwn = ({ name }: MetricFamily): boolean => !name.startsWith("kafka_");
  const isExporter = ({ name }: MetricFamily): boolean => /^kafka_(broker|topic)/.test(name);
  return [
    INTRODUCTION,
    "## As kafka_exporter names them\n",
    table(metricTable.filter(isExporter)),
    "## As Kafka's JMX beans are named by Strimzi\n",
    table(metricTable.filter((family) => !isOwn(family) && !isExporter(family))),
    "## Tidemark's own\n",
    table(metricTable.filter(isOwn)),
  ].join("\n");
}

function table(families: readonly MetricFamily[]): string {
  return markdownTable(
    ["name", "type", "labels", "where", "what it says"],
    families.map(({ name, type, labels, scope, help }) => [
      `\`${name}\``,
      type,
      labels.map((label) => `\`${label}\``).join(" "),
      where[scope],
      help,
    ]),
  );
}
