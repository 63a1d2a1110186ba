/** How one setting is shown: the stable JSON shapes, and all that is known of it as a page. */
import type { ConfigEntry } from "@tidemark/client";

export function configShape({ name, value, source, sensitive, readOnly, type, updateMode }: ConfigEntry) {
  return { name, value, source, sensitive, readOnly, type, updateMode };
}

export function explainShape(entry: ConfigEntry) {
  const { doc, synonyms } = entry;
  return {
    ...configShape(entry),
    default: synonyms.find(({ source }) => source === "default")?.value ?? null,
    layers: synonyms.map(({ name, value, source }) => ({ name, value, source })),
    doc: doc ?? null,
    note: entry.note ?? null,
  };
}

/** The value in force, every layer below it, what the setting means, and where it can be changed. */
export function renderExplanation(resource: string, entry: ConfigEntry): string {
  const { name, doc, type, updateMode, synonyms } = entry;
  const widths = [0, 1].map((slot) =>
    Math.max(0, ...synonyms.map((layer) => [layer.source, layer.name][slot]?.length ?? 0)),
  );
  const layers = synonyms.map((layer, slot) => {
    const columns = [layer.source.padEnd(widths[0] ?? 0), layer.name.padEnd(widths[1] ?? 0), shown(layer.value, entry)];
    return `  ${columns.join("  ")}${slot === 0 ? "   in force" : ""}`;
  });
  return [
    `${name} of ${resource}: ${shown(entry.value, entry)} (${entry.source})`,
    ...(doc === undefined ? [] : [`  ${doc}`]),
    `  ${type}; ${CHANGES[updateMode]}`,
    ...(entry.note === undefined ? [] : [`  ${entry.note}`]),
    ...(layers.length === 0 ? [] : ["layers:", ...layers]),
    "",
  ].join("\n");
}

const CHANGES: Readonly<Record<ConfigEntry["updateMode"], string>> = {
  "read-only": "changed by a restart only",
  "per-broker": "dynamic, for each broker",
  "cluster-wide": "dynamic, for the cluster or one broker",
  "cluster-only": "dynamic, for the cluster",
  topic: "dynamic, for each topic",
};

function shown(value: string | null, { sensitive }: ConfigEntry): string {
  if (value !== null) return value === "" ? '""' : value;
  return sensitive ? "[secret]" : "not set";
}
