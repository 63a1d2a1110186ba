/**
 * Environment variables as a source of configuration (client-and-cli 4(1)). `TIDEMARK_X_Y` is key `x.y`, own keys drop
 * their prefix (`TIDEMARK_DURABILITY`), and an unknown one is a refusal. `KAFKA_X_Y` is accepted for every key of the
 * table (`_` in a key is `__`, `-` is `___`); others of that name steer Kafka's own scripts and are named in a warning.
 */

/** Names that belong to the SDK, the command line or the test hooks; `*` stands for any rest. Never refused. */
export const reservedNames: readonly string[] = [
  "TIDEMARK_BROKERS",
  "TIDEMARK_CLIENT_ID",
  "TIDEMARK_COMPLETE_*",
  "TIDEMARK_CONFIG",
  "TIDEMARK_HTTP",
  "TIDEMARK_PROFILE",
  "TIDEMARK_SASL_*",
  "TIDEMARK_TLS",
  "TIDEMARK_TLS_*",
  "TIDEMARK_FAILPOINTS",
  "TIDEMARK_TEST_*",
  "TIDEMARK_BENCH_*",
];

export interface EnvironmentReading {
  readonly values: ReadonlyMap<string, string>;
  /** TIDEMARK_ names that are neither keys nor reserved. */
  readonly unknown: readonly { readonly name: string; readonly value: string }[];
  /** KAFKA_ names that mean nothing here. */
  readonly ignored: readonly string[];
}

export function readEnvironment(
  env: Readonly<Record<string, string | undefined>>,
  keys: Iterable<string>,
): EnvironmentReading {
  const keyByName = new Map<string, string>();
  for (const key of keys) keyByName.set(tidemarkName(key), key).set(kafkaName(key), key);
  const kafkaValues = new Map<string, string>();
  const ownValues = new Map<string, string>();
  const unknown: { name: string; value: string }[] = [];
  const ignored: string[] = [];
  for (const [name, value] of Object.entries(env)) {
    if (value === undefined) continue;
    const isOwn = name.startsWith("TIDEMARK_");
    if (!isOwn && !name.startsWith("KAFKA_")) continue;
    const key = keyByName.get(name);
    if (key !== undefined) (isOwn ? ownValues : kafkaValues).set(key, value);
    else if (!isOwn) ignored.push(name);
    else if (!isReserved(name)) unknown.push({ name, value });
  }
  return { values: new Map([...kafkaValues, ...ownValues]), unknown, ignored: ignored.sort() };
}

export function tidemarkName(key: string): string {
  const own = key.startsWith("tidemark.") ? key.slice("tidemark.".length) : key;
  return `TIDEMARK_${own.toUpperCase().replace(/[.-]/g, "_")}`;
}

function kafkaName(key: string): string {
  const name = key.toUpperCase().replace(/[._-]/g, (mark) => (mark === "." ? "_" : mark === "_" ? "__" : "___"));
  return `KAFKA_${name}`;
}

function isReserved(name: string): boolean {
  return reservedNames.some((reserved) =>
    reserved.endsWith("*") ? name.startsWith(reserved.slice(0, -1)) : name === reserved,
  );
}
