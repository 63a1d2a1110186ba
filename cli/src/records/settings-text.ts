/**
 * Settings as a text to edit: those of the resource itself as `key=value`, the rest as comments. What stands there
 * afterwards is what the resource shall have: a new or other line sets, a line that is gone goes back to the default.
 */
import type { ConfigEntry } from "@tidemark/client";
import { usageFailure } from "../failure.ts";
import type { Pair } from "../global-flags.ts";

export function renderSettings(type: string, name: string, entries: readonly ConfigEntry[]): string {
  const changeable = entries.filter(({ readOnly, sensitive }) => !readOnly && !sensitive);
  const own = changeable.filter(({ source }) => source === type);
  const rest = changeable.filter(({ source }) => source !== type);
  return [
    `# Settings of ${name}. A line that is gone goes back to its default; sizes and times may have units: 6MiB, 7d.`,
    ...own.map((entry) => `${entry.name}=${entry.value ?? ""}`),
    "",
    "# Not set here:",
    ...rest.map((entry) => `# ${entry.name}=${entry.value ?? ""}  (${entry.source})`),
    "",
  ].join("\n");
}

/** @throws CliFailure USAGE naming the line */
export function changesBetween(before: string, after: string): { set: Pair[]; gone: string[] } {
  const [old, wanted] = [parseSettings(before), parseSettings(after)];
  return {
    set: [...wanted].filter(([key, value]) => old.get(key) !== value),
    gone: [...old.keys()].filter((key) => !wanted.has(key)),
  };
}

function parseSettings(text: string): Map<string, string> {
  const settings = new Map<string, string>();
  for (const [slot, line] of text.split("\n").entries()) {
    const trimmed = line.trim();
    if (trimmed === "" || trimmed.startsWith("#")) continue;
    const at = trimmed.indexOf("=");
    const key = trimmed.slice(0, at).trim();
    if (at < 1) throw usageFailure(`line ${slot + 1} is not key=value: ${trimmed}`);
    if (settings.has(key)) throw usageFailure(`line ${slot + 1} sets ${key} once more`);
    settings.set(key, trimmed.slice(at + 1).trim());
  }
  return settings;
}
