/** Settings of topics, brokers and the cluster: every layer that has a value, and changes to the dynamic ones. */
import { type ConfigChange, ConfigOperation, type ConfigEntry as WireEntry } from "@tidemark/proto";
import { change, limitsOf, read, settle } from "./admin-call.ts";
import { invalidArgument } from "./errors.ts";
import type { Limits } from "./pause.ts";
import type { CallTarget, Cluster } from "./transport/cluster.ts";
import type { CallOptions, ConfigChanges, ConfigEntry, ConfigResource, ConfigSource } from "./types.ts";

/** What the one broker that can answer is given for it. */
const ONE_PATIENCE_MS = 5_000;

export interface ConfigAdmin {
  /**
   * All keys of the resource in the order of docs/configuration.md, or `keys` alone, in their order. For a broker the values in
   * force there; for the cluster those of the broker that answers, without what it has for itself.
   * @throws BrokerError UNKNOWN_TOPIC_OR_PARTITION, BROKER_ID_NOT_REGISTERED, INVALID_ARGUMENT for a key that does not exist
   */
  get(resource: ConfigResource, options?: CallOptions & { keys?: readonly string[] }): Promise<ConfigEntry[]>;
  /**
   * All changes or none, in force when it resolves. `set` gives a value, with units if you like ("6MiB", "7d"); `delete` goes
   * back to the next layer; `append` and `subtract` add items to a list and take them away, several with commas. A key may be
   * changed once in a call. With `validateOnly` nothing changes, and what would be refused is.
   * @throws BrokerError INVALID_ARGUMENT, UNKNOWN_TOPIC_OR_PARTITION, BROKER_ID_NOT_REGISTERED
   */
  alter(
    resource: ConfigResource,
    changes: ConfigChanges,
    options?: CallOptions & { validateOnly?: boolean },
  ): Promise<void>;
}

export function createConfigAdmin(cluster: Cluster): ConfigAdmin {
  return Object.freeze<ConfigAdmin>({
    get: (resource, options) => getConfigs(cluster, resource, options),
    alter: (resource, changes, options) => alterConfigs(cluster, resource, changes, options),
  });
}

async function getConfigs(
  cluster: Cluster,
  resource: ConfigResource,
  options: Parameters<ConfigAdmin["get"]>[1] = {},
): Promise<ConfigEntry[]> {
  const { keys } = options;
  if (keys?.length === 0) return [];
  const limits = limitsOf(options);
  const asked = { ...wireResource(resource), keys: [...(keys ?? [])] };
  const { entries } = await settle(cluster, limits, aboutOf(resource), async () => {
    if (resource.type === "broker" && cluster.broker(resource.id) === undefined)
      await cluster.refresh([], { create: false });
    const to = resource.type === "broker" ? toBroker(cluster, resource.id, limits) : limits;
    return (await read(cluster, "describeConfigs", { resources: [asked] }, to)).results[0];
  });
  return entries.map(configEntry);
}

/** Of a broker's values only the broker itself knows what its file says; whether there is such a broker any other. */
function toBroker(cluster: Cluster, id: number, limits: Limits): Limits & CallTarget {
  if (cluster.broker(id) === undefined) return limits;
  return { ...limits, timeoutMs: limits.timeoutMs ?? ONE_PATIENCE_MS, broker: id, isExact: true };
}

async function alterConfigs(
  cluster: Cluster,
  resource: ConfigResource,
  changes: ConfigChanges,
  options: Parameters<ConfigAdmin["alter"]>[2] = {},
): Promise<void> {
  const limits = limitsOf(options);
  const altered = { ...wireResource(resource), changes: wireChanges(changes) };
  const request = { resources: [altered], validateOnly: options.validateOnly ?? false };
  await settle(cluster, limits, aboutOf(resource), async (_attempt, left) => {
    return (await change(cluster, "alterConfigs", request, left)).results[0];
  });
}

function wireResource(resource: ConfigResource): { type: string; name: string } {
  switch (resource.type) {
    case "topic":
      return { type: "topic", name: resource.name };
    case "broker":
      if (!Number.isSafeInteger(resource.id) || resource.id < 0)
        throw invalidArgument(`a broker's id is a whole number from 0, not ${resource.id}`);
      return { type: "broker", name: String(resource.id) };
    case "cluster":
      return { type: "cluster", name: "" };
  }
}

function aboutOf(resource: ConfigResource): { topic?: string; broker?: number } {
  if (resource.type === "topic") return { topic: resource.name };
  return resource.type === "broker" ? { broker: resource.id } : {};
}

function wireChanges(changes: ConfigChanges): ConfigChange[] {
  const withValues = (operation: number, values: Readonly<Record<string, string>> = {}): ConfigChange[] =>
    Object.entries(values).map(([name, value]) => ({ name, operation, value }));
  return [
    ...withValues(ConfigOperation.SET, changes.set),
    ...(changes.delete ?? []).map((name) => ({ name, operation: ConfigOperation.DELETE, value: "" })),
    ...withValues(ConfigOperation.APPEND, changes.append),
    ...withValues(ConfigOperation.SUBTRACT, changes.subtract),
  ];
}

const SOURCES: readonly ConfigSource[] = ["default", "static", "cluster", "broker", "topic"];
const UPDATE_MODES = ["read-only", "per-broker", "cluster-wide", "cluster-only", "topic"] as const;

export function configEntry(entry: WireEntry): ConfigEntry {
  const { name, value, sensitive, readOnly, doc, type } = entry;
  return {
    name,
    value: value ?? null,
    source: sourceOf(entry.source),
    sensitive,
    readOnly,
    ...(doc === "" ? {} : { doc }),
    type,
    updateMode: UPDATE_MODES.find((known) => known === entry.updateMode) ?? "read-only",
    ...(entry.note === "" ? {} : { note: entry.note }),
    synonyms: entry.synonyms.map((synonym) => ({
      name: synonym.name,
      value: synonym.value ?? null,
      source: sourceOf(synonym.source),
    })),
  };
}

function sourceOf(text: string): ConfigSource {
  return SOURCES.find((known) => known === text) ?? "default";
}
