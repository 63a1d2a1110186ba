/** How entries of the metadata log are shown: whole records for machines, for people a line of what they did. */
import type { RaftLogEntry } from "@tidemark/client";
import type { Column } from "./rows.ts";

export type LogRow = ReturnType<typeof logShape>;

export function logShape({ index, term, kind, committed, at, bytes, records, recordsLeftOut, voters }: RaftLogEntry) {
  return { index, term, kind, committed, at, bytes, records, recordsLeftOut, voters };
}

export const LOG_COLUMNS: readonly Column<LogRow>[] = [
  { title: "index", cell: (row) => row.index },
  { title: "term", cell: (row) => row.term },
  { title: "kind", cell: ({ kind, committed }) => (committed ? kind : `${kind} *`), value: (row) => row.kind },
  { title: "time", cell: ({ at }) => (at === null ? null : new Date(at).toISOString()), value: (row) => row.at },
  { title: "what", cell: whatOf },
  { title: "bytes", cell: (row) => row.bytes, isWide: true },
  { title: "committed", cell: (row) => row.committed, isWide: true },
];

function whatOf({ records, recordsLeftOut, voters }: LogRow): string {
  if (voters !== null) return voters.map(({ id }) => id).join(", ");
  const groups = new Map<string, Readonly<Record<string, unknown>>[]>();
  for (const record of records) {
    const type = String(record["type"]);
    groups.set(type, [...(groups.get(type) ?? []), record]);
  }
  const parts = [...groups].map(([type, [first, ...others]]) =>
    others.length > 0 ? `${type} x${others.length + 1}` : [type, subjectOf(first ?? {})].join(" ").trimEnd(),
  );
  if (recordsLeftOut > 0) parts.push(`and ${recordsLeftOut} more`);
  return parts.join(", ");
}

/** What a single record is about. */
function subjectOf(record: Readonly<Record<string, unknown>>): string {
  const { name, topicId, partition, brokerId, nodeId, leaderId, controllerId } = record as Readonly<
    Record<string, string | number | undefined>
  >;
  if (name !== undefined) return String(name);
  if (topicId !== undefined) return partition === undefined ? String(topicId) : `${topicId}:${partition}`;
  const id = brokerId ?? nodeId ?? leaderId ?? controllerId;
  return id === undefined ? "" : String(id);
}
