/** How plans and moves under way are shown: columns, stable JSON shapes, and what a plan costs in a sentence. */
import type { PartitionMove, Reassignment } from "@tidemark/client";
import type { Column } from "./rows.ts";
import { formatBytes, plural } from "./units.ts";

// ---- a plan

export type MoveRow = ReturnType<typeof moveShape>;

export function moveShape({ topic, partition, current, replicas, adding, removing, bytes }: PartitionMove) {
  return { topic, partition, current, replicas, adding, removing, bytes };
}

export const MOVE_COLUMNS: readonly Column<MoveRow>[] = [
  { title: "topic", cell: (row) => row.topic },
  { title: "partition", cell: (row) => row.partition },
  { title: "current", cell: (row) => row.current.join(",") },
  { title: "target", cell: (row) => row.replicas.join(",") },
  { title: "adding", cell: (row) => row.adding.join(","), isWide: true },
  { title: "removing", cell: (row) => row.removing.join(","), isWide: true },
  {
    title: "to copy",
    cell: (row) => (row.bytes === null ? null : formatBytes(row.bytes)),
    value: (row) => row.bytes,
  },
];

/** `12 replicas of 8 partitions, 1.2 GiB to copy`. */
export function costOf(moves: readonly PartitionMove[]): string {
  const replicas = moves.reduce((sum, { adding }) => sum + adding.length, 0);
  const partitions = plural(moves.length, "partition");
  if (replicas === 0) return `${partitions} in another order, or with fewer replicas; nothing to copy`;
  const known = moves.flatMap(({ bytes }) => bytes ?? []);
  const least = known.length < moves.length ? "at least " : "";
  const bytes = known.reduce((sum, size) => sum + size, 0);
  return `${plural(replicas, "replica")} of ${partitions}, ${least}${formatBytes(bytes)} to copy`;
}

// ---- moves under way

export type ReassignmentRow = ReturnType<typeof reassignmentShape>;

export function reassignmentShape({ topic, partition, replicas, adding, removing, copies }: Reassignment) {
  return {
    topic,
    partition,
    replicas,
    adding,
    removing,
    copies: copies.map(({ broker, bytes, ofBytes }) => ({ broker, bytes, ofBytes })),
  };
}

export const REASSIGNMENT_COLUMNS: readonly Column<ReassignmentRow>[] = [
  { title: "topic", cell: (row) => row.topic },
  { title: "partition", cell: (row) => row.partition },
  { title: "target", cell: (row) => row.replicas.join(",") },
  { title: "adding", cell: (row) => row.adding.join(",") },
  { title: "removing", cell: (row) => row.removing.join(",") },
  { title: "copied", cell: (row) => sizeOf(copiedBytes(row)), value: copiedBytes },
  { title: "left", cell: (row) => sizeOf(leftBytes(row)), value: leftBytes },
  { title: "done", cell: doneShare },
];

function copiedBytes({ copies }: ReassignmentRow): number | null {
  return sumOf(copies.map(({ bytes }) => bytes));
}

/** What a replica lacks of the fullest one: records in page caches and last segments make that a little more or less than 0. */
function leftBytes({ copies }: ReassignmentRow): number | null {
  return sumOf(copies.map(({ bytes, ofBytes }) => (ofBytes === null ? null : Math.max(ofBytes - (bytes ?? 0), 0))));
}

function doneShare({ copies }: ReassignmentRow): string | null {
  const whole = sumOf(copies.map(({ ofBytes }) => ofBytes));
  if (whole === null) return null;
  const done = copies.reduce((sum, { bytes, ofBytes }) => sum + Math.min(bytes ?? 0, ofBytes ?? 0), 0);
  // All but in sync: that takes a moment more.
  return `${whole === 0 ? 99 : Math.min(99, Math.floor((100 * done) / whole))} %`;
}

/** Null as soon as one is not known. */
function sumOf(sizes: readonly (number | null)[]): number | null {
  return sizes.reduce<number | null>((sum, size) => (sum === null || size === null ? null : sum + size), 0);
}

function sizeOf(bytes: number | null): string | null {
  return bytes === null ? null : formatBytes(bytes);
}
