/** What is in force and why: every key of a topic, a broker or the cluster with all layers that have a value for it. */
import { layerText, type ConfigLayers } from "./layers.ts";
import { nearest } from "@tidemark/proto";
import { canonicalText } from "./parse-value.ts";
import { shown } from "./refusals.ts";
import { configTable, noteOn, type TableEntry } from "./table.ts";
import type { ConfigDescription, ConfigSynonym } from "./types.ts";

/** A topic with its overrides; a broker: the one whose layers they are; the cluster: without what that broker has for itself. */
export type DescribedConfigs =
  | { readonly type: "topic"; readonly overrides: ReadonlyMap<string, string> }
  | { readonly type: "broker" }
  | { readonly type: "cluster" };

const topicEntries = configTable.filter(({ scope }) => scope === "topic");

/** Every key, in the order of the table. */
export function describeConfigs(layers: ConfigLayers, resource: DescribedConfigs): ConfigDescription[] {
  return entriesOf(resource).map((entry) => describe(layers, resource, entry));
}

/** These keys alone, in their order; a message for the first that does not exist. */
export function describeConfigKeys(
  layers: ConfigLayers,
  resource: DescribedConfigs,
  keys: readonly string[],
): { readonly ok: true; readonly described: ConfigDescription[] } | { readonly ok: false; readonly message: string } {
  const byName = new Map(entriesOf(resource).map((entry) => [nameOf(resource, entry), entry]));
  const described: ConfigDescription[] = [];
  for (const key of keys) {
    const entry = byName.get(key);
    if (entry === undefined) {
      const near = nearest(key, byName.keys());
      const hint = near === null ? "" : `; the nearest is ${near}`;
      return { ok: false, message: `${shown(key)}: a ${resource.type} has no such key${hint}` };
    }
    described.push(describe(layers, resource, entry));
  }
  return { ok: true, described };
}

/** Text in force, null where nothing is set. */
export function textInForce(layers: ConfigLayers, resource: DescribedConfigs, entry: TableEntry): string | null {
  return synonymsOf(layers, resource, entry)[0]?.value ?? null;
}

function entriesOf({ type }: DescribedConfigs): readonly TableEntry[] {
  return type === "topic" ? topicEntries : configTable;
}

function nameOf({ type }: DescribedConfigs, entry: TableEntry): string {
  return type === "topic" ? entry.key : entry.brokerKey;
}

function describe(layers: ConfigLayers, resource: DescribedConfigs, entry: TableEntry): ConfigDescription {
  const synonyms = synonymsOf(layers, resource, entry);
  const sensitive = entry.sensitive ?? false;
  const name = nameOf(resource, entry);
  const { value = null, source = "default" } = synonyms[0] ?? {};
  return {
    name,
    value: sensitive ? null : value,
    source,
    sensitive,
    readOnly: isReadOnly(resource, entry),
    doc: entry.derived === undefined ? entry.doc : `${entry.doc} Unset: ${entry.derived}.`,
    type: entry.type,
    updateMode: resource.type === "topic" ? "topic" : entry.updateMode,
    note: value === null || source === "default" ? null : noteOn(entry, name, value),
    synonyms: sensitive ? synonyms.map((synonym) => ({ ...synonym, value: null })) : synonyms,
  };
}

function isReadOnly({ type }: DescribedConfigs, { updateMode }: TableEntry): boolean {
  if (type === "topic") return false;
  return updateMode === "read-only" || (type === "broker" && updateMode === "cluster-only");
}

/** The layers that have a value, the one in force first. */
function synonymsOf(layers: ConfigLayers, resource: DescribedConfigs, entry: TableEntry): ConfigSynonym[] {
  const { base, cluster, broker } = layers;
  const { profile } = base;
  const { brokerKey } = entry;
  const synonyms: ConfigSynonym[] = [];
  const add = (name: string, source: ConfigSynonym["source"], value: string | null): void => {
    if (value !== null) synonyms.push({ name, value, source });
  };
  if (resource.type === "topic") {
    const text = resource.overrides.get(entry.key);
    add(entry.key, "topic", text === undefined ? null : canonicalText(entry, text, profile));
  }
  if (resource.type !== "cluster") add(brokerKey, "broker", layerText(entry, "broker", broker.get(brokerKey), profile));
  add(brokerKey, "cluster", layerText(entry, "cluster", cluster.get(brokerKey), profile));
  const read = base.sources.get(brokerKey);
  add(brokerKey, "static", read === undefined || read.source === "default" ? null : read.value);
  const standard = (profile === "dev" ? entry.dev?.default : undefined) ?? entry.default;
  add(brokerKey, "default", standard === null ? null : canonicalText(entry, standard, profile));
  return synonyms;
}
