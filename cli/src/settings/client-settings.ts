/**
 * The table of client settings: what `-X key=value` and a profile may set, and the environment variable that does. Keys
 * are the paths of the SDK's options; `producer.` and `reader.` lead into the options of those.
 */
import { usageFailure } from "../failure.ts";
import { parseBytes } from "../parse/size.ts";

export type SettingKind = "text" | "list" | "duration" | "bytes" | "number" | "boolean" | "file" | "choice" | "secret";

export interface ClientSetting {
  readonly key: string;
  readonly kind: SettingKind;
  readonly doc: string;
  readonly choices?: readonly string[];
  readonly environment?: string;
}

export const CLIENT_SETTINGS = [
  { key: "brokers", kind: "list", environment: "TIDEMARK_BROKERS", doc: "brokers to ask first, host:port,..." },
  { key: "http", kind: "text", environment: "TIDEMARK_HTTP", doc: "HTTP door of a broker, host:port, for metrics" },
  { key: "clientId", kind: "text", doc: "name in the brokers' logs and metrics" },
  { key: "timeouts.connect", kind: "duration", doc: "one attempt to connect (10s)" },
  { key: "timeouts.request", kind: "duration", doc: "one attempt of a call (30s)" },
  { key: "timeouts.delivery", kind: "duration", doc: "a record, all retries included (120s)" },
  { key: "retry.initialDelay", kind: "duration", doc: "before the first retry (50ms)" },
  { key: "retry.maxDelay", kind: "duration", doc: "longest pause between retries (1s)" },
  { key: "retry.jitter", kind: "number", doc: "share of a pause left to chance (0.2)" },
  { key: "retry.budget", kind: "duration", doc: "how long one call is tried (30s)" },
  { key: "tls", kind: "boolean", environment: "TIDEMARK_TLS", doc: "encrypt, with the certificates Node trusts" },
  { key: "tls.ca", kind: "file", environment: "TIDEMARK_TLS_CA", doc: "file of the certificates to trust" },
  { key: "tls.cert", kind: "file", environment: "TIDEMARK_TLS_CERT", doc: "file of the client's certificate" },
  { key: "tls.key", kind: "file", environment: "TIDEMARK_TLS_KEY", doc: "file of the client's key" },
  {
    key: "tls.serverName",
    kind: "text",
    environment: "TIDEMARK_TLS_SERVER_NAME",
    doc: "name the certificate must have, where it is not the host",
  },
  { key: "tls.rejectUnauthorized", kind: "boolean", doc: "refuse certificates nobody vouches for (true)" },
  {
    key: "auth.mechanism",
    kind: "choice",
    choices: ["plain", "scram-sha-256", "scram-sha-512"],
    environment: "TIDEMARK_SASL_MECHANISM",
    doc: "how to log in",
  },
  { key: "auth.username", kind: "text", environment: "TIDEMARK_SASL_USERNAME", doc: "who logs in" },
  { key: "auth.password", kind: "secret", environment: "TIDEMARK_SASL_PASSWORD", doc: "the password" },
  { key: "producer.linger", kind: "duration", doc: "how long a batch waits for company (0 to 5ms, adaptive)" },
  { key: "producer.batchBytes", kind: "bytes", doc: "size of a full batch (128KiB)" },
  { key: "producer.maxBuffered.bytes", kind: "bytes", doc: "what may wait in memory (32MiB)" },
  { key: "producer.maxInFlight", kind: "number", doc: "batches of a partition under way at once (5)" },
  { key: "producer.partitioner", kind: "choice", choices: ["default", "round-robin"], doc: "who chooses partitions" },
  { key: "reader.prefetch.bytes", kind: "bytes", doc: "what may be read ahead (8MiB)" },
  { key: "reader.prefetch.records", kind: "number", doc: "records that may be read ahead" },
  {
    key: "reader.isolation",
    kind: "choice",
    choices: ["read_committed", "read_uncommitted"],
    doc: "whether records of open transactions are read",
  },
] as const satisfies readonly ClientSetting[];

const byKey: ReadonlyMap<string, ClientSetting> = new Map(CLIENT_SETTINGS.map((row) => [row.key, row]));

/** @throws CliFailure USAGE that names the nearest key */
export async function requireSetting(key: string): Promise<ClientSetting> {
  const setting = byKey.get(key);
  if (setting !== undefined) return setting;
  const { nearest } = await import("@tidemark/broker/config");
  const near = nearest(key, byKey.keys());
  throw usageFailure(
    `the client has no setting ${key}`,
    near === null ? "`tidemark profile settings` lists them" : `did you mean ${near}?`,
  );
}

export type SettingValue = string | number | boolean | readonly string[];

/** The value as the SDK takes it. @throws CliFailure USAGE naming key and value */
export function parseSetting(setting: ClientSetting, text: string): SettingValue {
  const wrong = (expected: string): never => {
    throw usageFailure(`${setting.key}=${setting.kind === "secret" ? "..." : text}: expected ${expected}`);
  };
  switch (setting.kind) {
    case "text":
    case "file":
    case "secret":
      return text === "" ? wrong("a text") : text;
    case "list": {
      const items = text.split(",").map((item) => item.trim());
      const given = items.filter((item) => item !== "");
      return given.length === 0 || !given.every(isAddress) ? wrong("host:port,...") : given;
    }
    case "duration":
      return /^\d+(?:\.\d+)?(?:ms|s|m|h|d)$/.test(text) ? text : wrong("a duration such as 500ms, 10s, 2m");
    case "bytes":
      return parseBytes(text) ?? wrong("a size such as 65536, 64KiB, 1MiB");
    case "number":
      return /^\d+(?:\.\d+)?$/.test(text) ? Number(text) : wrong("a number");
    case "boolean":
      return text === "true" || text === "false" ? text === "true" : wrong("true or false");
    case "choice":
      return setting.choices?.includes(text) === true ? text : wrong(`one of ${setting.choices?.join(", ")}`);
  }
}

/** `host`, `host:port`, `[::1]:port`. */
function isAddress(text: string): boolean {
  const match = /^(?:\[[^\]\s]+\]|[^:/\s]+)(?::(\d{1,5}))?$/.exec(text);
  return match !== null && Number(match[1] ?? 0) <= 65_535;
}
