/**
 * The layers below a topic's own overrides: what was set for one broker, over what was set for the cluster, over file,
 * environment and flags, over the defaults. The upper two change while the broker runs; they are kept in the metadata as text,
 * under the broker's keys. One that this version does not know, or that its bounds no longer allow, is as good as absent: it was
 * checked when it was made, and it must not keep a broker from starting.
 */
import { formatValue, parseValue, type Value } from "./parse-value.ts";
import { fieldOf, type Profile } from "./row.ts";
import { entryByBrokerKey, type TableEntry } from "./table.ts";
import type { BrokerConfig } from "./types.ts";

/** What was set while brokers ran: text by the broker's key, for all of them and for single ones. */
export interface DynamicConfigs {
  readonly cluster: ReadonlyMap<string, string>;
  /** By broker id. */
  readonly brokers: ReadonlyMap<number, ReadonlyMap<string, string>>;
}

export const noDynamicConfigs: DynamicConfigs = { cluster: new Map(), brokers: new Map() };

const NOTHING: ReadonlyMap<string, string> = new Map();

/** The configuration of one broker in its layers. */
export interface ConfigLayers {
  /** File, environment and flags over the defaults. */
  readonly base: BrokerConfig;
  readonly cluster: ReadonlyMap<string, string>;
  readonly broker: ReadonlyMap<string, string>;
}

/** The layers of the broker whose file `base` was read from. */
export function layersOf(base: BrokerConfig, dynamic: DynamicConfigs): ConfigLayers {
  return { base, cluster: dynamic.cluster, broker: dynamic.brokers.get(base.nodeId) ?? NOTHING };
}

/** What is in force. `base` itself when nothing was set. */
export function layeredConfig({ base, cluster, broker }: ConfigLayers): BrokerConfig {
  const own: [string, Value][] = [];
  const ofTopics: [string, Value][] = [];
  for (const [layer, texts] of [
    ["cluster", cluster],
    ["broker", broker],
  ] as const) {
    for (const [key, text] of texts) {
      const entry = entryByBrokerKey.get(key);
      const value = entry === undefined ? null : layerValue(entry, layer, text, base.profile);
      if (entry === undefined || value === null) continue;
      if (entry.scope === "topic") ofTopics.push([fieldOf(entry.key), value]);
      else if (fieldOf(entry.key) in base) own.push([fieldOf(entry.key), value]);
    }
  }
  if (own.length === 0 && ofTopics.length === 0) return base;
  const topicDefaults = Object.freeze({ ...base.topicDefaults, ...Object.fromEntries(ofTopics) });
  return Object.freeze({ ...base, ...Object.fromEntries(own), topicDefaults });
}

/** The text of a dynamic layer as it counts; null = absent. */
export function layerText(
  entry: TableEntry,
  layer: "cluster" | "broker",
  text: string | undefined,
  profile: Profile,
): string | null {
  const value = text === undefined ? null : layerValue(entry, layer, text, profile);
  return value === null ? null : formatValue(value);
}

function layerValue(entry: TableEntry, layer: "cluster" | "broker", text: string, profile: Profile): Value | null {
  if (entry.updateMode === "read-only" || (layer === "broker" && entry.updateMode === "cluster-only")) return null;
  const parsed = parseValue(entry, text, profile);
  return parsed.ok ? parsed.value : null;
}

/**
 * The configuration of a running broker: one object, handed to whoever must see a change. `current` is for those who look when
 * they need a value, `onChange` for those who keep something made from one.
 */
export class LiveConfig {
  readonly base: BrokerConfig;
  readonly #listeners: ((current: BrokerConfig) => void)[] = [];
  #layers: ConfigLayers;
  #current: BrokerConfig;

  constructor(base: BrokerConfig) {
    this.base = base;
    this.#layers = layersOf(base, noDynamicConfigs);
    this.#current = base;
  }

  get current(): BrokerConfig {
    return this.#current;
  }

  get layers(): ConfigLayers {
    return this.#layers;
  }

  /** What the metadata says now. The same maps again change nothing. */
  update(dynamic: DynamicConfigs): void {
    const layers = layersOf(this.base, dynamic);
    if (layers.cluster === this.#layers.cluster && layers.broker === this.#layers.broker) return;
    this.#layers = layers;
    this.#current = layeredConfig(layers);
    for (const listener of this.#listeners) listener(this.#current);
  }

  /** Calls `listener` after each change, in the stretch that made it. */
  onChange(listener: (current: BrokerConfig) => void): void {
    this.#listeners.push(listener);
  }
}
