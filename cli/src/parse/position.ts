/**
 * Where `consume` begins and ends: `start`, `end`, an offset `N`, the last `-N` records of each partition, or a time
 * `@2026-03-01T12:00:00Z`, `@1772366400000` (Unix ms), `@-5m` (that long ago).
 *
 * The parser reads no clock: a relative time stays relative until the command resolves it.
 */
import { usageFailure } from "../failure.ts";
import { parseDurationMs } from "./duration.ts";

export type Moment = { readonly kind: "unix"; readonly ms: number } | { readonly kind: "ago"; readonly ms: number };

export type FromPosition =
  | { readonly kind: "start" }
  | { readonly kind: "end" }
  | { readonly kind: "offset"; readonly offset: number }
  | { readonly kind: "last"; readonly count: number }
  | { readonly kind: "time"; readonly at: Moment };

/** `until` is exclusive: the record at that offset, or of that time, is not read. */
export type UntilPosition =
  | { readonly kind: "end" }
  | { readonly kind: "offset"; readonly offset: number }
  | { readonly kind: "time"; readonly at: Moment };

/** What other tools, and the SDK, call these ends. */
const MEANT: ReadonlyMap<string, string> = new Map([
  ["beginning", "start"],
  ["earliest", "start"],
  ["oldest", "start"],
  ["latest", "end"],
  ["newest", "end"],
  ["now", "end"],
]);

function hintOf(text: string): string | undefined {
  const meant = MEANT.get(text);
  return meant === undefined ? undefined : `did you mean ${meant}?`;
}

/** @throws CliFailure USAGE */
export function parseFrom(text: string): FromPosition {
  if (text === "start" || text === "end") return { kind: text };
  if (text.startsWith("@")) return { kind: "time", at: parseMoment(text.slice(1)) };
  const count = safeInteger(/^-?\d+$/.test(text) ? text : "");
  if (count === null)
    throw usageFailure("expected start, end, an offset N, the last -N, or a time @TIME", hintOf(text));
  return text.startsWith("-") ? { kind: "last", count: -count } : { kind: "offset", offset: count };
}

/** Where `raft log` begins: an index, or the last `-N`. @throws CliFailure USAGE */
export function parseRaftIndex(text: string): number {
  const index = safeInteger(/^-?\d+$/.test(text) ? text : "");
  if (index === null) throw usageFailure("expected the index of an entry, or the last -N");
  return index;
}

/** @throws CliFailure USAGE */
export function parseUntil(text: string): UntilPosition {
  if (text === "end") return { kind: "end" };
  if (text.startsWith("@")) return { kind: "time", at: parseMoment(text.slice(1)) };
  const offset = safeInteger(/^\d+$/.test(text) ? text : "");
  if (offset === null) throw usageFailure("expected end, an offset N, or a time @TIME", hintOf(text));
  return { kind: "offset", offset };
}

/** `earliest` or `start`, `latest` or `end`, `max-timestamp`, or a time as in `--from`. @throws CliFailure USAGE */
export function parseOffsetsAt(text: string): "earliest" | "latest" | "max-timestamp" | Moment {
  if (text === "earliest" || text === "latest" || text === "max-timestamp") return text;
  if (text === "start" || text === "end") return text === "start" ? "earliest" : "latest";
  if (!text.startsWith("@")) {
    const meant = /^\d|^-\d/.test(text) ? `a time begins with @, as in @${text}` : undefined;
    throw usageFailure("expected earliest, latest, max-timestamp or a time @TIME", meant);
  }
  return parseMoment(text.slice(1));
}

/** The new first offset: N, `end` or -1 for all that is committed, `@TIME`. @throws CliFailure USAGE */
export function parseTruncateBefore(text: string): number | "end" | Moment {
  if (text === "end" || text === "-1") return "end";
  if (text.startsWith("@")) return parseMoment(text.slice(1));
  const offset = safeInteger(/^\d+$/.test(text) ? text : "");
  if (offset === null) throw usageFailure("expected an offset N, end (or -1), or a time @TIME");
  return offset;
}

export function resolveMoment(moment: Moment, wallNowMs: number): Date {
  return new Date(moment.kind === "unix" ? moment.ms : wallNowMs - moment.ms);
}

function parseMoment(text: string): Moment {
  if (/^-\d/.test(text)) return { kind: "ago", ms: parseDurationMs(text.slice(1)) };
  if (/^\d+$/.test(text)) {
    const ms = safeInteger(text);
    if (ms !== null) return { kind: "unix", ms };
  }
  const ms = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(ms)) throw usageFailure("expected a time such as @2026-03-01T12:00:00Z, @1772366400000 or @-5m");
  return { kind: "unix", ms };
}

function safeInteger(text: string): number | null {
  const value = text === "" ? Number.NaN : Number(text);
  return Number.isSafeInteger(value) ? value : null;
}
