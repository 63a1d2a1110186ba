/** What a reader's options mean: bounds as offsets or times, sizes as numbers. */
import { Isolation, MAX_OFFSET } from "@tidemark/proto";
import { invalidArgument } from "../errors.ts";
import { assertOptions, type NamesOf } from "../option-names.ts";
import type { ReaderOptions } from "../types.ts";

const PREFETCH_BYTES = 8 * 1024 * 1024;

const READER_OPTIONS: NamesOf<ReaderOptions> = {
  partitions: true,
  from: true,
  to: true,
  follow: true,
  isolation: true,
  prefetch: true,
  signal: true,
  limit: true,
};

/** Where to begin or to end. "none": where the log ends at the start, or nowhere. */
export type Bound =
  | { readonly kind: "offset"; readonly offset: number }
  | { readonly kind: "earliest" }
  | { readonly kind: "latest" }
  | { readonly kind: "time"; readonly timestamp: number }
  | { readonly kind: "none" }
  | {
      readonly kind: "map";
      readonly offsets: ReadonlyMap<number, number>;
      readonly otherwise: { readonly kind: "earliest" } | { readonly kind: "none" };
    };

export interface ReaderSettings {
  readonly partitions: readonly number[] | "all";
  readonly from: Bound;
  readonly to: Bound;
  readonly follow: boolean;
  /** One of Isolation. */
  readonly isolation: number;
  readonly prefetchBytes: number;
  readonly prefetchRecords: number;
  readonly limit: number;
}

/** @throws BrokerError INVALID_ARGUMENT naming the option */
export function readerSettingsOf(options: ReaderOptions): ReaderSettings {
  assertOptions(options, READER_OPTIONS);
  const { from = "earliest", to, prefetch = {} } = options;
  assertOptions(prefetch, { records: true, bytes: true }, "prefetch.");
  const named = from instanceof Map ? [...from.keys()] : "all";
  return {
    partitions: partitionsOf(options.partitions ?? named),
    from: boundOf(from, "from"),
    to: to === undefined ? { kind: "none" } : boundOf(to, "to"),
    follow: options.follow ?? false,
    isolation: options.isolation === "read_uncommitted" ? Isolation.READ_UNCOMMITTED : Isolation.READ_COMMITTED,
    prefetchBytes: whole(prefetch.bytes ?? PREFETCH_BYTES, "prefetch.bytes", 1),
    prefetchRecords: whole(prefetch.records ?? Number.MAX_SAFE_INTEGER, "prefetch.records", 1),
    limit: whole(options.limit ?? Number.MAX_SAFE_INTEGER, "limit", 0),
  };
}

function boundOf(
  bound: NonNullable<ReaderOptions["from"]> | NonNullable<ReaderOptions["to"]>,
  name: "from" | "to",
): Bound {
  if (bound === "earliest" || bound === "latest") return { kind: bound };
  if (bound === "end") return { kind: "latest" };
  if (typeof bound === "number") return { kind: "offset", offset: whole(bound, name, 0) };
  if (bound instanceof Date) return { kind: "time", timestamp: whole(bound.getTime(), name, 0) };
  if (!(bound instanceof Map))
    throw invalidArgument(`${name} is an offset, a Date, a Map of offsets or a word, not ${JSON.stringify(bound)}`);
  const offsets = new Map<number, number>();
  for (const [partition, offset] of bound)
    offsets.set(whole(partition, `a partition of ${name}`, 0), whole(offset, `an offset of ${name}`, 0));
  return { kind: "map", offsets, otherwise: name === "from" ? { kind: "earliest" } : { kind: "none" } };
}

function partitionsOf(partitions: readonly number[] | "all"): readonly number[] | "all" {
  if (partitions === "all") return "all";
  if (partitions.length === 0) throw invalidArgument("partitions must name at least one partition");
  return [...new Set(partitions.map((partition) => whole(partition, "a partition", 0)))];
}

function whole(value: number, name: string, least: number): number {
  if (Number.isSafeInteger(value) && value >= least && value <= MAX_OFFSET) return value;
  throw invalidArgument(`${name} must be a whole number from ${least}, and is ${value}`);
}
