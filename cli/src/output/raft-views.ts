/** How entries of the metadata log are shown: whole records for machines, for people a line of what they did. */
import type { RaftLogEntry } from "@tidemark/client";
import { textsOf } from "./raft-records.ts";
import type { Column } from "./rows.ts";

/** Of one entry. */
const TEXTS_MAX = 4;

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
  const texts = textsOf(records);
  const shown = texts.slice(0, TEXTS_MAX);
  const left = texts.length - shown.length + recordsLeftOut;
  return [...shown, ...(left > 0 ? [`and ${left} more`] : [])].join(", ");
}
