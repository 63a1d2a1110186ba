/**
 * The settings of a topic: the broker's defaults under the topic's own overrides. Overrides are kept as text, checked
 * when they are made, so that a later version may add keys without rewriting metadata.
 */
import { nearest } from "./nearest.ts";
import { formatValue, parseValue, type Value } from "./parse-value.ts";
import { fieldOf, type Row } from "./row.ts";
import { topicRows } from "./topic-rows.ts";
import type { BrokerConfig, ConfigDescription, TopicConfig, TopicValues } from "./types.ts";

const rowByKey: ReadonlyMap<string, Row> = new Map(topicRows.map((row) => [row.key, row]));

/**
 * The settings in force. An override that this version does not know, or that its bounds no longer allow, is as good as
 * absent: it was checked when it was made, and one topic must not keep a broker from starting.
 */
export function topicConfig(config: BrokerConfig, overrides: ReadonlyMap<string, string>): TopicConfig {
  const values = valuesInForce(config, overrides);
  return Object.freeze({ ...values, log: Object.freeze(logSettings(config, values)) });
}

function valuesInForce(config: BrokerConfig, overrides: ReadonlyMap<string, string>): TopicValues {
  const own: [string, Value][] = [];
  for (const [key, text] of overrides) {
    const row = rowByKey.get(key);
    if (row === undefined) continue;
    const parsed = parseValue(row, text, { profile: config.profile, withUnits: false });
    if (parsed.ok) own.push([fieldOf(key), parsed.value]);
  }
  return { ...config.topicDefaults, ...Object.fromEntries(own) };
}

function logSettings(config: BrokerConfig, values: TopicValues): TopicConfig["log"] {
  return {
    segmentBytes: values.segmentBytes,
    segmentMs: values.segmentMs,
    segmentJitterMs: values.segmentJitterMs,
    segmentIndexBytes: values.segmentIndexBytes,
    indexIntervalBytes: values.indexIntervalBytes,
    flushMessages: values.flushMessages,
    flushMs: values.flushMs,
    fileDeleteDelayMs: values.fileDeleteDelayMs,
    cleanupPolicy: values.cleanupPolicy,
    retentionMs: values.retentionMs,
    retentionBytes: values.retentionBytes,
    producerIdExpirationMs: config.producerIdExpirationMs,
    durability: values.durability,
  };
}

/** Effective min ISR (semantics 1): what is set, or the default for that many replicas; never more than there are. */
export function effectiveMinInsyncReplicas(topic: TopicConfig, replicasCount: number): number {
  return Math.min(topic.minInsyncReplicas ?? (replicasCount >= 3 ? 2 : 1), replicasCount);
}

export type OverridesVerdict =
  | { readonly ok: true }
  | { readonly ok: false; readonly key: string; readonly value: string; readonly message: string };

/** Whether a topic may be made with these overrides; the first one that it may not. The message names key and value. */
export function checkTopicOverrides(
  config: BrokerConfig,
  overrides: Readonly<Record<string, string>>,
): OverridesVerdict {
  for (const [key, value] of Object.entries(overrides)) {
    const reason = refusalOf(config, key, value);
    if (reason !== null) return { ok: false, key, value, message: `${key}=${value}: ${reason}` };
  }
  return { ok: true };
}

function refusalOf(config: BrokerConfig, key: string, value: string): string | null {
  const row = rowByKey.get(key);
  if (row === undefined) {
    const ofBroker = topicRows.find(({ brokerKey }) => brokerKey === key);
    if (ofBroker !== undefined) return `is the broker's default; a topic sets ${ofBroker.key}`;
    const near = nearest(key, rowByKey.keys());
    return near === null ? "topics have no such key" : `topics have no such key; the nearest is ${near}`;
  }
  const parsed = parseValue(row, value, { profile: config.profile, withUnits: false });
  if (!parsed.ok) return parsed.message;
  if (key === "tidemark.durability" && parsed.value === "none" && config.profile === "server") {
    return "keeps nothing and is for the dev profile without a disk";
  }
  return null;
}

/** Every setting of a topic with its text, where it comes from and what it means; value null = unset. */
export function describeTopicConfig(config: BrokerConfig, overrides: ReadonlyMap<string, string>): ConfigDescription[] {
  const inForce = new Map(Object.entries(valuesInForce(config, overrides)));
  return topicRows.map((row: Row) => {
    const value = inForce.get(fieldOf(row.key)) ?? null;
    const isSet = config.keysSet.has(row.brokerKey ?? row.key);
    return {
      name: row.key,
      value: value === null ? null : formatValue(value),
      source: overrides.has(row.key) ? "topic" : isSet ? "static" : "default",
      sensitive: row.sensitive ?? false,
      readOnly: false,
      doc: row.derived === undefined ? row.doc : `${row.doc} Unset: ${row.derived}.`,
    };
  });
}
