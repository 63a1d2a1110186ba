/**
 * @tidemark/broker: the server, embeddable. `createBroker({ config })` makes one from a configuration that
 * `@tidemark/broker/config` loaded; `start` opens its doors, `stop` closes it cleanly.
 *
 * Not here: reading files, environment and flags (`tidemark`, or whoever embeds it).
 */
export type { BrokerOptions, BrokerWorld, FatalFault } from "./broker.ts";
export { Broker, BrokerStartError, createBroker } from "./broker.ts";
export { tuneProcess } from "./process-tuning.ts";
export { BusyAddressError } from "./listeners/grpc/index.ts";
export type { BrokerConfig } from "./config/index.ts";
export type { OpenReport } from "./storage/index.ts";
