/**
 * Changes to the texts of one layer: a topic's overrides, or what was set for a broker or the cluster. Each change is checked
 * and its value brought into the form that every client reads: plain numbers, no units. All of them hold, or none.
 */
import type { ErrorName } from "@tidemark/proto";
import { textInForce, type DescribedConfigs } from "./describe.ts";
import type { ConfigLayers } from "./layers.ts";
import { itemsOf, parseValue, formatValue } from "./parse-value.ts";
import { notDynamic, shown, unknownBrokerKey, unknownTopicKey } from "./refusals.ts";
import { configTable, entryByBrokerKey, type TableEntry } from "./table.ts";

export interface ConfigChange {
  readonly name: string;
  readonly operation: "set" | "delete" | "append" | "subtract";
  /** Not looked at for `delete`. */
  readonly value: string;
}

/** What a layer becomes. Empty both: it is that already. */
export interface LayerChange {
  readonly set: Readonly<Record<string, string>>;
  readonly unset: readonly string[];
}

export type ChangeVerdict =
  | { readonly ok: true; readonly change: LayerChange }
  | { readonly ok: false; readonly error: ErrorName; readonly message: string };

/** The layer that changes, with its texts as they are. */
export type ChangedLayer = DescribedConfigs & { readonly texts: ReadonlyMap<string, string> };

const topicEntryByKey: ReadonlyMap<string, TableEntry> = new Map(
  configTable.flatMap((entry) => (entry.scope === "topic" ? [[entry.key, entry] as const] : [])),
);

/** Nothing that is set needs more. Before anything is made of it: a number of a million digits takes its time. */
const VALUE_CHARACTERS_MAX = 4_096;

/** Modes of `tidemark.durability`, each keeping more than the one before (15.1). */
const DURABILITY = ["none", "page-cache", "group-commit", "fsync-each"];

/** Decided by itself; relations between keys are `validate`'s. */
export function checkChanges(
  layers: ConfigLayers,
  layer: ChangedLayer,
  changes: readonly ConfigChange[],
): ChangeVerdict {
  const set: [string, string][] = [];
  const unset: string[] = [];
  const seen = new Set<string>();
  for (const change of changes) {
    const { name } = change;
    if (seen.has(name))
      return { ok: false, error: "INVALID_REQUEST", message: `${shown(name)} is changed twice in one request` };
    seen.add(name);
    const decided = decide(layers, layer, change);
    if ("refusal" in decided) {
      const what = change.operation === "delete" ? shown(name) : `${shown(name)}=${shown(change.value)}`;
      return { ok: false, error: "INVALID_CONFIG", message: `${what}: ${decided.refusal}` };
    }
    const before = layer.texts.get(name);
    if (decided.text === null) {
      if (before !== undefined) unset.push(name);
    } else if (decided.text !== before) {
      set.push([name, decided.text]);
    }
  }
  return { ok: true, change: { set: Object.fromEntries(set), unset } };
}

/** The texts of a layer after a change. */
export function applyChange(texts: ReadonlyMap<string, string>, { set, unset }: LayerChange): Map<string, string> {
  const changed = new Map([...texts, ...Object.entries(set)]);
  for (const key of unset) changed.delete(key);
  return changed;
}

/** The new text of the key; null: none of this layer. */
function decide(
  layers: ConfigLayers,
  layer: ChangedLayer,
  { name, operation, value }: ConfigChange,
): { readonly text: string | null } | { readonly refusal: string } {
  const entry = (layer.type === "topic" ? topicEntryByKey : entryByBrokerKey).get(name);
  if (entry === undefined) {
    // What another version has set may still be taken away.
    if (operation === "delete" && layer.texts.has(name)) return { text: null };
    return { refusal: layer.type === "topic" ? unknownTopicKey(name) : unknownBrokerKey(name) };
  }
  const fixed = layer.type === "topic" ? null : notDynamic(entry, layer.type);
  if (fixed !== null) return { refusal: fixed };
  if (operation === "delete") {
    // 15.1(5): a topic keeps the mode that it was made with, so it has one of its own for ever.
    if (layer.type === "topic" && entry.key === "tidemark.durability")
      return { refusal: "a topic keeps the mode it was made with; it can be raised" };
    return { text: null };
  }
  if (value.length > VALUE_CHARACTERS_MAX) return { refusal: `is longer than ${VALUE_CHARACTERS_MAX} characters` };
  if (operation !== "set" && entry.type !== "list")
    return { refusal: `is no list: a value can be set, and not ${operation === "append" ? "appended" : "subtracted"}` };
  const wanted = operation === "set" ? value : edited(textInForce(layers, layer, entry) ?? "", operation, value);
  const parsed = parseValue(entry, wanted, layers.base.profile);
  if (!parsed.ok) return { refusal: parsed.message };
  const text = formatValue(parsed.value);
  if (entry.key === "tidemark.durability") {
    const refusal = refusalOfDurability(layers, layer, text);
    if (refusal !== null) return { refusal };
  }
  return { text };
}

/** Idempotent: an item that is there is not appended, one that is not there is not missed. */
function edited(text: string, operation: "append" | "subtract", value: string): string {
  const given = itemsOf(value.trim());
  const before = itemsOf(text);
  if (operation === "subtract") return before.filter((item) => !given.includes(item)).join(",");
  return [...before, ...given.filter((item) => !before.includes(item))].join(",");
}

function refusalOfDurability({ base }: ConfigLayers, layer: ChangedLayer, text: string): string | null {
  if (text === "none" && base.profile === "server") return "keeps nothing and is for the dev profile without a disk";
  const before = layer.type === "topic" ? layer.texts.get("tidemark.durability") : undefined;
  if (before === undefined || DURABILITY.indexOf(text) >= DURABILITY.indexOf(before)) return null;
  return `a topic's mode can be raised and not lowered; it is ${before}`;
}
