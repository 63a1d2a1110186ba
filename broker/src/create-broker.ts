/** `createBroker`: a broker in the process of whoever calls it, from a loaded configuration or from plain keys and values. */
import { Broker } from "./broker.ts";
import { BrokerStartError } from "./start-error.ts";
import type { BrokerOptions } from "./broker.ts";
import { loadConfig } from "./config/index.ts";
import type { BrokerConfig } from "./config/index.ts";

/** Keys of docs/configuration.md with their values: `{ "log.dirs": "./data", "num.partitions": 3 }`. */
export type ConfigKeys = Readonly<Record<string, string | number | boolean>>;

export interface CreateBrokerOptions extends Omit<BrokerOptions, "config"> {
  /**
   * What `loadConfig` of `@tidemark/broker/config` returned, or keys and values. Keys are read with the server's defaults but
   * for those below; the environment is not looked at.
   */
  readonly config?: BrokerConfig | ConfigKeys | undefined;
}

/** What an embedded broker has where its keys say nothing: one door on a free port of this machine, and a quiet log. */
const EMBEDDED_DEFAULTS: ConfigKeys = {
  "node.id": 1,
  listeners: "GRPC://127.0.0.1:0",
  "log.level": "warn",
};

/**
 * Makes a broker; `start` opens it, `stop` (or `await using`) closes it cleanly. Without `memory: true` the key `log.dirs`
 * has to name its directory.
 *
 * @throws BrokerStartError INVALID_CONFIG with every problem of the keys. Errors of `start` have a `code`: those of
 * StorageError, BusyAddressError and BrokerStartError, METADATA_LOST and so on; each names the file, address or value it is
 * about.
 */
export async function createBroker(options: CreateBrokerOptions = {}): Promise<Broker> {
  return makeBroker(options);
}

/** As createBroker. */
export function makeBroker(options: CreateBrokerOptions): Broker {
  return new Broker({ ...options, config: configOf(options) });
}

function configOf({ config = {}, memory = false }: CreateBrokerOptions): BrokerConfig {
  if (isLoaded(config)) return config;
  if (!memory && config["log.dirs"] === undefined) {
    throw invalidConfig(`log.dirs names no directory; \`memory: true\` needs none`);
  }
  const flags = Object.fromEntries(
    Object.entries({ ...EMBEDDED_DEFAULTS, ...config }).map(([key, value]) => [key, String(value)]),
  );
  const result = loadConfig({ profile: "server", env: {}, flags });
  if (result.ok) return result.config;
  throw invalidConfig(result.problems.map(({ key, value, message }) => `${key}=${value}: ${message}`).join("\n"));
}

function isLoaded(config: BrokerConfig | ConfigKeys): config is BrokerConfig {
  return config["sources"] instanceof Map;
}

function invalidConfig(message: string): BrokerStartError {
  return new BrokerStartError("INVALID_CONFIG", message, undefined);
}
