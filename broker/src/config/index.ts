/**
 * config: one table of keys, and everything that follows from it: the parser of file, environment and flags, the typed
 * configuration, the settings of a topic and their description.
 *
 * Inputs: texts that the composition root has read. Outputs: a frozen BrokerConfig, or every problem that was found.
 * Invariants: default < file < environment < flag; an unknown key, a wrong type and a value out of range are refusals
 * that name key, value and what is allowed; nothing here is module state.
 * Not here: reading files or the process environment; settings of clients.
 */
export type { Listener, Profile, Row, Unit } from "./row.ts";
export type {
  BrokerConfig,
  ConfigDescription,
  ConfigProblem,
  ConfigSource,
  Durability,
  LoadInput,
  LoadResult,
  LogSettings,
  TopicConfig,
} from "./types.ts";
export { tidemarkName as environmentNameOf, reservedNames } from "./environment.ts";
export { allowedRange } from "./parse-value.ts";
export { configTable, type TableEntry } from "./table.ts";
export { loadConfig } from "./load.ts";
export { nearest } from "./nearest.ts";
export { checkTopicOverrides, describeTopicConfig, effectiveMinInsyncReplicas, topicConfig } from "./topic-config.ts";
export { formatProperty, parseProperties } from "./properties.ts";
export { testTiny } from "./presets.ts";
