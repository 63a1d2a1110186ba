/** What has arrived in a topic, and how it differs from what a test expects. */
import { AssertionError } from "node:assert";
import { inspect, isDeepStrictEqual } from "node:util";
import { TestClusterError } from "@tidemark/broker/testing";
import { BrokerError, type Client, codecs, type ConsumerRecord, topic, type TopicDef } from "@tidemark/client";
import { unknownName } from "@tidemark/proto";

/** A record as a plain object, its own from head to foot: it may be kept, compared and printed. */
export interface TestRecord<K = string | null, V = string | null> {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly key: K;
  readonly value: V;
  /** As text; of those with one name the last. */
  readonly headers: Readonly<Record<string, string | null>>;
  /** Unix ms. */
  readonly timestamp: number;
  readonly leaderEpoch: number;
}

export interface RecordsOptions<K = string | null, V = string | null> {
  /** Waits until so many are there. Without it, what is there is taken as it is. */
  readonly count?: number;
  /** Only these count, and are answered. */
  readonly where?: (record: TestRecord<K, V>) => boolean;
  /** Only of this partition. */
  readonly partition?: number;
  /** How long `count` is waited for, in real time: 10,000 ms. */
  readonly timeoutMs?: number;
}

/** What of a record is compared: what is named. */
export type ExpectedRecord<K = string | null, V = string | null> = Partial<TestRecord<K, V>>;

export interface ExpectOptions<K = string | null, V = string | null> extends Omit<RecordsOptions<K, V>, "count"> {
  /** "log": by partition, and in each by offset. "any": in any order. Default: "any" where they lie in several partitions, which have no order. */
  readonly order?: "log" | "any";
}

const WAIT_MS = 10_000;
const AGAIN_MS = 20;
/** What is there is read for as long as it comes; a test that waits for little gives a busy machine this long between two records. */
const SILENCE_MS = 2_000;
const SHOWN_MAX = 20;
const SHOWN = { breakLength: Number.POSITIVE_INFINITY, maxStringLength: 200, maxArrayLength: 20 };
/** As a record, so that none can be left out. */
const FIELDS: readonly string[] = Object.keys({
  topic: true,
  partition: true,
  offset: true,
  key: true,
  value: true,
  headers: true,
  timestamp: true,
  leaderEpoch: true,
} satisfies Record<keyof TestRecord, true>);

const text = codecs.nullable(codecs.string);

/** A topic that is only named has keys and values of text. */
export function textTopic(name: string): TopicDef<string | null, string | null> {
  return topic(name, { key: text, value: text });
}

/** Where records are read from. */
export interface Source {
  readonly client: Client;
  /** How many partitions each topic has; null: no broker is up to tell. */
  topics(): ReadonlyMap<string, number> | null;
  /** How its brokers stand, in words. */
  states(): string;
}

/** As Cluster.records. */
export async function readRecords<K, V>(
  source: Source,
  definition: TopicDef<K, V>,
  options: RecordsOptions<K, V>,
): Promise<TestRecord<K, V>[]> {
  assertOptions("records", options, ["count", "where", "partition", "timeoutMs"]);
  const { count = 0, timeoutMs = WAIT_MS, partition } = options;
  const waited = count === 0 ? null : await waitFor(source, definition, { ...options, count, timeoutMs });
  assertTopic(source, definition.name, partition);
  if (waited !== null && waited.fits < count) {
    const others =
      waited.fits === waited.arrived.length
        ? ""
        : `, and ${waited.arrived.length - waited.fits} that \`where\` turns away`;
    const message = `${waited.fits} of ${count} records arrived in "${definition.name}" within ${timeoutMs} ms${others}${shown(waited.arrived)}`;
    throw new TestClusterError("TIMEOUT", message);
  }
  return readAll(source, definition, options);
}

/** As Cluster.expectRecords. */
export async function compareRecords<K, V>(
  source: Source,
  definition: TopicDef<K, V>,
  expected: readonly ExpectedRecord<K, V>[],
  options: ExpectOptions<K, V>,
): Promise<TestRecord<K, V>[]> {
  assertOptions("expectRecords", options, ["where", "partition", "timeoutMs", "order"]);
  assertExpected(expected);
  const { timeoutMs = WAIT_MS, partition, order } = options;
  if (expected.length > 0) await waitFor(source, definition, { ...options, count: expected.length, timeoutMs });
  assertTopic(source, definition.name, partition);
  const arrived = await readAll(source, definition, options);
  const isSpread = new Set(arrived.map(({ partition }) => partition)).size > 1;
  const paired = (order ?? (isSpread ? "any" : "log")) === "log" ? [...arrived] : pairedWith(expected, arrived);
  const actual = paired.map((record, slot) => shapedAs(expected[slot] ?? record, record));
  if (isDeepStrictEqual(actual, expected)) return arrived;
  const message = `"${definition.name}" holds ${arrived.length} records that are not the ${expected.length} expected ones${shown(arrived)}`;
  throw new AssertionError({ message, actual, expected, operator: "expectRecords", stackStartFn: compareRecords });
}

/** Reads along until `count` fit, or time is up. */
async function waitFor<K, V>(
  { client }: Source,
  definition: TopicDef<K, V>,
  { count, where = () => true, partition, timeoutMs }: RecordsOptions<K, V> & { count: number; timeoutMs: number },
): Promise<{ readonly arrived: TestRecord<K, V>[]; readonly fits: number }> {
  const signal = AbortSignal.timeout(timeoutMs);
  const arrived: TestRecord<K, V>[] = [];
  let fits = 0;
  while (!signal.aborted && fits < count) {
    try {
      for await (const record of client.reader(definition, { ...inPartition(partition), follow: true, signal })) {
        const copy = plainRecord(record);
        arrived.push(copy);
        if (where(copy)) fits += 1;
        if (fits >= count) break;
      }
    } catch (error: unknown) {
      if (signal.aborted) break;
      // It may still be made.
      if (!isUnknownTopic(error)) throw error;
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
  }
  return { arrived, fits };
}

/** What is there now. */
async function readAll<K, V>(
  source: Source,
  definition: TopicDef<K, V>,
  { where = () => true, partition, timeoutMs = WAIT_MS }: RecordsOptions<K, V>,
): Promise<TestRecord<K, V>[]> {
  const { name } = definition;
  const found: TestRecord<K, V>[] = [];
  const silenceMs = Math.max(timeoutMs, SILENCE_MS);
  const silence = new AbortController();
  const timer = setTimeout(() => silence.abort(), silenceMs);
  const { signal } = silence;
  try {
    for await (const record of source.client.reader(definition, { ...inPartition(partition), to: "end", signal })) {
      found.push(plainRecord(record));
      timer.refresh();
    }
  } catch (error: unknown) {
    if (signal.aborted) {
      const message = `"${name}" cannot be read: behind ${found.length} records nothing came for ${silenceMs} ms; brokers: ${source.states()}`;
      throw new TestClusterError("TIMEOUT", message, { cause: error });
    }
    if (isUnknownTopic(error)) assertTopic(source, name, partition);
    throw error;
  } finally {
    clearTimeout(timer);
  }
  return found.filter(where).toSorted((a, b) => a.partition - b.partition || a.offset - b.offset);
}

/** A name that is misspelt holds nothing for ever, and a test that expects nothing would pass. */
function assertTopic(source: Source, name: string, partition = 0): void {
  const known = source.topics();
  if (known === null) return;
  const count = known.get(name);
  if (count !== undefined && partition < count) return;
  const others = known.size === 0 ? "there are none" : `there are ${[...known.keys()].toSorted().join(", ")}`;
  const missing = `there is no topic "${name}"; ${others}`;
  throw new TestClusterError(
    "UNKNOWN_TOPIC",
    count === undefined ? missing : `topic "${name}" has partitions 0 to ${count - 1}, and no ${partition}`,
  );
}

/** What is misspelt would narrow nothing, and a test would see what it does not mean. */
function assertOptions(
  verb: string,
  options: RecordsOptions<never, never> & ExpectOptions<never, never>,
  names: readonly string[],
): void {
  const wrong = (why: string): TestClusterError => new TestClusterError("INVALID_OPTION", `${verb}: ${why}`);
  const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && Number(value) >= 0;
  if (typeof options !== "object" || options === null) throw wrong(`options are an object, not ${inspect(options)}`);
  const unknown = unknownName(options, names);
  if (unknown !== null) throw wrong(`there is no option ${unknown.name}; ${unknown.hint}`);
  const { count = 0, partition = 0, where, timeoutMs = 0, order = "any" } = options;
  if (!isCount(count)) throw wrong(`count is a whole number from 0 on, not ${inspect(count)}`);
  if (!isCount(partition)) throw wrong(`partition is a whole number from 0 on, not ${inspect(partition)}`);
  if (!isCount(timeoutMs)) throw wrong(`timeoutMs is a whole number from 0 on, not ${inspect(timeoutMs)}`);
  if (where !== undefined && typeof where !== "function") throw wrong(`where is a function, not ${inspect(where)}`);
  if (order !== "log" && order !== "any") throw wrong(`order is "log" or "any", not ${inspect(order)}`);
}

function assertExpected(expected: readonly object[]): void {
  const wrong = (why: string): TestClusterError => new TestClusterError("INVALID_OPTION", `expectRecords: ${why}`);
  if (!Array.isArray(expected)) throw wrong(`what is expected is a list, not ${inspect(expected)}`);
  for (const record of expected as readonly unknown[]) {
    if (typeof record !== "object" || record === null)
      throw wrong(`a record is an object as { key: "ada", value: "1" }, not ${inspect(record)}`);
    const unknown = Object.keys(record).find((name) => !FIELDS.includes(name));
    if (unknown !== undefined) throw wrong(`a record has no ${unknown}; it has ${FIELDS.join(", ")}`);
  }
}

function inPartition(partition: number | undefined): { partitions?: readonly number[] } {
  return partition === undefined ? {} : { partitions: [partition] };
}

function isUnknownTopic(error: unknown): boolean {
  return BrokerError.is(error, "UNKNOWN_TOPIC_OR_PARTITION");
}

/** The memory of a record that was read is used again. */
function plainRecord<K, V>(record: ConsumerRecord<K, V>): TestRecord<K, V> {
  const { partition, offset, timestamp, leaderEpoch } = record;
  const headers: Record<string, string | null> = {};
  for (const [name, value] of record.headers) headers[name] = value === null ? null : Buffer.from(value).toString();
  const place = { topic: record.topic, partition, offset };
  return { ...place, key: owned(record.key), value: owned(record.value), headers, timestamp, leaderEpoch };
}

function owned<T>(content: T): T {
  return content instanceof Uint8Array ? (Buffer.from(content) as Uint8Array as T) : content;
}

/** The arrived ones, each in the place of the expected one that it fits; behind them those that fit none. */
function pairedWith<K, V>(
  expected: readonly ExpectedRecord<K, V>[],
  arrived: readonly TestRecord<K, V>[],
): TestRecord<K, V>[] {
  const rest = [...arrived];
  const places: (TestRecord<K, V> | undefined)[] = expected.map(() => undefined);
  // Who says most chooses first.
  const slots = [...expected.keys()].toSorted((a, b) => fieldsOf(expected[b]) - fieldsOf(expected[a]));
  for (const slot of slots) {
    const wanted = expected[slot] ?? {};
    const found = rest.findIndex((record) => isDeepStrictEqual(shapedAs(wanted, record), wanted));
    if (found >= 0) places[slot] = rest.splice(found, 1)[0];
  }
  for (const [slot, place] of places.entries()) if (place === undefined) places[slot] = rest.shift();
  return [...places.filter((place) => place !== undefined), ...rest];
}

function fieldsOf(record: object | undefined): number {
  return Object.keys(record ?? {}).length;
}

/** Of `record` what `wanted` names. */
function shapedAs<K, V>(wanted: ExpectedRecord<K, V>, record: TestRecord<K, V>): ExpectedRecord<K, V> {
  return Object.fromEntries(Object.keys(wanted).map((name) => [name, Reflect.get(record, name)])) as ExpectedRecord<
    K,
    V
  >;
}

function shown<K, V>(arrived: readonly TestRecord<K, V>[]): string {
  if (arrived.length === 0) return "; nothing arrived";
  const lines = arrived.slice(0, SHOWN_MAX).map(({ partition, offset, key, value, headers }) => {
    const extra = Object.keys(headers).length === 0 ? "" : ` headers ${inspect(headers, SHOWN)}`;
    return `  ${partition}@${offset}  key ${inspect(key, SHOWN)}  value ${inspect(value, SHOWN)}${extra}`;
  });
  const more = arrived.length > SHOWN_MAX ? [`  and ${arrived.length - SHOWN_MAX} more`] : [];
  return ["; what arrived, by partition@offset:", ...lines, ...more].join("\n");
}
