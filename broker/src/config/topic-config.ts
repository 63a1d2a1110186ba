/**
 * The settings of a topic: the broker's defaults under the topic's own overrides. Overrides are kept as text, checked
 * when they are made (alter.ts), so that a later version may add keys without rewriting metadata.
 */
import { parseValue, type Value } from "./parse-value.ts";
import { fieldOf, type Row } from "./row.ts";
import { topicRows } from "./topic-rows.ts";
import type { BrokerConfig, TopicConfig, TopicValues } from "./types.ts";

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
    const parsed = parseValue(row, text, config.profile);
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
    flushWindowMs: values.flushWindowMs,
    fileDeleteDelayMs: values.fileDeleteDelayMs,
    cleanupPolicy: values.cleanupPolicy,
    retentionMs: values.retentionMs,
    retentionBytes: values.retentionBytes,
    producerIdExpirationMs: config.producerIdExpirationMs,
    durability: values.durability,
  };
}
