/**
 * The headers of a record: ordered, names may repeat. Decoded when first asked for; the record keeps what it was made of.
 */
import type { Bytes, Headers, ProducerRecord, RecordHeaders } from "./types.ts";

/** One header as it is in the log. */
export type Header = readonly [name: string, value: Bytes | null];

export class HeaderList implements RecordHeaders {
  static readonly NONE = new HeaderList([]);
  readonly #entries: readonly Header[];

  constructor(entries: readonly Header[]) {
    this.#entries = entries;
  }

  /** The last value under `name`; null is a header without a value, undefined is no such header. */
  get(name: string): Bytes | null | undefined {
    return this.#entries.findLast(([known]) => known === name)?.[1];
  }

  /** The last value under `name` as UTF-8; undefined when there is none. */
  getString(name: string): string | undefined {
    const value = this.get(name);
    return value === undefined || value === null ? undefined : textDecoder.decode(value);
  }

  /** All values under `name`, in order. */
  getAll(name: string): (Bytes | null)[] {
    return this.#entries.filter(([known]) => known === name).map(([, value]) => value);
  }

  [Symbol.iterator](): Iterator<Header> {
    return this.#entries[Symbol.iterator]();
  }

  /** Names and values; values as UTF-8, or as base64 where they are not. */
  toJSON(): (readonly [string, string | null])[] {
    return this.#entries.map(([name, value]) => [name, value === null ? null : bytesToText(value)]);
  }
}

const textDecoder = new TextDecoder();
const strictDecoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The bytes as UTF-8 when they are UTF-8, else as base64. For people, not for round trips. */
export function bytesToText(bytes: Bytes): string {
  try {
    return strictDecoder.decode(bytes);
  } catch {
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
  }
}

/** The headers of a record to send, values as bytes; null where there are none. */
export function encodeHeaders(headers: ProducerRecord<unknown, unknown>["headers"]): readonly Header[] | null {
  if (headers === undefined) return null;
  const entries: Header[] = [];
  for (const [name, value] of isIterable(headers) ? headers : Object.entries(headers)) {
    entries.push([name, typeof value === "string" ? Buffer.from(value) : value]);
  }
  return entries.length === 0 ? null : entries;
}

function isIterable(headers: NonNullable<ProducerRecord<unknown, unknown>["headers"]>): headers is Headers {
  return Symbol.iterator in headers;
}
