/** Why a key or a value is refused, in words that help to mend it. Texts of strangers are cut: a refusal stays small. */
import { nearest } from "@tidemark/proto";
import { configTable, refusedKeys, type TableEntry } from "./table.ts";

const SHOWN_CHARACTERS = 100;

/** A key or value as a message shows it. */
export function shown(text: string): string {
  return text.length <= SHOWN_CHARACTERS ? text : `${text.slice(0, SHOWN_CHARACTERS)}…`;
}

const topicKeys: readonly string[] = configTable.flatMap(({ scope, key }) => (scope === "topic" ? [key] : []));
const keyByAlias: ReadonlyMap<string, string> = new Map(
  configTable.flatMap(({ brokerKey, aliases = [] }) => aliases.map(({ key }) => [key, brokerKey] as const)),
);
const brokerKeys: readonly string[] = [...configTable.map(({ brokerKey }) => brokerKey), ...keyByAlias.keys()];

/** Of a key that no topic has. */
export function unknownTopicKey(key: string): string {
  const ofBroker = configTable.find(({ scope, brokerKey }) => scope === "topic" && brokerKey === key);
  if (ofBroker !== undefined) return `is the broker's default; a topic sets ${ofBroker.key}`;
  const near = nearest(key, topicKeys);
  return near === null ? "topics have no such key" : `topics have no such key; the nearest is ${near}`;
}

/** Of a key that no broker has, or that is another spelling, which only its file and environment take. */
export function unknownBrokerKey(key: string): string {
  const refusal = refusedKeys.get(key);
  if (refusal !== undefined) return refusal;
  const finest = keyByAlias.get(key);
  if (finest !== undefined) return `is another spelling: set ${finest}`;
  const ofTopics = configTable.find((entry) => entry.scope === "topic" && entry.key === key);
  if (ofTopics !== undefined) return `is set per topic; the default of all topics is ${ofTopics.brokerKey}`;
  const near = nearest(key, brokerKeys);
  return near === null ? "there is no such key" : `there is no such key; the nearest is ${near}`;
}

/** Of a key that brokers have and that is not set in this way while they run; null: it may be. */
export function notDynamic(entry: TableEntry, layer: "cluster" | "broker"): string | null {
  if (entry.updateMode === "read-only") return "is read when a broker starts: set it in its file or environment";
  if (layer === "broker" && entry.updateMode === "cluster-only")
    return "is the same for all brokers: set it for the cluster";
  return null;
}
