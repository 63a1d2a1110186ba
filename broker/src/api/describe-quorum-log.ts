/**
 * A page of the metadata log as this broker holds it, its records decoded: for people who want to know what happened. What is not
 * committed yet is shown too, and may still be replaced.
 */
import { type ClusterImage, entryTexts } from "../metadata/index.ts";
import { ApiError } from "./api-error.ts";
import type { BrokerContext } from "./broker-context.ts";

export interface QuorumLog {
  /** Of the oldest entry that is kept; what is below is in the snapshot. */
  readonly firstIndex: number;
  readonly lastIndex: number;
  readonly commitIndex: number;
  readonly snapshotIndex: number;
  readonly snapshotTerm: number;
  readonly entries: readonly LoggedEntry[];
}

export interface LoggedEntry {
  readonly index: number;
  readonly term: number;
  readonly kind: "command" | "leaderStart" | "voters";
  readonly bytes: number;
  /** Of a command: its leader's clock when it was proposed, Unix ms; -1: not known. */
  readonly atMs: number;
  /** Of a command, each as JSON; beside the id of a topic that there is now stands its name, as `topic`. */
  readonly records: readonly string[];
  /** Further records, which do not fit into an answer. */
  readonly recordsLeftOut: number;
  /** The complete list, of an entry that changes it. */
  readonly voters: readonly { readonly nodeId: number; readonly directoryId: string }[];
}

/** Of one answer; an entry that is larger by itself is cut. */
const PAGE_BYTES_MAX = 1024 * 1024;
const ENTRIES_MAX = 1_000;

/** `fromIndex` 0: from the oldest that is kept. `maxEntries` 0: as many as fit. */
export function handleDescribeQuorumLog(
  context: BrokerContext,
  { fromIndex, maxEntries }: { readonly fromIndex: number; readonly maxEntries: number },
): QuorumLog {
  const page = context.controller.logPage(fromIndex, PAGE_BYTES_MAX);
  if (page === null) throw new ApiError("KAFKA_STORAGE_ERROR", "the metadata log is not open, or has no room to go on");
  const { firstIndex, lastIndex, commitIndex, snapshot, entries } = page;
  const { topicsById } = context.image();
  const shown = entries.slice(0, maxEntries === 0 ? ENTRIES_MAX : Math.min(maxEntries, ENTRIES_MAX));
  return {
    firstIndex,
    lastIndex,
    commitIndex,
    snapshotIndex: snapshot.index,
    snapshotTerm: snapshot.term,
    entries: shown.map(({ index, term, body }): LoggedEntry => {
      const entry = { index, term, kind: body.kind, bytes: 0, atMs: -1, records: [], recordsLeftOut: 0, voters: [] };
      if (body.kind === "voters") return { ...entry, voters: body.voters };
      return body.kind === "command"
        ? { ...entry, bytes: body.bytes.byteLength, ...textsOf(body.bytes, topicsById) }
        : entry;
    }),
  };
}

function textsOf(
  bytes: Uint8Array,
  topics: ClusterImage["topicsById"],
): Pick<LoggedEntry, "atMs" | "records" | "recordsLeftOut"> {
  const { at, records: texts } = entryTexts(bytes, topics);
  let left = PAGE_BYTES_MAX;
  const fitting = texts.findIndex((text) => (left -= text.length) < 0);
  const records = fitting < 0 ? texts : texts.slice(0, fitting);
  return { atMs: at ?? -1, records, recordsLeftOut: texts.length - records.length };
}
