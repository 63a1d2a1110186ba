/**
 * The page of `top`: of one broker a head of rates and gauges, of several a line each; then the hottest partitions. Pure; columns that
 * the terminal has no room for are left out, those that are missed least first, and what is still too wide is cut.
 */
import { type BrokerLoad, hottestOfAll, type PartitionLoad, type SourceLoad } from "../records/broker-load.ts";
import { type Column, renderTable } from "./rows.ts";
import { formatBytes, formatCount, formatMs, formatSeconds, plural } from "./units.ts";

export interface PageFrame {
  readonly source: string;
  readonly missing: string | null;
  readonly columns: number;
}

const COLUMNS: readonly Column<PartitionLoad>[] = [
  { title: "topic", cell: (row) => row.topic },
  // Without the metrics a topic is the smallest that has a size.
  { title: "partition", cell: (row) => (row.partition < 0 ? "all" : row.partition) },
  { title: "records/s", cell: (row) => shown(row.recordsPerSecond, formatCount) },
  { title: "bytes/s", cell: (row) => shown(row.bytesPerSecond, formatBytes) },
  { title: "size", cell: (row) => shown(row.bytes, formatBytes) },
];

export function renderLoad(load: BrokerLoad, { source, missing, columns }: PageFrame): string {
  const version = load.version === null ? "" : `  tidemark ${load.version}`;
  const uptime = load.uptimeSeconds === null ? "" : `  up ${formatSeconds(load.uptimeSeconds)}`;
  const perSecond = (value: number | null, format: (value: number) => string): string =>
    value === null ? "-" : `${format(value)}/s`;
  const connections = Object.entries(load.connections).map(([listener, count]) => `${listener} ${count}`);
  const facts = [
    `broker ${source}${version}${uptime}`,
    ...(missing === null ? [] : [missing]),
    "",
    `in    ${pad(perSecond(load.recordsIn, formatCount))} records  ${pad(perSecond(load.bytesIn, formatBytes))}  ${perSecond(load.produceRequests, formatCount)} requests`,
    `out   ${pad("")}          ${pad(perSecond(load.bytesOut, formatBytes))}  ${perSecond(load.fetchRequests, formatCount)} answers, ${perSecond(load.failedRequests, formatCount)} failed`,
    `log   ${shown(load.logBytes, formatBytes)} in ${shown(load.partitions, (count) => plural(count, "partition"))}, ${shown(load.diskFreeBytes, formatBytes)} free`,
    `conn  ${connections.length === 0 ? "-" : connections.join(", ")}`,
    `node  cpu ${shown(load.cpu, percent)}  memory ${shown(load.memoryBytes, formatBytes)}  event loop ${shown(load.loopBusy, percent)} busy, p99 ${shown(load.loopDelayMs, formatMs)}`,
    "",
  ];
  return cut(`${facts.join("\n")}\n${renderTable(load.hottest, COLUMNS, true)}`, columns);
}

/** A broker with what only the others know of it. */
interface BrokerRow extends SourceLoad {
  /** Records that its replica which is furthest behind lacks, as the leaders say. */
  readonly lag: number | null;
}

const BROKER_COLUMNS: readonly Column<BrokerRow>[] = [
  { title: "broker", cell: ({ id }) => id ?? "-" },
  { title: "http", cell: ({ name }) => name },
  { title: "in/s", cell: ({ load }) => shown(load?.recordsIn ?? null, formatCount) },
  { title: "bytes in/s", cell: ({ load }) => shown(load?.bytesIn ?? null, formatBytes) },
  { title: "bytes out/s", cell: ({ load }) => shown(load?.bytesOut ?? null, formatBytes) },
  { title: "leads", cell: ({ load }) => shown(load?.leaders ?? null, formatCount) },
  { title: "under-replicated", cell: ({ load }) => shown(load?.underReplicated ?? null, formatCount) },
  { title: "lag", cell: ({ lag }) => shown(lag, formatCount) },
  { title: "log", cell: ({ load }) => shown(load?.logBytes ?? null, formatBytes) },
  { title: "cpu", cell: ({ load }) => shown(load?.cpu ?? null, percent) },
  { title: "memory", cell: ({ load }) => shown(load?.memoryBytes ?? null, formatBytes) },
  { title: "busy", cell: ({ load }) => shown(load?.loopBusy ?? null, percent) },
];

export function renderCluster(
  loads: readonly SourceLoad[],
  { rows, columns }: { readonly rows: number; readonly columns: number },
): string {
  const table = brokerTable(
    loads.map((source): BrokerRow => ({ ...source, lag: lagOf(source.id, loads) })),
    columns,
  );
  return cut(`${headOf(loads)}\n\n${table}\n${renderTable(hottestOfAll(loads, rows), COLUMNS, true)}`, columns);
}

/** How many partitions are under-replicated stands in the head, too. */
const MISSED_LEAST = ["http", "under-replicated", "log", "memory", "busy", "leads"];

function brokerTable(rows: readonly BrokerRow[], width: number): string {
  for (let leftOut = 0; ; leftOut += 1) {
    const without = new Set(MISSED_LEAST.slice(0, leftOut));
    const shownColumns = BROKER_COLUMNS.filter(({ title }) => !without.has(title));
    const table = renderTable(rows, shownColumns, true);
    if (leftOut === MISSED_LEAST.length || table.split("\n").every((line) => line.length <= width)) return table;
  }
}

function headOf(loads: readonly SourceLoad[]): string {
  const under = loads.reduce((sum, { load }) => sum + (load?.underReplicated ?? 0), 0);
  const controller = loads.find(({ load }) => (load?.offlinePartitions ?? null) !== null);
  const offline = controller?.load?.offlinePartitions ?? 0;
  const facts = [
    plural(loads.length, "broker"),
    ...(controller === undefined ? [] : [`broker ${controller.id} is the controller`]),
    ...(offline === 0 ? [] : [`${plural(offline, "partition")} without a leader`]),
    ...(under === 0 ? [] : [`${formatCount(under)} under-replicated`]),
    ...loads.filter(({ load }) => load === null).map(({ id, name }) => `no metrics from broker ${id} at ${name}`),
  ];
  return facts.join(", ");
}

function lagOf(id: number | null, loads: readonly SourceLoad[]): number | null {
  const lags = loads.flatMap(({ load }) => load?.followerLags[String(id)] ?? []);
  return lags.length === 0 ? null : Math.max(...lags);
}

function cut(page: string, columns: number): string {
  return page
    .split("\n")
    .map((line) => (line.length > columns ? `${line.slice(0, Math.max(columns - 1, 0))}…` : line))
    .join("\n");
}

function shown(value: number | null, format: (value: number) => string): string {
  return value === null ? "-" : format(value);
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

function pad(text: string): string {
  return text.padStart(12);
}
