/**
 * The one table of configuration keys, as data: what `server print-defaults` shows and docs/configuration.md is made
 * from. Its parts stand in the files `*-rows.ts`.
 */
import { brokerRows } from "./broker-rows.ts";
import { laterRows } from "./later-rows.ts";
import type { Row, UpdateMode } from "./row.ts";
import { topicRows } from "./topic-rows.ts";

export interface TableEntry extends Row {
  /** The key in a broker's configuration; for topic rows `key` is the name of the override. */
  readonly brokerKey: string;
  /** Kafka's dynamic update mode of the broker's key. */
  readonly updateMode: UpdateMode | "read-only";
}

function entryOf(row: Row): TableEntry {
  return Object.freeze({ ...row, brokerKey: row.brokerKey ?? row.key, updateMode: row.update ?? "read-only" });
}

export const configTable: readonly TableEntry[] = Object.freeze(
  [...brokerRows, ...topicRows, ...laterRows].map(entryOf),
);

/** By the key in a broker's configuration, without aliases. */
export const entryByBrokerKey: ReadonlyMap<string, TableEntry> = new Map(
  configTable.map((entry) => [entry.brokerKey, entry]),
);

/** What whoever sets `name` to this text should know of it; null = nothing. */
export function noteOn(entry: TableEntry, name: string, text: string): string | null {
  if (entry.withoutEffect === true) return `${name} is accepted and has no effect yet`;
  const idle = (entry.withoutEffectItems ?? []).filter((item) => text.split(",").includes(item));
  return idle.length === 0 ? null : `${name}: ${idle.join(", ")} is accepted and has no effect yet`;
}

/** Keys of Kafka or of a bigger Tidemark that would change a promise: ignoring one would be worse than refusing it. */
export const refusedKeys: ReadonlyMap<string, string> = new Map([
  [
    "controller.quorum.bootstrap.servers",
    "name the voters in controller.quorum.voters: a broker that is not among them follows them",
  ],
  ["authorizer.class.name", "authorisation is not available yet, and no configuration value names a class"],
  ["super.users", "authorisation is not available yet"],
  ["sasl.enabled.mechanisms", "authentication is not available yet"],
  ["ssl.client.auth", "encryption is not available yet"],
  ["ssl.keystore.location", "encryption is not available yet"],
  ["ssl.truststore.location", "encryption is not available yet"],
  ["listener.security.protocol.map", "encryption and authentication are not available yet"],
  ["inter.broker.listener.name", "brokers talk to one another on the listener PEER"],
]);
