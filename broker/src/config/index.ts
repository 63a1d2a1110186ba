/**
 * config: one table of keys, and everything that follows from it: the parser of file, environment and flags, the typed
 * configuration, the layers above it that change while a broker runs, the settings of a topic, their description and change.
 *
 * Inputs: texts that the composition root has read. Outputs: a frozen BrokerConfig, or every problem that was found.
 * Invariants: default < file < environment < flag; an unknown key, a wrong type and a value out of range are refusals
 * that name key, value and what is allowed; nothing here is module state.
 * Not here: reading files or the process environment; settings of clients.
 */
export type { Listener, Profile, Row, Unit, UpdateMode, Voter } from "./row.ts";
export type {
  BrokerConfig,
  ConfigDescription,
  ConfigProblem,
  ConfigSource,
  ConfigSynonym,
  Durability,
  LoadInput,
  LoadResult,
  LogSettings,
  TopicConfig,
} from "./types.ts";
export { tidemarkName as environmentNameOf, reservedNames } from "./environment.ts";
export { allowedRange, canonicalText } from "./parse-value.ts";
export { configTable, type TableEntry } from "./table.ts";
export { isLoopback, PEER_PORT } from "./listeners.ts";
export { loadConfig } from "./load.ts";
export { nearest } from "@tidemark/proto";
export type { ConfigLayers, DynamicConfigs } from "./layers.ts";
export { LiveConfig, layeredConfig, layersOf, noDynamicConfigs } from "./layers.ts";
export type { DescribedConfigs } from "./describe.ts";
export { describeConfigKeys, describeConfigs } from "./describe.ts";
export type { ChangedLayer, ChangeVerdict, ConfigChange, LayerChange } from "./alter.ts";
export { applyChange, checkChanges } from "./alter.ts";
export { shown } from "./refusals.ts";
export { validate } from "./validate.ts";
export { topicConfig } from "./topic-config.ts";
export { formatProperty, parseProperties } from "./properties.ts";
export { testTiny } from "./presets.ts";
