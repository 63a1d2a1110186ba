/** How partitions are shown: the stable JSON shape, and the columns that lists and descriptions share. */
import type { PartitionDetail } from "@tidemark/client";
import type { Column } from "./rows.ts";
import { formatBytes } from "./units.ts";

/** The SDK's -1: whoever would know did not answer. */
function known(offset: number): number | null {
  return offset < 0 ? null : offset;
}

function recordsOf({ start, highWatermark }: PartitionDetail): number | null {
  return highWatermark < 0 ? null : highWatermark - start;
}

export function partitionShape(detail: PartitionDetail): object {
  const { start, highWatermark, lastStable, end } = detail;
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
    start: known(start),
    highWatermark: known(highWatermark),
    lastStable: known(lastStable),
    end: known(end),
    bytes: detail.bytes,
    troubles: detail.troubles,
  };
}

export const PLACEMENT_COLUMNS: readonly Column<PartitionDetail>[] = [
  { title: "leader", cell: (row) => row.leader ?? "none", value: (row) => row.leader },
  { title: "replicas", cell: (row) => row.replicas.join(",") },
  { title: "isr", cell: (row) => row.isr.join(",") },
  { title: "elr", cell: (row) => row.elr.join(","), isWide: true },
  { title: "epoch", cell: (row) => row.leaderEpoch, isWide: true },
];

export const OFFSET_COLUMNS: readonly Column<PartitionDetail>[] = [
  { title: "start", cell: (row) => known(row.start) },
  { title: "high watermark", cell: (row) => known(row.highWatermark) },
  { title: "records", cell: recordsOf },
  { title: "last stable", cell: (row) => known(row.lastStable), isWide: true },
  { title: "end", cell: (row) => known(row.end), isWide: true },
  { title: "size", cell: (row) => formatBytes(row.bytes), value: (row) => row.bytes, isWide: true },
];
