/**
 * From lines to records: the three input formats of `produce` and the settings that hold for every record of a run
 * (`-k -H -p --key-separator --tombstone`). Pure: bytes in, record out.
 *
 * - `lines`: a line is a value. With `--key-separator S` what stands before the first S is the key; a line without S is
 *   a value without a key. With `--tombstone` a line is a key, and its value is null.
 * - `ndjson`: a line is an envelope (envelope.ts). `-k` and `-p` win over it, `-H` adds to its headers; with `--no-partition`
 *   its partition is left aside and the partitioner chooses by key. Blank lines are skipped.
 * - `bytes`: a whole input is one value.
 */
import type { RecordToProduce } from "./envelope.ts";
import { parseEnvelope } from "./envelope.ts";

export type InputFormat = "lines" | "ndjson" | "bytes";
export const INPUT_FORMATS: readonly InputFormat[] = ["lines", "ndjson", "bytes"];

export interface RecordSettings {
  readonly key: Uint8Array | null;
  readonly headers: readonly (readonly [string, Uint8Array | null])[];
  readonly partition: number | null;
  readonly keySeparator: Uint8Array | null;
  readonly isTombstone: boolean;
  readonly keepsPartition: boolean;
}

/** Turns one piece of input into a record, or into null when it holds none. @throws CliFailure USAGE */
export type RecordReader = (input: Buffer) => RecordToProduce | null;

export function createRecordReader(format: InputFormat, settings: RecordSettings): RecordReader {
  switch (format) {
    case "lines":
      return (line) => readLine(line, settings);
    case "ndjson":
      return (line) => readEnvelope(line, settings);
    case "bytes":
      return (input) => ({ ...common(settings), key: settings.key, value: input });
  }
}

function readLine(line: Buffer, settings: RecordSettings): RecordToProduce {
  if (settings.isTombstone) return { ...common(settings), key: settings.key ?? line, value: null };
  const separator = settings.keySeparator;
  const at = separator === null ? -1 : line.indexOf(separator);
  if (separator === null || at < 0) return { ...common(settings), key: settings.key, value: line };
  return { ...common(settings), key: line.subarray(0, at), value: line.subarray(at + separator.length) };
}

function readEnvelope(line: Buffer, settings: RecordSettings): RecordToProduce | null {
  if (isBlank(line)) return null;
  const record = parseEnvelope(line);
  return {
    key: settings.key ?? record.key,
    value: settings.isTombstone ? null : record.value,
    headers: settings.headers.length === 0 ? record.headers : [...record.headers, ...settings.headers],
    partition: settings.partition ?? (settings.keepsPartition ? record.partition : null),
    timestamp: record.timestamp,
  };
}

function common(settings: RecordSettings): Pick<RecordToProduce, "headers" | "partition" | "timestamp"> {
  return { headers: settings.headers, partition: settings.partition, timestamp: null };
}

function isBlank(line: Buffer): boolean {
  return line.every((byte) => byte === 0x20 || byte === 0x09 || byte === 0x0d);
}
