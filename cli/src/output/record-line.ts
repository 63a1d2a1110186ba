/**
 * A record as a line for people: time, place, key, value. What would move the cursor or colour the terminal is escaped, for a
 * record holds whatever somebody has sent; bytes that are no text stand as base64.
 */
import { isUtf8 } from "node:buffer";
import pc from "picocolors";
import type { ByteRecord } from "../records/record-filter.ts";

export interface LineOptions {
  readonly hasColor: boolean;
  /** Where several topics are read at once. */
  readonly hasTopic: boolean;
}

export function createLineRenderer({ hasColor, hasTopic }: LineOptions): (record: ByteRecord) => string {
  const { dim, cyan, yellow } = pc.createColors(hasColor);
  return (record) => {
    const topic = hasTopic ? `${record.topic} ` : "";
    const place = dim(`${timeOf(record.timestamp)}  ${topic}${record.partition}:${record.offset}`);
    const key = record.key === null ? dim("-") : cyan(printable(record.key));
    const value = record.value === null ? yellow("tombstone") : printable(record.value);
    const headers = [...record.headers].map(
      ([name, bytes]) => `${escaped(name)}=${bytes === null ? "" : printable(bytes)}`,
    );
    return `${place}  ${key}  ${value}${headers.length === 0 ? "" : dim(`  [${headers.join(" ")}]`)}`;
  };
}

function timeOf(timestamp: number): string {
  const date = new Date(timestamp);
  return Number.isNaN(date.getTime()) ? String(timestamp) : date.toISOString();
}

function printable(bytes: Uint8Array): string {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return isUtf8(buffer) ? escaped(buffer.toString("utf8")) : `base64:${buffer.toString("base64")}`;
}

function escaped(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}]/gu, (character) => {
    if (character === "\n") return "\\n";
    if (character === "\t") return "\\t";
    return `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, "0")}`;
  });
}
