/** How the cluster, its brokers, its health and its metadata log are shown: stable JSON shapes, columns, pages for people. */
import type {
  BrokerDescription,
  ClusterDescription,
  ClusterFeature,
  HealthReport,
  RaftNode,
  RaftStatus,
} from "@tidemark/client";
import type { CommandContext } from "../command-context.ts";
import { type GlobalFlags, outputFormat } from "../global-flags.ts";
import { type Column, printRows, renderTable } from "./rows.ts";
import { formatMs, plural } from "./units.ts";

// ---- brokers

export type BrokerRow = ReturnType<typeof brokerShape>;

export function brokerShape(broker: BrokerDescription, controllerId: number) {
  const { id, host, port, rack = null, machine = null, alive, fenced, shuttingDown, draining, full, offline } = broker;
  const { leaders, replicas, epoch, version } = broker;
  const controller = id === controllerId;
  return {
    id,
    host,
    port,
    rack,
    machine,
    alive,
    fenced,
    shuttingDown,
    draining,
    full,
    offline,
    controller,
    leaders,
    replicas,
    epoch,
    version,
  };
}

function stateOf({ alive, shuttingDown, draining, full, offline }: BrokerRow): string {
  const first = !alive ? "down" : shuttingDown ? "shutting down" : "alive";
  return [
    first,
    ...(draining ? ["draining"] : []),
    ...(full ? ["full"] : []),
    ...(offline ? ["disk offline"] : []),
  ].join(", ");
}

export const BROKER_COLUMNS: readonly Column<BrokerRow>[] = [
  { title: "broker", cell: (row) => row.id },
  { title: "address", cell: ({ host, port }) => `${host.includes(":") ? `[${host}]` : host}:${port}` },
  { title: "rack", cell: (row) => row.rack },
  { title: "machine", cell: (row) => row.machine, isWide: true },
  { title: "state", cell: stateOf },
  { title: "controller", cell: (row) => (row.controller ? "yes" : ""), value: (row) => row.controller },
  { title: "leaders", cell: (row) => row.leaders },
  { title: "replicas", cell: (row) => row.replicas },
  { title: "version", cell: (row) => row.version },
  { title: "epoch", cell: (row) => row.epoch, isWide: true },
];

export function infoShape({ clusterId, controllerId, metadataOffset, staleMs, brokers }: ClusterDescription) {
  return {
    clusterId,
    controller: controllerId < 0 ? null : controllerId,
    metadataOffset,
    staleMs,
    partitions: brokers.reduce((sum, { leaders }) => sum + leaders, 0),
    replicas: brokers.reduce((sum, { replicas }) => sum + replicas, 0),
    brokers: brokers.map((broker) => brokerShape(broker, controllerId)),
  };
}

const INFO_COLUMNS: readonly Column<ReturnType<typeof infoShape>>[] = [
  { title: "cluster", cell: (row) => row.clusterId },
  { title: "controller", cell: (row) => row.controller },
  { title: "brokers", cell: (row) => row.brokers.length },
  { title: "alive", cell: (row) => row.brokers.filter(({ alive }) => alive).length },
  { title: "partitions", cell: (row) => row.partitions },
  { title: "replicas", cell: (row) => row.replicas },
  { title: "metadata offset", cell: (row) => row.metadataOffset },
];

export function printInfo(context: CommandContext, cluster: ClusterDescription): void {
  const info = infoShape(cluster);
  if (asksForBrokers(context.flags)) return printRows(context, info.brokers, BROKER_COLUMNS);
  if (!isPage(context)) return printRows(context, [info], INFO_COLUMNS);
  const alive = info.brokers.filter((broker) => broker.alive).length;
  const facts = [
    `cluster ${info.clusterId}`,
    `controller ${info.controller ?? "none"}`,
    `${plural(info.brokers.length, "broker")}, ${alive} alive`,
    `${plural(info.partitions, "partition")} led`,
    `metadata offset ${info.metadataOffset}`,
  ];
  const columns = BROKER_COLUMNS.filter(({ title }) => INFO_BROKER_COLUMNS.has(title));
  context.stdout.write(`${facts.join("  ")}\n${renderTable(info.brokers, columns, context.flags.hasHeaders)}`);
}

/** --columns names what people see in the page's table, where it is not of the cluster as a whole. */
function asksForBrokers({ columns }: GlobalFlags): boolean {
  return (columns ?? []).some((name) => INFO_COLUMNS.every(({ title }) => title !== name.toLowerCase()));
}

const INFO_BROKER_COLUMNS: ReadonlySet<string> = new Set(["broker", "address", "rack", "state", "leaders", "replicas"]);

// ---- features

/** `1 to 2`, or where brokers differ `1 (brokers 1, 3), 1 to 2 (broker 2)`. */
function supportText({ brokers }: ClusterFeature): string {
  const byRange = new Map<string, number[]>();
  for (const { broker, oldest, newest } of brokers) {
    const range = oldest === null ? "unknown" : oldest === newest ? String(oldest) : `${oldest} to ${newest}`;
    byRange.set(range, [...(byRange.get(range) ?? []), broker]);
  }
  const ranges = [...byRange];
  if (ranges.length === 1) return ranges[0]?.[0] ?? "";
  return ranges
    .map(([range, ids]) => `${range} (${ids.length === 1 ? "broker" : "brokers"} ${ids.join(", ")})`)
    .join(", ");
}

export const FEATURE_COLUMNS: readonly Column<ClusterFeature>[] = [
  { title: "feature", cell: (row) => row.name },
  { title: "in use", cell: (row) => row.inUse },
  { title: "known", cell: supportText },
];

// ---- health

/** The object of json and yaml, a row per reason in csv and names, a few lines for people. */
export function printHealth(context: CommandContext, report: HealthReport): void {
  const { reasons } = report;
  if (isPage(context)) {
    const head = report.healthy ? "healthy" : `unhealthy: ${report.cause ?? "nobody says why"}`;
    const rest = reasons.filter((reason) => reason !== report.cause);
    context.stdout.write([head, ...rest.map((reason) => `  ${reason}`)].map((line) => `${line}\n`).join(""));
    return;
  }
  const format = outputFormat(context.flags);
  if (format === "csv" || format === "name" || format === "table" || format === "wide")
    printRows(
      context,
      reasons.map((reason) => ({ reason })),
      [{ title: "reason", cell: (row) => row.reason }],
    );
  else printRows(context, [healthShape(report)], []);
}

/** A change in one line, for logs: `05:31:07 unhealthy: broker 3 is down; …`, in UTC. */
export function healthLine({ healthy, reasons }: Pick<HealthReport, "healthy" | "reasons">, at: Date): string {
  return `${at.toISOString().slice(11, 19)} ${healthy ? "healthy" : `unhealthy: ${reasons.join("; ")}`}`;
}

type Reasons = Pick<HealthReport, "reasons">;

/** Whether two looks say the same, but for how often and how long a silent broker was tried: that is never twice the same. */
export function isAsBefore(before: Reasons, now: Reasons): boolean {
  return standing(before) === standing(now);
}

function standing({ reasons }: Reasons): string {
  return reasons.join("\n").replaceAll(/ \(\d+ attempts in \d+ ms\)/gu, "");
}

export function healthShape(report: HealthReport): HealthReport {
  const { healthy, cause, reasons, troubles, controller, brokersDown } = report;
  const { leaderless, underReplicated, underMinIsr, recovering } = report;
  const told = troubles.map(({ code, text, broker }) => ({ code, text, broker }));
  const partitions = { leaderless, underReplicated, underMinIsr, recovering };
  return { healthy, cause, reasons, troubles: told, controller, brokersDown, ...partitions };
}

// ---- the metadata log

const NODE_COLUMNS: readonly Column<RaftNode>[] = [
  { title: "node", cell: (row) => row.id },
  { title: "role", cell: (row) => (row.suspended ? `${row.role}, no room` : row.role), value: (row) => row.role },
  { title: "voter", cell: (row) => (row.voter ? "yes" : "no"), value: (row) => row.voter },
  { title: "match", cell: (row) => row.matchIndex },
  { title: "lag", cell: (row) => row.lag },
  { title: "applied", cell: (row) => row.appliedIndex },
  {
    title: "contact",
    // Of itself a leader hears nothing.
    cell: ({ role, lastContactMs: ms }) => (ms === null || role === "leader" ? null : `${formatMs(ms)} ago`),
    value: (row) => row.lastContactMs,
  },
  { title: "last", cell: (row) => row.lastIndex, isWide: true },
  { title: "commit", cell: (row) => row.commitIndex, isWide: true },
  { title: "term", cell: (row) => row.term, isWide: true },
  { title: "directory", cell: (row) => row.directoryId, isWide: true },
];

export function raftShape({ leader, term, commitIndex, nodes }: RaftStatus): RaftStatus {
  const shapes = nodes.map((node): RaftNode => {
    const { id, directoryId, role, voter, matchIndex, lag, lastContactMs, appliedIndex, lastIndex, suspended } = node;
    const own = { term: node.term, commitIndex: node.commitIndex, appliedIndex, lastIndex };
    return { id, directoryId, role, voter, matchIndex, lag, lastContactMs, ...own, suspended };
  });
  return { leader, term, commitIndex, nodes: shapes };
}

export function printRaft(context: CommandContext, status: RaftStatus): void {
  const format = outputFormat(context.flags);
  if (isPage(context)) {
    const { leader, term, commitIndex, nodes } = status;
    const voters = nodes.filter(({ voter }) => voter).length;
    const learners = nodes.length - voters;
    const facts = [
      `term ${term}`,
      `leader ${leader ?? "none"}`,
      `commit ${commitIndex}`,
      `${plural(voters, "voter")}${learners === 0 ? "" : `, ${plural(learners, "learner")}`}`,
    ];
    const columns = NODE_COLUMNS.filter((column) => format === "wide" || column.isWide !== true);
    context.stdout.write(`${facts.join("  ")}\n${renderTable(nodes, columns, context.flags.hasHeaders)}`);
  } else if (format === "csv" || format === "name" || format === "table" || format === "wide") {
    printRows(context, status.nodes, NODE_COLUMNS);
  } else {
    printRows(context, [raftShape(status)], []);
  }
}

/** For people; --columns wants rows. */
function isPage({ flags }: CommandContext): boolean {
  const format = outputFormat(flags);
  return (format === "table" || format === "wide") && flags.columns === null;
}
