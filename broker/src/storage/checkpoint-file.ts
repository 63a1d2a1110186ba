/**
 * Kafka's checkpoint files (2.6): text, LF. First line `0` (the version), second the number of entries, then one entry a
 * line: `topic partition offset`, or for leader epochs `epoch startOffset`.
 *
 * A missing or empty file has no entries. Anything else that does not parse to the last byte is malformed; what follows
 * from that (start empty, or refuse to start) is the caller's decision. Here is the format only.
 */
import type { Disk } from "../ports/index.ts";
import { readWholeFile } from "./file-io.ts";

const VERSION = "0";

export type ParsedCheckpoint<Entries> =
  | { readonly ok: true; readonly entries: Entries }
  | { readonly ok: false; readonly reason: string };

/** Offsets by log, under `logKey`. */
export type OffsetEntries = Map<string, number>;
export type EpochEntry = { readonly epoch: number; readonly startOffset: number };

/** How a replica is called in maps and messages: its directory's name. */
export function logKey(topic: string, partition: number): string {
  return `${topic}-${partition}`;
}

export function formatOffsets(
  entries: Iterable<{ readonly topic: string; readonly partition: number; readonly offset: number }>,
): string {
  const lines: string[] = [];
  for (const { topic, partition, offset } of entries) lines.push(`${topic} ${partition} ${offset}`);
  return formatLines(lines);
}

export function parseOffsets(text: string): ParsedCheckpoint<OffsetEntries> {
  const lines = parseLines(text);
  if (!lines.ok) return lines;
  const entries: OffsetEntries = new Map();
  for (const line of lines.entries) {
    const [topic, partition, offset, ...rest] = line.split(/\s+/u);
    const partitionNumber = parseInteger(partition);
    const offsetNumber = parseInteger(offset);
    if (topic === undefined || topic === "" || partitionNumber === null || offsetNumber === null || rest.length > 0) {
      return { ok: false, reason: `not "topic partition offset": ${quote(line)}` };
    }
    entries.set(logKey(topic, partitionNumber), offsetNumber);
  }
  return { ok: true, entries };
}

export function formatEpochs(entries: readonly EpochEntry[]): string {
  return formatLines(entries.map(({ epoch, startOffset }) => `${epoch} ${startOffset}`));
}

/** Epochs and start offsets must strictly ascend (ST4). */
export function parseEpochs(text: string): ParsedCheckpoint<EpochEntry[]> {
  const lines = parseLines(text);
  if (!lines.ok) return lines;
  const entries: EpochEntry[] = [];
  let previous: EpochEntry = { epoch: -1, startOffset: -1 };
  for (const line of lines.entries) {
    const [epochText, startText, ...rest] = line.split(/\s+/u);
    const epoch = parseInteger(epochText);
    const startOffset = parseInteger(startText);
    if (epoch === null || startOffset === null || rest.length > 0) {
      return { ok: false, reason: `not "epoch startOffset": ${quote(line)}` };
    }
    if (epoch <= previous.epoch || startOffset <= previous.startOffset) {
      return { ok: false, reason: `epochs and start offsets must ascend: ${quote(line)}` };
    }
    previous = { epoch, startOffset };
    entries.push(previous);
  }
  return { ok: true, entries };
}

/** Reads and parses one of them; I/O errors are thrown. */
export function readCheckpoint<Entries>(
  disk: Disk,
  path: string,
  parse: (text: string) => ParsedCheckpoint<Entries>,
): ParsedCheckpoint<Entries> {
  return parse(readWholeFile(disk, path)?.toString("utf8") ?? "");
}

function formatLines(lines: readonly string[]): string {
  return [VERSION, String(lines.length), ...lines, ""].join("\n");
}

function parseLines(text: string): ParsedCheckpoint<string[]> {
  if (text === "") return { ok: true, entries: [] };
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  const [version, countText, ...entries] = lines;
  if (version !== VERSION) return { ok: false, reason: `version ${quote(version ?? "")} is not known` };
  const count = parseInteger(countText);
  if (count === null) return { ok: false, reason: `not a number of entries: ${quote(countText ?? "")}` };
  if (count !== entries.length) return { ok: false, reason: `${count} entries announced, ${entries.length} found` };
  return { ok: true, entries };
}

/** A non-negative safe integer in decimal, else null. */
function parseInteger(text: string | undefined): number | null {
  if (text === undefined || !/^\d{1,16}$/u.test(text)) return null;
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : null;
}

function quote(text: string): string {
  return JSON.stringify(text.slice(0, 80));
}
