/** How partitions are shown: the stable JSON shapes, and the columns that lists and descriptions share. */
import type { PartitionDescription, PartitionDetail } from "@tidemark/client";
import type { CommandContext } from "../command-context.ts";
import { outputFormat } from "../global-flags.ts";
import { type Column, printRows, renderTable } from "./rows.ts";
import { formatBytes } from "./units.ts";

export type PartitionRow = ReturnType<typeof partitionShape>;

/** Offsets that nobody told of, the SDK's -1, are null. */
export function partitionShape(detail: PartitionDetail) {
  const known = (offset: number): number | null => (offset < 0 ? null : offset);
  return {
    partition: detail.partition,
    leader: detail.leader,
    leaderEpoch: detail.leaderEpoch,
    replicas: detail.replicas,
    isr: detail.isr,
    elr: detail.elr,
    lastIsr: detail.lastIsr.map(({ broker, directoryId }) => ({ broker, directoryId })),
    minIsr: detail.minIsr,
    recovering: detail.recovering,
    adding: detail.adding,
    removing: detail.removing,
    damaged: detail.damaged,
    start: known(detail.start),
    highWatermark: known(detail.highWatermark),
    lastStable: known(detail.lastStable),
    end: known(detail.end),
    bytes: detail.bytes,
    troubles: detail.troubles,
  };
}

const PLACEMENT_COLUMNS: readonly Column<PartitionRow>[] = [
  { title: "leader", cell: (row) => row.leader ?? "none", value: (row) => row.leader },
  { title: "replicas", cell: (row) => row.replicas.join(",") },
  { title: "isr", cell: (row) => row.isr.join(",") },
  { title: "elr", cell: (row) => row.elr.join(","), isWide: true },
  { title: "epoch", cell: (row) => row.leaderEpoch, isWide: true },
];

const OFFSET_COLUMNS: readonly Column<PartitionRow>[] = [
  { title: "start", cell: (row) => row.start },
  { title: "high watermark", cell: (row) => row.highWatermark },
  { title: "records", cell: recordsOf },
  { title: "last stable", cell: (row) => row.lastStable, isWide: true },
  { title: "end", cell: (row) => row.end, isWide: true },
  { title: "size", cell: sizeOf, value: (row) => row.bytes, isWide: true },
];

/** Of the partitions of one topic. */
export const PARTITION_COLUMNS: readonly Column<PartitionRow>[] = [
  { title: "partition", cell: (row) => row.partition },
  ...PLACEMENT_COLUMNS,
  ...OFFSET_COLUMNS,
];

function recordsOf({ start, highWatermark }: PartitionRow): number | null {
  return highWatermark === null || start === null ? null : highWatermark - start;
}

/** Of a leader that told of nothing, nothing is known. */
function sizeOf({ end, bytes }: PartitionRow): string | null {
  return end === null ? null : formatBytes(bytes);
}

// ---- partitions of many topics

export type PartitionListRow = ReturnType<typeof listShape>;

export function listShape({ topic, ...detail }: PartitionDescription) {
  return { topic, ...partitionShape(detail) };
}

export const LIST_COLUMNS: readonly Column<PartitionListRow>[] = [
  { title: "topic", cell: (row) => row.topic },
  { title: "partition", cell: (row) => row.partition },
  ...PLACEMENT_COLUMNS,
  { title: "high watermark", cell: (row) => row.highWatermark },
  { title: "size", cell: sizeOf, value: (row) => row.bytes },
  { title: "troubles", cell: (row) => row.troubles.join(", ") },
];

// ---- one partition

/** A replica: what the metadata says of it, and what its broker has on disk; null where that did not answer. */
export interface ReplicaRow {
  readonly broker: number;
  readonly role: "leader" | "follower";
  readonly inSync: boolean;
  /** It has all that is committed, and may lead. */
  readonly eligible: boolean;
  /** Its bytes were found bad, and it is not in sync again. */
  readonly damaged: boolean;
  readonly bytes: number | null;
  readonly end: number | null;
  /** Records behind the replica that has most. */
  readonly lag: number | null;
  readonly path: string | null;
}

type NamedReplica = ReplicaRow & { readonly topic: string; readonly partition: number };

const yesNo = (is: boolean): string => (is ? "yes" : "no");

const REPLICA_COLUMNS: readonly Column<ReplicaRow>[] = [
  { title: "broker", cell: (row) => row.broker },
  { title: "role", cell: (row) => row.role },
  {
    title: "in sync",
    cell: (row) => (row.damaged ? `${yesNo(row.inSync)}, damaged` : yesNo(row.inSync)),
    value: (row) => row.inSync,
  },
  { title: "eligible", cell: (row) => yesNo(row.eligible), value: (row) => row.eligible, isWide: true },
  {
    title: "size",
    cell: (row) => (row.bytes === null ? null : formatBytes(row.bytes)),
    value: (row) => row.bytes,
  },
  { title: "end", cell: (row) => row.end },
  { title: "lag", cell: (row) => row.lag },
  { title: "path", cell: (row) => row.path, isWide: true },
];

const REPLICA_LIST_COLUMNS: readonly Column<NamedReplica>[] = [
  { title: "topic", cell: (row) => row.topic },
  { title: "partition", cell: (row) => row.partition },
  ...REPLICA_COLUMNS,
];

interface Described {
  readonly partition: PartitionDescription;
  readonly replicas: readonly ReplicaRow[];
}

/** A page per partition for people, a row per replica for csv and --columns, an object per partition for the rest. */
export function printPartitions(context: CommandContext, described: readonly Described[]): void {
  const { flags, stdout } = context;
  const format = outputFormat(flags);
  if ((format === "table" || format === "wide") && flags.columns === null) {
    stdout.write(described.map((one) => renderPartition(one, flags.hasHeaders, format === "wide")).join("\n"));
  } else if (format === "name") {
    for (const { partition } of described) stdout.write(`${partition.topic}:${partition.partition}\n`);
  } else if (format === "table" || format === "wide" || format === "csv") {
    const rows = described.flatMap(({ partition: { topic, partition }, replicas }) =>
      replicas.map((replica): NamedReplica => ({ topic, partition, ...replica })),
    );
    printRows(context, rows, REPLICA_LIST_COLUMNS);
  } else {
    printRows(
      context,
      described.map(({ partition, replicas }) => ({ ...listShape(partition), logs: replicas })),
      [],
    );
  }
}

function renderPartition({ partition, replicas }: Described, hasHeaders: boolean, isWide: boolean): string {
  const row = listShape(partition);
  const offset = (value: number | null): string => (value === null ? "not known" : String(value));
  const facts = [
    `leader ${row.leader ?? "none"}`,
    `epoch ${row.leaderEpoch}`,
    `min.insync.replicas ${row.minIsr}`,
    ...(row.elr.length === 0 ? [] : [`eligible too ${row.elr.join(",")}`]),
  ];
  const offsets = [
    `start ${offset(row.start)}`,
    `high watermark ${offset(row.highWatermark)}`,
    `last stable ${offset(row.lastStable)}`,
    `end ${offset(row.end)}`,
  ];
  const last = row.lastIsr.map(({ broker, directoryId }) => `${broker} (${directoryId})`);
  return [
    `partition ${row.topic}:${row.partition}  ${facts.join("  ")}\n`,
    `${offsets.join("  ")}\n`,
    isWide ? `last in sync ${last.join(", ")}\n` : "",
    row.troubles.length === 0 ? "" : `troubles ${row.troubles.join(", ")}\n`,
    renderTable(
      replicas,
      REPLICA_COLUMNS.filter((column) => isWide || column.isWide !== true),
      hasHeaders,
    ),
  ].join("");
}
