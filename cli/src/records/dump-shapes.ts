/** How `logs dump-segment` shows what it found: objects with stable keys, and the same as one line for people. */
import type { DumpedBatch, DumpedDamage } from "@tidemark/broker/tools";
import { CODEC_NAMES, type DecodedRecord } from "@tidemark/proto";
import { type EnvelopeBody, envelopeBody } from "./envelope.ts";

export interface BatchShape {
  readonly kind: "batch";
  readonly file: string;
  readonly position: number;
  readonly sizeBytes: number;
  readonly baseOffset: number;
  readonly lastOffset: number;
  readonly recordsCount: number;
  readonly codec: string;
  readonly partitionLeaderEpoch: number;
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly baseSequence: number;
  readonly baseTimestamp: number;
  readonly maxTimestamp: number;
  readonly timestampType: "create" | "append";
  readonly isTransactional: boolean;
  readonly isControl: boolean;
  readonly crc: number;
}

export interface RecordShape extends EnvelopeBody {
  readonly kind: "record";
  readonly offset: number;
  readonly timestamp: number;
}

/** Bytes that are no batch (`short`, `size`, `magic`, `crc`, `counts`), or a batch whose records cannot be read. */
export interface DamageShape {
  readonly kind: "damage";
  readonly file: string;
  readonly position: number;
  readonly reason: string;
  readonly bytesLeft: number | null;
}

export function batchShape(file: string, batch: DumpedBatch): BatchShape {
  const { header } = batch;
  return {
    kind: "batch",
    file,
    position: batch.position,
    sizeBytes: header.sizeBytes,
    baseOffset: header.baseOffset,
    lastOffset: header.lastOffset,
    recordsCount: header.recordsCount,
    codec: CODEC_NAMES[header.codec] ?? String(header.codec),
    partitionLeaderEpoch: header.partitionLeaderEpoch,
    producerId: header.producerId,
    producerEpoch: header.producerEpoch,
    baseSequence: header.baseSequence,
    baseTimestamp: header.baseTimestamp,
    maxTimestamp: header.maxTimestamp,
    timestampType: header.isLogAppendTime ? "append" : "create",
    isTransactional: header.isTransactional,
    isControl: header.isControl,
    crc: header.crc,
  };
}

export function recordShape(record: DecodedRecord): RecordShape {
  return { kind: "record", offset: record.offset, timestamp: record.timestamp, ...envelopeBody(record) };
}

export function damageShape(file: string, damage: DumpedDamage): DamageShape {
  return { kind: "damage", file, position: damage.position, reason: damage.reason, bytesLeft: damage.bytesLeft };
}

export function batchLine(batch: BatchShape): string {
  const marks = [
    batch.isTransactional ? "transactional" : "",
    batch.isControl ? "control" : "",
    batch.timestampType === "append" ? "append-time" : "",
  ];
  const producer =
    batch.producerId < 0 ? "none" : `${batch.producerId} epoch ${batch.producerEpoch} sequence ${batch.baseSequence}`;
  const parts = [
    `position ${batch.position}`,
    `offsets ${batch.baseOffset}..${batch.lastOffset}`,
    `records ${batch.recordsCount}`,
    `bytes ${batch.sizeBytes}`,
    `codec ${batch.codec}`,
    `leader epoch ${batch.partitionLeaderEpoch}`,
    `producer ${producer}`,
    `time ${timeText(batch.maxTimestamp)}`,
    ...marks.filter((mark) => mark !== ""),
  ];
  return parts.join("  ");
}

/** Key and value as JSON strings, so that no byte of them can play tricks on a terminal. */
export function recordLine(record: RecordShape): string {
  const text = (value: string | null, encoding: string | null): string =>
    value === null ? "null" : encoding === "base64" ? `base64 ${value}` : JSON.stringify(value);
  const headers = record.headers.map(
    (header) => `${JSON.stringify(header.name)}=${text(header.value, header.encoding)}`,
  );
  const suffix = headers.length === 0 ? "" : `  headers ${headers.join(" ")}`;
  return `  offset ${record.offset}  time ${timeText(record.timestamp)}  key ${text(record.key, record.keyEncoding)}  value ${text(record.value, record.valueEncoding)}${suffix}`;
}

export function damageLine(damage: DamageShape): string {
  const left = damage.bytesLeft === null ? "" : `, ${damage.bytesLeft} bytes to the end of the file are not readable`;
  return `position ${damage.position}  DAMAGED: ${damage.reason}${left}`;
}

/** Timestamps of foreign files may be anything; what is no date is shown as the number it is. */
function timeText(ms: number): string {
  return ms >= 0 && ms <= 8.64e15 ? new Date(ms).toISOString() : String(ms);
}
