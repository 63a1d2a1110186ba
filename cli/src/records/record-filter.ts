/** Which of the records that were read are shown: --grep and --where, both where both are given. */
import { isUtf8 } from "node:buffer";
import type { ConsumerRecord } from "@tidemark/client";
import type { Predicate, RecordView } from "../parse/where.ts";

export type ByteRecord = ConsumerRecord<Uint8Array | null, Uint8Array | null>;
export type RecordFilter = (record: ByteRecord) => boolean;

/** null: every record is shown. */
export function createFilter(grep: RegExp | undefined, where: Predicate | undefined): RecordFilter | null {
  if (grep === undefined && where === undefined) return null;
  return (record) =>
    (grep === undefined || grep.test(textOf(record.value) ?? "") || grep.test(textOf(record.key) ?? "")) &&
    (where === undefined || where(new View(record)));
}

class View implements RecordView {
  readonly #record: ByteRecord;

  constructor(record: ByteRecord) {
    this.#record = record;
  }

  get topic(): string {
    return this.#record.topic;
  }

  get partition(): number {
    return this.#record.partition;
  }

  get offset(): number {
    return this.#record.offset;
  }

  get timestamp(): number {
    return this.#record.timestamp;
  }

  key(): string | null {
    return textOf(this.#record.key);
  }

  value(): string | null {
    return textOf(this.#record.value);
  }

  header(name: string): string | null {
    return textOf(this.#record.headers.get(name) ?? null);
  }
}

/** Bytes that are no text are no match. */
function textOf(bytes: Uint8Array | null): string | null {
  if (bytes === null || !isUtf8(bytes)) return null;
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");
}
