/** Whole numbers, ports, lists of partitions and brokers, and rates from the command line. All throw CliFailure USAGE. */
import { usageFailure } from "../failure.ts";
import { parseBytes } from "./size.ts";

const PORT_MAX = 65_535;
/** Partition numbers and broker ids are 32-bit on the wire. */
const PARTITION_MAX = 2 ** 31 - 1;

export function parseWholeNumber(text: string, range: { min: number; max?: number }): number {
  const max = range.max ?? Number.MAX_SAFE_INTEGER;
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= range.min && value <= max)) {
    throw usageFailure(
      range.max === undefined
        ? `expected a whole number from ${range.min} up`
        : `expected a whole number from ${range.min} to ${max}`,
    );
  }
  return value;
}

/** A TCP port; 0 lets the system choose. */
export function parsePort(text: string): number {
  return parseWholeNumber(text, { min: 0, max: PORT_MAX });
}

export function parsePartition(text: string): number {
  return parseWholeNumber(text, { min: 0, max: PARTITION_MAX });
}

/** `0,1,5`: ascending, each once. */
export function parsePartitions(text: string): number[] {
  const partitions = new Set(text.split(",").map((part) => parsePartition(part.trim())));
  return [...partitions].sort((a, b) => a - b);
}

export function parseBrokerId(text: string): number {
  return parseWholeNumber(text, { min: 0, max: PARTITION_MAX });
}

/** `1,2,3`: in this order, each once. */
export function parseBrokerIds(text: string): number[] {
  return [...new Set(text.split(",").map((part) => parseBrokerId(part.trim())))];
}

/** `50MB/s`, `512KiB/s`, `1000000`: bytes per second. */
export function parseThrottle(text: string): number {
  const bytes = parseBytes(text.replace(/\/s$/, ""));
  if (bytes === null || bytes === 0) throw usageFailure("expected bytes per second, such as 50MB/s, above 0");
  return bytes;
}

const RATE_UNIT_MS: ReadonlyMap<string, number> = new Map([
  ["s", 1_000],
  ["m", 60_000],
  ["h", 3_600_000],
]);

/** `1000`, `1000/s`, `90/m`: records per second. */
export function parseRate(text: string): number {
  const match = /^(\d+)(?:\/([smh]))?$/.exec(text);
  const count = Number(match?.[1] ?? 0);
  if (count === 0) throw usageFailure("expected a rate such as 1000/s or 90/m, above 0");
  return (count * 1_000) / (RATE_UNIT_MS.get(match?.[2] ?? "s") ?? 1_000);
}

/** `12` in all, or `+2` more. */
export function parsePartitionCount(text: string): { kind: "total" | "more"; count: number } {
  const isMore = text.startsWith("+");
  return { kind: isMore ? "more" : "total", count: parseWholeNumber(isMore ? text.slice(1) : text, { min: 1 }) };
}
