/** What a test cluster may be like, and what is said to options that make no sense. */
import { unknownName } from "@tidemark/proto";
import type { ConfigKeys } from "../create-broker.ts";
import type { LogLevel } from "../platform/index.ts";
import { TestClusterError } from "./errors.ts";

export interface TestClusterOptions {
  /** Default 3; 1 is a broker alone. */
  readonly brokers?: number;
  /** Default "random": any free ones. A list has the port of each broker by which clients come, on 127.0.0.1; 0 is any free one. */
  readonly ports?: "random" | readonly number[];
  /** Default "memory". A directory gets one for each broker, and keeps them. */
  readonly storage?: "memory" | { readonly dir: string };
  /**
   * "real" (default): the brokers' time walks with that of the machine. "virtual": it does so too, runs while a broker starts and while
   * the cluster is waited for (`settled`, `leaderOf`), and jumps by `advance`.
   */
  readonly clock?: "real" | "virtual";
  /** Keys of docs/configuration.md for all of them, beside what makes them a cluster. */
  readonly config?: ConfigKeys;
  /** Default "silent". Lines of the brokers from this level on go to standard error. */
  readonly logLevel?: LogLevel;
  /** Of what chance decides: delays, ids, what a loss of power leaves. Default: any; `seed` tells it. */
  readonly seed?: number;
  /** The brokers have no authentication yet: nothing else can be chosen. */
  readonly auth?: "none";
  /** The brokers have no encryption yet: nothing else can be chosen. */
  readonly tls?: false;
}

/** The same, checked and with the defaults. */
export interface Shape extends Required<Omit<TestClusterOptions, "ports" | "auth" | "tls">> {
  /** By broker; 0: any free one. */
  readonly ports: readonly number[];
}

const BROKERS_MAX = 15;
const PORT_MAX = 65_535;
const LOG_LEVELS: readonly LogLevel[] = ["debug", "info", "warn", "error", "silent"];
/** As a record, so that none can be left out. */
const NAMES: readonly string[] = Object.keys({
  brokers: true,
  ports: true,
  storage: true,
  clock: true,
  config: true,
  logLevel: true,
  seed: true,
  auth: true,
  tls: true,
} satisfies Record<keyof TestClusterOptions, true>);

/** `more`: names of options beside those of TestClusterOptions. Throws TestClusterError INVALID_OPTION for any other. */
export function assertTestClusterOptions(options: object, more: readonly string[] = []): void {
  if (typeof options !== "object" || options === null) throw invalid(`options are an object, not ${shown(options)}`);
  const names = [...NAMES, ...more];
  const unknown = unknownName(options, names);
  if (unknown !== null) throw invalid(`there is no option ${unknown.name}; ${unknown.hint}`);
}

/** Throws TestClusterError INVALID_OPTION. */
export function shapeOf(options: TestClusterOptions): Shape {
  assertTestClusterOptions(options);
  const { brokers = 3, ports = "random", storage = "memory", clock = "real", config = {}, logLevel } = options;
  const { seed = Math.floor(Math.random() * 2 ** 32), auth = "none", tls = false } = options;
  if (!Number.isInteger(brokers) || brokers < 1 || brokers > BROKERS_MAX)
    throw invalid(`brokers is a number from 1 to ${BROKERS_MAX}, not ${shown(brokers)}`);
  if (storage !== "memory" && (typeof storage?.dir !== "string" || storage.dir === ""))
    throw invalid(`storage is "memory" or { dir: "…" }, not ${shown(storage)}`);
  if (clock !== "real" && clock !== "virtual") throw invalid(`clock is "real" or "virtual", not ${shown(clock)}`);
  if (typeof config !== "object" || config === null)
    throw invalid(`config is an object of keys and values, not ${shown(config)}`);
  if (logLevel !== undefined && !LOG_LEVELS.includes(logLevel))
    throw invalid(`logLevel is one of ${LOG_LEVELS.join(", ")}, not ${shown(logLevel)}`);
  if (!Number.isSafeInteger(seed) || seed < 0) throw invalid(`seed is a whole number from 0 on, not ${shown(seed)}`);
  if (auth !== "none") throw invalid(`auth is "none": the brokers have no authentication yet, so not ${shown(auth)}`);
  if (tls !== false) throw invalid(`tls is false: the brokers have no encryption yet, so not ${shown(tls)}`);
  const wanted = ports === "random" ? Array.from({ length: brokers }, () => 0) : portsOf(ports, brokers);
  return { brokers, ports: wanted, storage, clock, config, logLevel: logLevel ?? "silent", seed };
}

function portsOf(ports: readonly number[], brokers: number): readonly number[] {
  const isPort = (port: unknown): boolean => Number.isInteger(port) && Number(port) >= 0 && Number(port) <= PORT_MAX;
  if (!Array.isArray(ports) || !ports.every(isPort))
    throw invalid(`ports is "random" or a list of port numbers, not ${shown(ports)}`);
  if (ports.length !== brokers)
    throw invalid(`ports names one for each of the ${brokers} brokers, not ${ports.length}: ${shown(ports)}`);
  const twice = ports.find((port, slot) => port !== 0 && ports.indexOf(port) !== slot);
  if (twice !== undefined) throw invalid(`ports names ${twice} twice`);
  return ports;
}

export function invalid(message: string): TestClusterError {
  return new TestClusterError("INVALID_OPTION", message);
}

/** As it stands in a program: text with its quotes. */
export function shown(value: unknown): string {
  // JSON has null for what is no finite number.
  return typeof value === "number" ? String(value) : (JSON.stringify(value) ?? String(value));
}
