/** What a command of the log says, as JSON for those who look on from outside. */
import { decodeEntry } from "./records.ts";

export interface EntryTexts {
  /** Unix ms; null: not known. */
  readonly at: number | null;
  /** A record each. */
  readonly records: readonly string[];
}

/** Beside the id of a topic that is among `topics`, by id, stands its name, as `topic`. Throws SyntaxError where a newer version wrote it. */
export function entryTexts(bytes: Uint8Array, topics: ReadonlyMap<string, { readonly name: string }>): EntryTexts {
  const named = (_key: string, value: unknown): unknown => {
    if (typeof value !== "object" || value === null || !("topicId" in value) || "name" in value) return value;
    const name = topics.get(String(value.topicId))?.name;
    return name === undefined ? value : { ...value, topic: name };
  };
  const { at, records } = decodeEntry(bytes);
  return { at, records: records.map((record) => JSON.stringify(record, named)) };
}

/** Of topics that these commands have made, by id; what a newer version wrote is passed over. */
export function topicsMadeIn(commands: Iterable<Uint8Array>): Map<string, { readonly name: string }> {
  const topics = new Map<string, { readonly name: string }>();
  for (const bytes of commands) {
    try {
      for (const record of decodeEntry(bytes).records)
        if (record.type === "topicCreated") topics.set(record.topicId, { name: record.name });
    } catch (error: unknown) {
      if (!(error instanceof SyntaxError)) throw error;
    }
  }
  return topics;
}
