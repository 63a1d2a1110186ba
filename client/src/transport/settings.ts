/**
 * What the client's options mean in numbers: durations parsed, defaults filled in. Made once by the Client and handed down
 * in slices; nothing is module state.
 */
import type { BackoffPolicy } from "../core/backoff.ts";
import { parseDuration } from "../duration.ts";
import { invalidArgument } from "../errors.ts";
import { assertOptions, type NamesOf } from "../option-names.ts";
import type { ClientOptions, Logger, RetryPolicy, TlsOptions } from "../types.ts";

const DEFAULT_PORT = 9192;
const CONNECT_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 30_000;
const DELIVERY_TIMEOUT_MS = 120_000;
const RETRY_BUDGET_MS = 30_000;
const RETRY_INITIAL_MS = 50;
const RETRY_MAX_MS = 1_000;
const RETRY_JITTER = 0.2;

const CLIENT_OPTIONS: NamesOf<ClientOptions> = {
  brokers: true,
  clientId: true,
  tls: true,
  retry: true,
  timeouts: true,
  logger: true,
};
const TIMEOUTS: NamesOf<NonNullable<ClientOptions["timeouts"]>> = { connect: true, request: true, delivery: true };
const RETRY: NamesOf<RetryPolicy> = { initialDelay: true, maxDelay: true, jitter: true, budget: true };
const TLS: NamesOf<TlsOptions> = { ca: true, cert: true, key: true, serverName: true, rejectUnauthorized: true };

export interface Settings {
  /** "host:port", at least one. */
  readonly bootstrap: readonly string[];
  readonly clientId: string;
  readonly tls: TlsOptions | null;
  readonly connectTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly deliveryTimeoutMs: number;
  readonly retry: BackoffPolicy;
  /** How long one call is tried. */
  readonly retryBudgetMs: number;
  readonly logger: Logger;
}

/** @throws BrokerError INVALID_ARGUMENT naming the option, one that there is not too */
export function settingsOf(options: ClientOptions): Settings {
  assertOptions(options, CLIENT_OPTIONS);
  const { timeouts = {}, retry = {} } = options;
  assertOptions(timeouts, TIMEOUTS, "timeouts.");
  assertOptions(retry, RETRY, "retry.");
  const jitter = retry.jitter ?? RETRY_JITTER;
  if (!(jitter >= 0 && jitter <= 1)) throw invalidArgument(`retry.jitter must be between 0 and 1, and is ${jitter}`);
  return {
    bootstrap: parseBootstrap(options.brokers),
    clientId: options.clientId ?? "tidemark",
    tls: tlsOf(options.tls ?? false),
    connectTimeoutMs: parseDuration(timeouts.connect ?? CONNECT_TIMEOUT_MS, "timeouts.connect"),
    requestTimeoutMs: parseDuration(timeouts.request ?? REQUEST_TIMEOUT_MS, "timeouts.request"),
    deliveryTimeoutMs: parseDuration(timeouts.delivery ?? DELIVERY_TIMEOUT_MS, "timeouts.delivery"),
    retry: {
      initialMs: parseDuration(retry.initialDelay ?? RETRY_INITIAL_MS, "retry.initialDelay"),
      maxMs: parseDuration(retry.maxDelay ?? RETRY_MAX_MS, "retry.maxDelay"),
      jitter,
    },
    retryBudgetMs: parseDuration(retry.budget ?? RETRY_BUDGET_MS, "retry.budget"),
    logger: options.logger ?? SILENT,
  };
}

const SILENT: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

function tlsOf(tls: boolean | TlsOptions): TlsOptions | null {
  if (typeof tls === "boolean") return tls ? {} : null;
  assertOptions(tls, TLS, "tls.");
  if ((tls.cert === undefined) !== (tls.key === undefined)) throw invalidArgument("tls.cert and tls.key come together");
  return tls;
}

function parseBootstrap(brokers: string | readonly string[]): string[] {
  const given = typeof brokers === "string" ? [brokers] : brokers;
  const addresses = given
    .flatMap((entry) => entry.split(","))
    .map((entry) => entry.trim())
    .filter((entry) => entry !== "");
  if (addresses.length === 0) throw invalidArgument('brokers must name at least one broker as "host:port"');
  return addresses.map(withPort);
}

/** "host", "host:port", "[::1]:port". */
function withPort(address: string): string {
  const parts = /^(\[[0-9a-fA-F:.]+\]|[^:[\]/\s]+)(?::(\d{1,5}))?$/.exec(address);
  const port = Number(parts?.[2] ?? DEFAULT_PORT);
  if (parts === null || port < 1 || port > 65_535) {
    throw invalidArgument(`a broker is named as "host:port", not as ${JSON.stringify(address)}`);
  }
  return `${parts[1]}:${port}`;
}

/** "host:port" of what the cluster advertises; IPv6 in brackets. */
export function addressOf(broker: { readonly host: string; readonly port: number }): string {
  return broker.host.includes(":") ? `[${broker.host}]:${broker.port}` : `${broker.host}:${broker.port}`;
}
