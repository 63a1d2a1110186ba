/** What has arrived in a topic, and how it differs from what a test expects. */
import { AssertionError } from "node:assert";
import { inspect, isDeepStrictEqual } from "node:util";
import { TestClusterError } from "@tidemark/broker/testing";
import { BrokerError, type Client, codecs, type ConsumerRecord, topic, type TopicDef } from "@tidemark/client";

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
const SHOWN_MAX = 20;

const text = codecs.nullable(codecs.string);

/** A topic that is only named has keys and values of text. */
export function textTopic(name: string): TopicDef<string | null, string | null> {
  return topic(name, { key: text, value: text });
}

/** Where records are read from. */
export interface Source {
  readonly client: Client;
  /** Names of the topics that there are; null: no broker is up to tell. */
  topics(): readonly string[] | null;
}

/** As Cluster.records. */
export async function readRecords<K, V>(
  source: Source,
  definition: TopicDef<K, V>,
  options: RecordsOptions<K, V>,
): Promise<TestRecord<K, V>[]> {
  const { count = 0, timeoutMs = WAIT_MS } = options;
  if (!(Number.isInteger(count) && count >= 0))
    throw new TestClusterError("INVALID_OPTION", `records: count is a whole number from 0 on, not ${count}`);
  const waited = count === 0 ? null : await waitFor(source, definition, { ...options, count, timeoutMs });
  assertTopic(source, definition.name);
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
  const { timeoutMs = WAIT_MS, order } = options;
  if (!Array.isArray(expected))
    throw new TestClusterError("INVALID_OPTION", `expectRecords: what is expected is a list, not ${inspect(expected)}`);
  if (expected.length > 0) await waitFor(source, definition, { ...options, count: expected.length, timeoutMs });
  assertTopic(source, definition.name);
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
  { where = () => true, partition }: RecordsOptions<K, V>,
): Promise<TestRecord<K, V>[]> {
  const found: TestRecord<K, V>[] = [];
  try {
    for await (const record of source.client.reader(definition, { ...inPartition(partition), to: "end" }))
      found.push(plainRecord(record));
  } catch (error: unknown) {
    throw isUnknownTopic(error) ? unknownTopic(source, definition.name) : error;
  }
  return found.filter(where).toSorted((a, b) => a.partition - b.partition || a.offset - b.offset);
}

/** A name that is misspelt holds nothing for ever, and a test that expects nothing would pass. */
function assertTopic(source: Source, name: string): void {
  if (source.topics()?.includes(name) === false) throw unknownTopic(source, name);
}

function unknownTopic(source: Source, name: string): TestClusterError {
  const known = source.topics() ?? [];
  const others = known.length === 0 ? "there are none" : `there are ${known.toSorted().join(", ")}`;
  return new TestClusterError("UNKNOWN_TOPIC", `there is no topic "${name}"; ${others}`);
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
    const extra = Object.keys(headers).length === 0 ? "" : ` headers ${inspect(headers, { breakLength: Infinity })}`;
    return `  ${partition}@${offset}  key ${inspect(key)}  value ${inspect(value, { breakLength: Infinity })}${extra}`;
  });
  const more = arrived.length > SHOWN_MAX ? [`  and ${arrived.length - SHOWN_MAX} more`] : [];
  return ["; what arrived, by partition@offset:", ...lines, ...more].join("\n");
}
