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
import type { RecordHeader, RecordToProduce } from "./envelope.ts";
import { parseEnvelope } from "./envelope.ts";

export type InputFormat = "lines" | "ndjson" | "bytes";
export const INPUT_FORMATS: readonly InputFormat[] = ["lines", "ndjson", "bytes"];

export interface RecordSettings {
  readonly key: Uint8Array | null;
  readonly headers: readonly RecordHeader[];
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
      return (input) => recordOf(settings.key, input, settings);
  }
}

/** Runs once per line: literals only, since spreading objects here costs more than all the rest. */
export function recordOf(
  key: Uint8Array | null,
  value: Uint8Array | null,
  { partition, headers }: RecordSettings,
): RecordToProduce {
  if (headers.length === 0) return partition === null ? { key, value } : { key, value, partition };
  return partition === null ? { key, value, headers } : { key, value, headers, partition };
}

function readLine(line: Buffer, settings: RecordSettings): RecordToProduce {
  if (settings.isTombstone) return recordOf(settings.key ?? line, null, settings);
  const separator = settings.keySeparator;
  if (separator === null) return recordOf(settings.key, line, settings);
  const at = line.indexOf(separator);
  if (at < 0) return recordOf(settings.key, line, settings);
  return recordOf(line.subarray(0, at), line.subarray(at + separator.length), settings);
}

function readEnvelope(line: Buffer, settings: RecordSettings): RecordToProduce | null {
  if (isBlank(line)) return null;
  const record = parseEnvelope(line);
  if (settings.key !== null) record.key = settings.key;
  if (settings.isTombstone) record.value = null;
  if (settings.headers.length > 0) record.headers = [...(record.headers ?? []), ...settings.headers];
  if (!settings.keepsPartition) delete record.partition;
  if (settings.partition !== null) record.partition = settings.partition;
  return record;
}

function isBlank(line: Buffer): boolean {
  return line.every((byte) => byte === 0x20 || byte === 0x09 || byte === 0x0d);
}
