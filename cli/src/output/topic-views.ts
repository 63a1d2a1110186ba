/** How topics are shown: the stable JSON shapes, the columns, and the page that `describe` is for people. */
import type { ConfigEntry, TopicDescription, TopicSummary } from "@tidemark/client";
import type { CommandContext } from "../command-context.ts";
import { outputFormat } from "../global-flags.ts";
import { PARTITION_COLUMNS, type PartitionRow as Partition, partitionShape } from "./partition-views.ts";
import { type Column, printRows, renderTable } from "./rows.ts";
import { formatBytes, plural } from "./units.ts";

/** Whatever else the SDK's object carries. */
export function summaryShape(topic: TopicSummary): TopicSummary {
  const { name, partitions, replicas, internal, bytes } = topic;
  return { name, partitions, replicas, internal, bytes };
}

export const SUMMARY_COLUMNS: readonly Column<TopicSummary>[] = [
  { title: "topic", cell: (row) => row.name },
  { title: "partitions", cell: (row) => row.partitions },
  { title: "replicas", cell: (row) => row.replicas },
  { title: "size", cell: (row) => formatBytes(row.bytes), value: (row) => row.bytes },
  { title: "internal", cell: (row) => row.internal, isWide: true },
];

type PartitionRow = Partition & { readonly topic: string };

/** Formats without pages show a row per partition. */
const ROW_COLUMNS: readonly Column<PartitionRow>[] = [
  { title: "topic", cell: (row) => row.topic },
  ...PARTITION_COLUMNS,
];

const SETTING_COLUMNS: readonly Column<ConfigEntry>[] = [
  { title: "setting", cell: (row) => row.name },
  { title: "value", cell: (row) => row.value },
  { title: "source", cell: (row) => row.source, isWide: true },
];

export function descriptionShape(topic: TopicDescription): object {
  const { name, id, partitions, replicas, internal, bytes, config, detail } = topic;
  return {
    name,
    id,
    partitions,
    replicas,
    internal,
    bytes,
    config: config.map(({ name: key, value, source, sensitive, readOnly }) => ({
      name: key,
      value,
      source,
      sensitive,
      readOnly,
    })),
    detail: detail.map(partitionShape),
  };
}

/** A page per topic for people, a row per partition for csv and --columns, an object per topic for the rest. */
export function printDescriptions(context: CommandContext, topics: readonly TopicDescription[]): void {
  const format = outputFormat(context.flags);
  const isPage = (format === "table" || format === "wide") && context.flags.columns === null;
  if (isPage) {
    const { hasHeaders } = context.flags;
    context.stdout.write(topics.map((topic) => renderPage(topic, hasHeaders, format === "wide")).join("\n"));
  } else if (format === "name") {
    printRows(context, topics.map(summaryShape), SUMMARY_COLUMNS);
  } else if (format === "table" || format === "wide" || format === "csv") {
    const rows = topics.flatMap((topic) =>
      topic.detail.map((partition) => ({ ...partitionShape(partition), topic: topic.name })),
    );
    printRows(context, rows, ROW_COLUMNS);
  } else {
    printRows(context, topics.map(descriptionShape), []);
  }
}

/** The page of a topic; `wide` shows every setting, else those that are the topic's own. */
function renderPage(topic: TopicDescription, hasHeaders: boolean, isWide: boolean): string {
  const shown = <R>(columns: readonly Column<R>[]): readonly Column<R>[] =>
    columns.filter((column) => isWide || column.isWide !== true);
  const facts = [
    `id ${topic.id}`,
    plural(topic.partitions, "partition"),
    plural(topic.replicas, "replica"),
    formatBytes(topic.bytes),
  ];
  const settings = topic.config.filter((entry) => isWide || entry.source === "topic");
  return [
    `topic ${topic.name}  ${facts.join("  ")}${topic.internal ? "  internal" : ""}\n`,
    renderTable(topic.detail.map(partitionShape), shown(PARTITION_COLUMNS), hasHeaders),
    settings.length === 0 ? "" : renderTable(settings, shown(SETTING_COLUMNS), hasHeaders),
  ].join("");
}
