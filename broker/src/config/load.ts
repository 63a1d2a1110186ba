/**
 * From texts to a BrokerConfig: default < file < environment < flag. Collects every problem before it gives up, so that
 * a file is mended in one go. Pure: the caller has read file and environment.
 */
import { brokerRows } from "./broker-rows.ts";
import { readEnvironment } from "./environment.ts";
import { formatValue, parseValue, type Value } from "./parse-value.ts";
import { isLoopback, numberSuffixOf, PEER_PORT } from "./listeners.ts";
import { parseProperties } from "./properties.ts";
import { unknownBrokerKey } from "./refusals.ts";
import { fieldOf, type Listener, type Voter } from "./row.ts";
import { configTable, noteOn, type TableEntry } from "./table.ts";
import { topicRows } from "./topic-rows.ts";
import type {
  BrokerConfig,
  BrokerValues,
  ConfigProblem,
  ConfigSource,
  LoadInput,
  LoadResult,
  TopicValues,
} from "./types.ts";
import { validate } from "./validate.ts";

interface Setting {
  readonly text: string;
  readonly source: ConfigSource;
}

/** The entry of every key that a broker's configuration may hold, aliases included. */
const entryByKey: ReadonlyMap<string, TableEntry> = new Map(
  configTable.flatMap((entry) =>
    [entry.brokerKey, ...(entry.aliases ?? []).map(({ key }) => key)].map((key) => [key, entry] as const),
  ),
);

/**
 * The configuration of one broker, or every problem found: unknown keys with the nearest known one, wrong types and
 * values out of range with what is allowed, values that contradict each other.
 */
export function loadConfig(input: LoadInput): LoadResult {
  const problems: ConfigProblem[] = [];
  const warnings: string[] = [];
  const layers = readLayers(input, problems, warnings);

  const values = new Map<string, Value | null>();
  const sources = new Map<string, { value: string; source: ConfigSource }>();
  for (const entry of configTable) {
    const setting = settingOf(entry, layers);
    const fallback = defaultOf(entry, input);
    const text = setting?.setting.text ?? fallback;
    if (text === null) {
      values.set(entry.key, null);
      continue;
    }
    const source = setting?.setting.source ?? "default";
    const parsed = parseSetting(entry, setting?.factor ?? 1, text, input);
    if (!parsed.ok) {
      problems.push({ key: setting?.key ?? entry.brokerKey, value: text, message: parsed.message });
      continue;
    }
    values.set(entry.key, parsed.value);
    sources.set(entry.brokerKey, {
      value: entry.sensitive === true ? "[redacted]" : formatValue(parsed.value),
      source,
    });
    if (setting === null) continue;
    const note = noteOn(entry, entry.brokerKey, formatValue(parsed.value));
    if (note !== null) warnings.push(note);
  }
  const nodeId = values.get("node.id");
  if (typeof nodeId !== "number" && !problems.some(({ key }) => key === "node.id")) {
    problems.push({ key: "node.id", value: "", message: "must be set: the host name does not end in a number" });
  }
  if (problems.length > 0 || typeof nodeId !== "number") return { ok: false, problems };

  values.set("listeners", withPeerDoor(values, nodeId));
  const config = build(input, values, nodeId, sources);
  const relations = validate(config);
  if (relations.problems.length > 0) return { ok: false, problems: relations.problems };
  return { ok: true, config, sources, warnings: [...relations.warnings, ...warnings] };
}

/** Lowest rank first. */
type Layers = readonly ReadonlyMap<string, Setting>[];

function readLayers(input: LoadInput, problems: ConfigProblem[], warnings: string[]): Layers {
  const file = new Map<string, Setting>();
  for (const { key, value } of parseFile(input, problems)) {
    if (file.has(key)) warnings.push(`${key} stands twice in ${input.file?.path}; the last one counts`);
    file.set(key, { text: value, source: "file" });
  }
  const reading = readEnvironment(input.env, entryByKey.keys());
  const environment = new Map<string, Setting>();
  for (const [key, text] of reading.values) environment.set(key, { text, source: "environment" });
  for (const { name, value } of reading.unknown) {
    problems.push({
      key: name,
      value,
      message: unknownBrokerKey(name.slice("TIDEMARK_".length).toLowerCase().replaceAll("_", ".")),
    });
  }
  if (reading.ignored.length > 0) warnings.push(`ignored in the environment: ${reading.ignored.join(", ")}`);
  const flags = new Map<string, Setting>();
  for (const [key, text] of Object.entries(input.flags)) flags.set(key, { text, source: "flag" });

  for (const layer of [file, flags]) {
    for (const [key, { text }] of layer) {
      if (!entryByKey.has(key)) problems.push({ key, value: text, message: unknownBrokerKey(key) });
    }
  }
  return [file, environment, flags];
}

function parseFile({ file }: LoadInput, problems: ConfigProblem[]): { key: string; value: string }[] {
  if (file === undefined) return [];
  try {
    return parseProperties(file.text);
  } catch (error: unknown) {
    if (!(error instanceof SyntaxError)) throw error;
    problems.push({ key: file.path, value: "", message: error.message });
    return [];
  }
}

/** The text in force: of the highest layer that sets the entry, there by its finest spelling. */
function settingOf(entry: TableEntry, layers: Layers): { key: string; factor: number; setting: Setting } | null {
  const spellings = [{ key: entry.brokerKey, factor: 1 }, ...(entry.aliases ?? [])];
  for (const layer of layers.toReversed()) {
    for (const { key, factor } of spellings) {
      const setting = layer.get(key);
      if (setting !== undefined) return { key, factor, setting };
    }
  }
  return null;
}

function defaultOf(entry: TableEntry, { profile, hostName }: LoadInput): string | null {
  if (profile === "dev" && entry.dev?.default !== undefined) return entry.dev.default;
  if (entry.key === "node.id") return numberSuffixOf(hostName ?? "")?.toString() ?? null;
  if (entry.key === "tidemark.host") return hostName === undefined || hostName === "" ? null : hostName;
  return entry.default;
}

function parseSetting(
  entry: TableEntry,
  factor: number,
  text: string,
  { profile }: LoadInput,
): ReturnType<typeof parseValue> {
  // A coarser spelling is the finer one with more zeros; -1 stays "unlimited".
  if (factor === 1 || !/^\d+$/.test(text.trim())) return parseValue(entry, text, profile);
  return parseValue(entry, String(BigInt(text.trim()) * BigInt(factor)), profile);
}

/** A cluster needs the door; where it is left out, its place follows from the voters. */
function withPeerDoor(values: ReadonlyMap<string, Value | null>, nodeId: number): readonly Listener[] {
  const listeners = values.get("listeners") as readonly Listener[];
  const voters = values.get("controller.quorum.voters") as readonly Voter[] | null;
  if (voters === null || listeners.some(({ name }) => name === "PEER")) return listeners;
  const own = voters.find((voter) => voter.nodeId === nodeId);
  const host = own !== undefined && isLoopback(own.host) ? own.host : "127.0.0.1";
  return Object.freeze([...listeners, Object.freeze({ name: "PEER", host, port: own?.port ?? PEER_PORT })]);
}

function build(
  { profile }: LoadInput,
  values: ReadonlyMap<string, Value | null>,
  nodeId: number,
  sources: BrokerConfig["sources"],
): BrokerConfig {
  const brokerValues = typed<BrokerValues>(brokerRows, values);
  return Object.freeze({
    ...brokerValues,
    profile,
    nodeId,
    dataDirectory: brokerValues.logDirs[0] ?? "",
    topicDefaults: Object.freeze(typed<TopicValues>(topicRows, values)),
    sources,
  });
}

/** The rows' values as fields. Each was parsed by its row, which is what the type says of it. */
function typed<Values>(rows: readonly { readonly key: string }[], values: ReadonlyMap<string, Value | null>): Values {
  const fields = rows.map(({ key }) => [fieldOf(key), values.get(key) ?? null] as const);
  return Object.fromEntries(fields) as Values;
}
