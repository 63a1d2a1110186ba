/**
 * The JSON form of a record, one object a line. `consume -o ndjson` writes it and `produce -f ndjson` reads it back to
 * the same key, value, headers, timestamp and partition, to the byte:
 *
 *     {"topic":"t","partition":0,"offset":7,"timestamp":1772366400000,"timestampType":"create",
 *      "key":"k","keyEncoding":"utf8","value":"v","valueEncoding":"utf8",
 *      "headers":[{"name":"h","value":"x","encoding":"utf8"}]}
 *
 * Bytes that are valid UTF-8 are written as text, others as base64; the encoding stands beside. null (a tombstone, no
 * key) stays null and has encoding null. Headers are a list, since names may repeat and their order counts.
 *
 * Read back, only `value` is required and an absent encoding means utf8; `topic` and `offset` say where the record was
 * and are ignored; names that are not part of the envelope are refused, for a misspelt one would lose data silently.
 */
import { isUtf8 } from "node:buffer";
import { usageFailure } from "../failure.ts";

export type TextEncoding = "utf8" | "base64";

export interface EnvelopeHeader {
  readonly name: string;
  readonly value: string | null;
  readonly encoding: TextEncoding | null;
}

/** What `consume` knows of a record. */
export interface ConsumedRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly timestamp: number;
  readonly timestampType: "create" | "append";
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers: Iterable<readonly [string, Uint8Array | null]>;
}

/** Key, value and headers as text. */
export interface EnvelopeBody {
  readonly key: string | null;
  readonly keyEncoding: TextEncoding | null;
  readonly value: string | null;
  readonly valueEncoding: TextEncoding | null;
  readonly headers: readonly EnvelopeHeader[];
}

export interface Envelope extends EnvelopeBody {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly timestamp: number;
  readonly timestampType: "create" | "append";
}

export type RecordHeader = readonly [name: string, value: Uint8Array | null];

/** A record to produce, in the SDK's own shape; an absent partition or timestamp is chosen by the producer. */
export interface RecordToProduce {
  key: Uint8Array | null;
  value: Uint8Array | null;
  headers?: readonly RecordHeader[];
  partition?: number;
  timestamp?: number;
}

export function toEnvelope(record: ConsumedRecord): Envelope {
  const { topic, partition, offset, timestamp, timestampType } = record;
  return { topic, partition, offset, timestamp, timestampType, ...envelopeBody(record) };
}

export function envelopeBody(record: Pick<ConsumedRecord, "key" | "value" | "headers">): EnvelopeBody {
  const [key, keyEncoding] = toText(record.key);
  const [value, valueEncoding] = toText(record.value);
  const headers: EnvelopeHeader[] = [];
  for (const [name, bytes] of record.headers) {
    const [text, encoding] = toText(bytes);
    headers.push({ name, value: text, encoding });
  }
  return { key, keyEncoding, value, valueEncoding, headers };
}

/** @throws CliFailure USAGE naming the part of the envelope that is wrong. */
export function parseEnvelope(line: Uint8Array): RecordToProduce {
  if (!isUtf8(line)) throw usageFailure("the line is not valid UTF-8");
  const envelope = asObject(parseJson(asBuffer(line).toString("utf8")), "the line");
  refuseUnknownNames(envelope, ENVELOPE_NAMES, "");
  if (envelope["value"] === undefined) {
    throw usageFailure(
      "the envelope has no `value`",
      'write "value":null for a tombstone; -f lines sends lines as they are',
    );
  }
  const record: RecordToProduce = {
    key: fromText(envelope["key"] ?? null, envelope["keyEncoding"], "key"),
    value: fromText(envelope["value"], envelope["valueEncoding"], "value"),
  };
  const headers = parseHeaders(envelope["headers"]);
  const partition = wholeNumber(envelope["partition"], "partition");
  const timestamp = wholeNumber(envelope["timestamp"], "timestamp");
  if (headers.length > 0) record.headers = headers;
  if (partition !== null) record.partition = partition;
  if (timestamp !== null) record.timestamp = timestamp;
  return record;
}

/** Where a record was, and shall go again. @throws CliFailure USAGE */
export function topicOfEnvelope(line: Uint8Array): string {
  if (!isUtf8(line)) throw usageFailure("the line is not valid UTF-8");
  const { topic } = asObject(parseJson(asBuffer(line).toString("utf8")), "the line");
  if (typeof topic === "string") return topic;
  throw usageFailure("the envelope has no `topic`", "`consume -o ndjson` writes it");
}

const ENVELOPE_NAMES: ReadonlySet<string> = new Set([
  "topic",
  "partition",
  "offset",
  "timestamp",
  "timestampType",
  "key",
  "keyEncoding",
  "value",
  "valueEncoding",
  "headers",
]);
const HEADER_NAMES: ReadonlySet<string> = new Set(["name", "value", "encoding"]);

type JsonObject = Readonly<Record<string, unknown>>;

function toText(bytes: Uint8Array | null): [string | null, TextEncoding | null] {
  if (bytes === null) return [null, null];
  return isUtf8(bytes) ? [asBuffer(bytes).toString("utf8"), "utf8"] : [asBuffer(bytes).toString("base64"), "base64"];
}

function fromText(text: unknown, encoding: unknown, name: string): Buffer | null {
  if (text === null) return null;
  if (typeof text !== "string") {
    throw usageFailure(`\`${name}\` is neither a string nor null`, "-f lines sends JSON lines as they are");
  }
  if (encoding === undefined || encoding === null || encoding === "utf8") return utf8Bytes(text, name);
  if (encoding !== "base64") throw usageFailure(`the encoding of \`${name}\` is neither utf8 nor base64`);
  const bytes = Buffer.from(text, "base64");
  // Node skips what is not base64; only text that comes out again was read whole.
  if (bytes.toString("base64") !== text) throw usageFailure(`\`${name}\` is not base64`);
  return bytes;
}

function parseHeaders(headers: unknown): readonly RecordHeader[] {
  if (headers === undefined || headers === null) return [];
  if (!Array.isArray(headers)) throw usageFailure("`headers` is not a list");
  return headers.map((item: unknown, slot) => {
    const header = asObject(item, `headers[${slot}]`);
    refuseUnknownNames(header, HEADER_NAMES, `headers[${slot}].`);
    const name = header["name"];
    if (typeof name !== "string") throw usageFailure(`headers[${slot}] has no \`name\``);
    utf8Bytes(name, `headers[${slot}].name`);
    return [name, fromText(header["value"] ?? null, header["encoding"], `headers[${slot}].value`)] as const;
  });
}

function wholeNumber(value: unknown, name: string): number | null {
  if (value === undefined || value === null) return null;
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) {
    throw usageFailure(`\`${name}\` is not a whole number from 0 up`);
  }
  return value;
}

/** A lone surrogate has no UTF-8 form; encoding it would store another character. */
function utf8Bytes(text: string, name: string): Buffer {
  if (/\p{Surrogate}/u.test(text))
    throw usageFailure(`\`${name}\` holds half a surrogate pair, which has no UTF-8 form`);
  return Buffer.from(text, "utf8");
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error: unknown) {
    throw usageFailure(`the line is not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function asObject(value: unknown, name: string): JsonObject {
  if (!isObject(value)) throw usageFailure(`${name} is not a JSON object`);
  return value;
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function refuseUnknownNames(object: JsonObject, known: ReadonlySet<string>, prefix: string): void {
  for (const name of Object.keys(object)) {
    if (!known.has(name)) throw usageFailure(`\`${prefix}${name}\` is not part of the envelope`);
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
