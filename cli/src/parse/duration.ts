/** Spans of time as people type them: `500ms`, `10s`, `2m`, `1h`, `7d`. The result is in milliseconds. */
import { usageFailure } from "../failure.ts";

const UNIT_MS: ReadonlyMap<string, number> = new Map([
  ["ms", 1],
  ["s", 1_000],
  ["m", 60_000],
  ["h", 3_600_000],
  ["d", 86_400_000],
]);

/** Between two looks: who asks a broker again and again leaves it time to do something else. */
const INTERVAL_MIN_MS = 100;
/** What a timer takes; longer ones end at once. */
const INTERVAL_MAX_MS = 24 * 86_400_000;

/** @throws CliFailure USAGE when the text is no duration, or one below 100ms or above 24d */
export function parseIntervalMs(text: string): number {
  const ms = parseDurationMs(text);
  if (ms < INTERVAL_MIN_MS)
    throw usageFailure(`expected a duration of at least ${INTERVAL_MIN_MS}ms, such as 500ms, 2s`);
  if (ms > INTERVAL_MAX_MS) throw usageFailure("expected a duration of at most 24d");
  return ms;
}

/** @throws CliFailure USAGE when the text is not a number with a unit. */
export function parseDurationMs(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text);
  const unitMs = UNIT_MS.get(match?.[2] ?? "");
  if (match === null || unitMs === undefined) {
    throw usageFailure("expected a duration such as 500ms, 10s, 2m, 1h");
  }
  return Math.round(Number(match[1]) * unitMs);
}
