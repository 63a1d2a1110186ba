/**
 * @tidemark/broker: the server, embeddable. `createBroker` makes one in this process; `start` opens its doors, `stop` closes it
 * cleanly.
 *
 * Inputs: a configuration, as keys and values or as `@tidemark/broker/config` loaded it. Outputs: a Broker, and errors of its
 * start with a stable `code`. Invariants: nothing outside its directory and its doors is touched; the signals, the environment
 * and the exit of the process stay the caller's.
 * Not here: reading files, environment and flags (`tidemark`, or whoever embeds it).
 */
export type { BrokerOptions, FatalFault } from "./broker.ts";
export type { BrokerWorld } from "./broker-world.ts";
export { Broker } from "./broker.ts";
export type { BrokerGroup, BrokerGroupOptions, GroupMember } from "./broker-group.ts";
export { createBrokerGroup, startBrokerGroup, type StartBrokerGroupOptions } from "./create-broker-group.ts";
export type { ConfigKeys, CreateBrokerOptions } from "./create-broker.ts";
export { createBroker } from "./create-broker.ts";
export { BrokerStartError } from "./start-error.ts";
export { tuneProcess } from "./process-tuning.ts";
export { BusyAddressError } from "./ports/index.ts";
export type { BrokerConfig } from "./config/index.ts";
export type { OpenProgress, OpenReport } from "./storage/index.ts";
