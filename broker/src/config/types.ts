/** The loaded configuration: what rooms are handed, frozen. Every field comes from a row of the table. */
import type { brokerRows } from "./broker-rows.ts";
import type { Profile, RowType, UpdateMode, ValuesOf } from "./row.ts";
import type { topicRows } from "./topic-rows.ts";

export type BrokerValues = ValuesOf<typeof brokerRows>;
export type TopicValues = ValuesOf<typeof topicRows>;
export type Durability = TopicValues["durability"];

export interface BrokerConfig extends Omit<BrokerValues, "nodeId"> {
  readonly profile: Profile;
  /** Resolved: never unset in a loaded configuration. */
  readonly nodeId: number;
  /** The one entry of `log.dirs`. */
  readonly dataDirectory: string;
  /** What topics have where they override nothing. */
  readonly topicDefaults: TopicValues;
  /** The effective text of every key with its source, in the order of the table; sensitive values are redacted. */
  readonly sources: ReadonlyMap<string, { readonly value: string; readonly source: ConfigSource }>;
}

/** Settings that a partition's log needs; structurally storage's LogConfig. */
export interface LogSettings {
  readonly segmentBytes: number;
  readonly segmentMs: number;
  readonly segmentJitterMs: number;
  readonly segmentIndexBytes: number;
  readonly indexIntervalBytes: number;
  readonly flushMessages: number;
  readonly flushMs: number;
  readonly flushWindowMs: number;
  readonly fileDeleteDelayMs: number;
  readonly cleanupPolicy: readonly string[];
  readonly retentionMs: number;
  readonly retentionBytes: number;
  readonly producerIdExpirationMs: number;
  readonly durability: Durability;
}

/** The settings in force for one topic. `minInsyncReplicas` null: by the number of replicas (metadata/min-isr.ts). */
export interface TopicConfig extends TopicValues {
  readonly log: LogSettings;
}

export type ConfigSource = "default" | "file" | "environment" | "flag";

export interface ConfigProblem {
  readonly key: string;
  readonly value: string;
  readonly message: string;
}

export interface LoadInput {
  readonly profile: Profile;
  /** A properties file, already read; `path` is for messages. */
  readonly file?: { readonly path: string; readonly text: string } | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** By key of the table. */
  readonly flags: Readonly<Record<string, string>>;
  /** For the default of `node.id`. */
  readonly hostName?: string | undefined;
}

export type LoadResult =
  | {
      readonly ok: true;
      readonly config: BrokerConfig;
      /** The effective text of every key with its source, in the order of the table; sensitive values are redacted. */
      readonly sources: ReadonlyMap<string, { readonly value: string; readonly source: ConfigSource }>;
      readonly warnings: string[];
    }
  | { readonly ok: false; readonly problems: ConfigProblem[] };

export interface ConfigDescription {
  readonly name: string;
  /** Without units; null where it is secret or not set. */
  readonly value: string | null;
  readonly source: "default" | "static" | "cluster" | "broker" | "topic";
  readonly sensitive: boolean;
  readonly readOnly: boolean;
  readonly doc: string;
  readonly type: RowType;
  /** Of the broker's key; `topic` in the description of a topic. */
  readonly updateMode: UpdateMode | "read-only" | "topic";
  /** What whoever set this value should know, such as that it has no effect yet; null = nothing, or a default. */
  readonly note: string | null;
  /** Every layer that has a value, the one in force first. */
  readonly synonyms: readonly ConfigSynonym[];
}

export interface ConfigSynonym {
  /** The key that this layer knows it by. */
  readonly name: string;
  readonly value: string | null;
  readonly source: ConfigDescription["source"];
}
