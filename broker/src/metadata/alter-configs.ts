/**
 * Changes the settings of topics, of brokers and of the cluster (semantics 13(5)). Each resource is decided by itself, all of
 * its changes or none, and becomes one record; what changes nothing makes none, so that a request may come twice.
 */
import { type ErrorName, validateTopicName } from "@tidemark/proto";
import {
  type BrokerConfig,
  type ChangedLayer,
  checkChanges,
  type ConfigChange,
  type DynamicConfigs,
  layeredConfig,
  layersOf,
  shown,
  validate,
} from "../config/index.ts";
import { applyEntry } from "./apply.ts";
import type { Decision } from "./decision.ts";
import type { ClusterImage } from "./image.ts";
import type { ConfigOwner, MetadataRecord } from "./records.ts";

/** Whose settings, as a request names it. */
export type ConfigResource =
  | { readonly type: "topic"; readonly name: string }
  | { readonly type: "broker"; readonly id: number }
  | { readonly type: "cluster" };

export interface ConfigAlteration {
  readonly resource: ConfigResource;
  readonly changes: readonly ConfigChange[];
}

export interface AlterConfigsResult {
  readonly error: ErrorName;
  /** Empty without an error. */
  readonly message: string;
}

const DONE: AlterConfigsResult = { error: "NONE", message: "" };
const NO_TEXTS: ReadonlyMap<string, string> = new Map();

/**
 * One result per alteration, in order. Errors: INVALID_CONFIG, INVALID_REQUEST for what is named twice,
 * UNKNOWN_TOPIC_OR_PARTITION, INVALID_TOPIC_EXCEPTION, BROKER_ID_NOT_REGISTERED. `base` is this node's file.
 */
export function alterConfigs(
  working: ClusterImage,
  alterations: readonly ConfigAlteration[],
  base: BrokerConfig,
): Decision<AlterConfigsResult[]> {
  const records: MetadataRecord[] = [];
  const twice = namedTwice(alterations);
  // What the cluster and brokers have is decided on what the alterations before have left; no topic is named twice.
  let image = working;
  const response = alterations.map(({ resource, changes }): AlterConfigsResult => {
    if (twice.has(keyOf(resource)))
      return { error: "INVALID_REQUEST", message: `the request names ${titleOf(resource)} twice` };
    const owner = findOwner(image, resource);
    if ("error" in owner) return owner;
    const layers = layersOf(base, image.configs);
    const own = resource.type === "broker" ? { ...layers, broker: owner.layer.texts } : layers;
    const verdict = checkChanges(own, owner.layer, changes);
    if (!verdict.ok) return { error: verdict.error, message: verdict.message };
    const { set, unset } = verdict.change;
    if (Object.keys(set).length === 0 && unset.length === 0) return DONE;
    const record: MetadataRecord = { type: "configChanged", owner: owner.owner, set, unset };
    if (resource.type !== "topic") {
      const { configs } = applyEntry(image, image.metadataOffset + 1, [record]).image;
      const conflict = conflictIn(configs, base);
      if (conflict !== null) return { error: "INVALID_CONFIG", message: conflict };
      image = { ...image, configs };
    }
    records.push(record);
    return DONE;
  });
  return { records, response };
}

function findOwner(
  image: ClusterImage,
  resource: ConfigResource,
): { readonly owner: ConfigOwner; readonly layer: ChangedLayer } | AlterConfigsResult {
  switch (resource.type) {
    case "topic": {
      const topic = image.topics.get(resource.name);
      if (topic === undefined) return unknownTopic(resource.name);
      const { topicId, overrides } = topic;
      return { owner: { type: "topic", topicId }, layer: { type: "topic", overrides, texts: overrides } };
    }
    case "broker": {
      const { id } = resource;
      if (!image.brokers.has(id)) return { error: "BROKER_ID_NOT_REGISTERED", message: `there is no broker ${id}` };
      const texts = image.configs.brokers.get(id) ?? NO_TEXTS;
      return { owner: { type: "broker", brokerId: id }, layer: { type: "broker", texts } };
    }
    case "cluster":
      return { owner: { type: "cluster" }, layer: { type: "cluster", texts: image.configs.cluster } };
  }
}

function unknownTopic(name: string): AlterConfigsResult {
  const illegal = validateTopicName(name);
  if (illegal !== null) return { error: "INVALID_TOPIC_EXCEPTION", message: `the topic name ${illegal}` };
  return { error: "UNKNOWN_TOPIC_OR_PARTITION", message: `there is no topic ${name}` };
}

/** What contradicts itself once the change is in force; null = nothing. */
function conflictIn(configs: DynamicConfigs, base: BrokerConfig): string | null {
  const [problem] = validate(layeredConfig(layersOf(base, configs))).problems;
  return problem === undefined ? null : `${problem.key}=${problem.value}: ${problem.message}`;
}

function namedTwice(alterations: readonly ConfigAlteration[]): ReadonlySet<string> {
  const seen = new Set<string>();
  const twice = new Set<string>();
  for (const { resource } of alterations) {
    const key = keyOf(resource);
    (seen.has(key) ? twice : seen).add(key);
  }
  return twice;
}

function keyOf(resource: ConfigResource): string {
  switch (resource.type) {
    case "topic":
      return `topic ${resource.name}`;
    case "broker":
      return `broker ${resource.id}`;
    case "cluster":
      return "the cluster";
  }
}

function titleOf(resource: ConfigResource): string {
  return shown(keyOf(resource));
}
