/**
 * Spans of time as people write them: a number of milliseconds, or a number with its unit ("250ms", "5s", "2m", "1h",
 * "7d"). Parsed once, at the door; inside, every span is a number of milliseconds.
 */
import { invalidArgument } from "./errors.ts";

/** Milliseconds, or a number with its unit. */
export type Duration = number | `${number}${"ms" | "s" | "m" | "h" | "d"}`;

/** Twenty days. A Node timer takes 2^31 - 1 ms at most and fires at once for more; a deadline may be a span and some grace. */
const LONGEST_MS = 1_728_000_000;

const MS_PER_UNIT: ReadonlyMap<string, number> = new Map([
  ["ms", 1],
  ["s", 1_000],
  ["m", 60_000],
  ["h", 3_600_000],
  ["d", 86_400_000],
]);

/**
 * The span in milliseconds; one beyond twenty days is as good as those.
 * @throws BrokerError INVALID_ARGUMENT for anything but a finite span of 0 or more; `name` says which setting it was
 */
export function parseDuration(span: Duration, name: string): number {
  const ms = typeof span === "number" ? span : parseText(span);
  if (!Number.isFinite(ms) || ms < 0) {
    throw invalidArgument(
      `${name} must be a duration of 0 or more, such as 250, "250ms" or "5s", and is ${JSON.stringify(span)}`,
    );
  }
  return Math.min(ms, LONGEST_MS);
}

function parseText(text: string): number {
  const parts = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text);
  return Number(parts?.[1]) * (MS_PER_UNIT.get(parts?.[2] ?? "") ?? Number.NaN);
}
