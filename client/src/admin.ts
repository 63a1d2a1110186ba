/**
 * The admin door: the cluster and its topics. Its codec (proto-loader) is imported at the first call, so that producers
 * and readers never pay for it. Results come per item; the first item that failed is thrown, with all failures as cause.
 */
import {
  type AdminCalls,
  type AdminMethod,
  ADMIN_METHODS,
  errorRow,
  Isolation,
  OffsetAt,
  type TopicDescription as WireTopic,
  type TopicResult,
} from "@tidemark/proto";
import { parseDuration } from "./duration.ts";
import { BrokerError, brokerErrorOf, invalidArgument } from "./errors.ts";
import type { Limits } from "./pause.ts";
import type { Cluster } from "./transport/cluster.ts";
import type { UnaryMethod } from "./transport/connection.ts";
import { listOffsets } from "./transport/list-offsets.ts";
import type {
  CallOptions,
  ClusterInfo,
  ConfigEntry,
  Offset,
  TopicDescription,
  TopicSpec,
  TopicSummary,
} from "./types.ts";

/** How long a topic may take to become ready when the caller sets no limit. */
const CREATE_TIMEOUT_MS = 30_000;

export interface Admin {
  cluster(options?: CallOptions): Promise<ClusterInfo>;
  readonly topics: TopicAdmin;
}

export interface TopicAdmin {
  /** By name. Internal topics only when asked for. */
  list(options?: CallOptions & { internal?: boolean }): AsyncIterableIterator<TopicSummary>;
  /** @throws BrokerError UNKNOWN_TOPIC_OR_PARTITION */
  describe(name: string, options?: CallOptions): Promise<TopicDescription>;
  /**
   * Resolves when every partition has a leader; with `wait: false` as soon as the topic exists. With `ifNotExists` a topic
   * that is there already is described as it is.
   * @throws BrokerError TOPIC_ALREADY_EXISTS, INVALID_ARGUMENT
   */
  create(
    spec: TopicSpec | readonly TopicSpec[],
    options?: CallOptions & { validateOnly?: boolean; ifNotExists?: boolean; wait?: boolean },
  ): Promise<TopicDescription[]>;
  /** @throws BrokerError UNKNOWN_TOPIC_OR_PARTITION, unless `ifExists` */
  delete(names: string | readonly string[], options?: CallOptions & { ifExists?: boolean }): Promise<void>;
  /** By partition; at a time: the first offset at or after it, or the end where there is none. */
  offsets(name: string, at: "earliest" | "latest" | Date, options?: CallOptions): Promise<ReadonlyMap<number, Offset>>;
}

export function createAdmin(cluster: Cluster): Admin {
  return Object.freeze({
    cluster: (options?: CallOptions) => describeCluster(cluster, options),
    topics: Object.freeze({
      list: (options?: CallOptions & { internal?: boolean }) => listTopics(cluster, options),
      describe: (name: string, options?: CallOptions) => describeTopic(cluster, name, options),
      create: (spec: TopicSpec | readonly TopicSpec[], options?: Parameters<TopicAdmin["create"]>[1]) =>
        createTopics(cluster, "name" in spec ? [spec] : spec, options),
      delete: (names: string | readonly string[], options?: Parameters<TopicAdmin["delete"]>[1]) =>
        deleteTopics(cluster, typeof names === "string" ? [names] : names, options),
      offsets: (name: string, at: "earliest" | "latest" | Date, options?: CallOptions) =>
        offsetsAt(cluster, name, at, options),
    }),
  });
}

async function describeCluster(cluster: Cluster, options: CallOptions = {}): Promise<ClusterInfo> {
  const { clusterId, controllerId, brokers } = await call(cluster, "describeCluster", {}, limitsOf(options));
  return {
    clusterId,
    controllerId,
    brokers: brokers.map(({ id, host, port, rack, alive }) => ({
      id,
      host,
      port,
      alive,
      ...(rack === "" ? {} : { rack }),
    })),
  };
}

async function* listTopics(
  cluster: Cluster,
  options: CallOptions & { internal?: boolean } = {},
): AsyncIterableIterator<TopicSummary> {
  const { topics } = await call(
    cluster,
    "listTopics",
    { includeInternal: options.internal ?? false },
    limitsOf(options),
  );
  for (const { name, partitions, replicas, internal, bytes } of topics)
    yield { name, partitions, replicas, internal, bytes };
}

async function describeTopic(cluster: Cluster, name: string, options: CallOptions = {}): Promise<TopicDescription> {
  const { results } = await call(cluster, "describeTopics", { names: [name] }, limitsOf(options));
  throwFailed(results, () => true);
  const [topic] = described(results);
  if (topic === undefined)
    throw new BrokerError("CONNECTION_LOST", `the broker did not answer for topic ${name}`, { topic: name });
  return topic;
}

async function createTopics(
  cluster: Cluster,
  specs: readonly TopicSpec[],
  options: Parameters<TopicAdmin["create"]>[1] = {},
): Promise<TopicDescription[]> {
  const { validateOnly = false, ifNotExists = false, wait = true } = options;
  const limits = limitsOf(options);
  const timeoutMs = wait ? Math.ceil(limits.timeoutMs ?? CREATE_TIMEOUT_MS) : 1;
  const request = { topics: specs.map(newTopic), validateOnly, timeoutMs };
  const { results } = await call(cluster, "createTopics", request, {
    ...limits,
    timeoutMs: limits.timeoutMs ?? CREATE_TIMEOUT_MS,
  });
  throwFailed(
    results,
    (row) => !(ifNotExists && row.name === "TOPIC_ALREADY_EXISTS") && !(!wait && row.name === "REQUEST_TIMED_OUT"),
  );
  const topics = new Map(described(results).map((topic) => [topic.name, topic]));
  const descriptions: TopicDescription[] = [];
  for (const { name } of specs) descriptions.push(topics.get(name) ?? (await describeTopic(cluster, name, options)));
  return descriptions;
}

async function deleteTopics(
  cluster: Cluster,
  names: readonly string[],
  options: Parameters<TopicAdmin["delete"]>[1] = {},
): Promise<void> {
  const limits = limitsOf(options);
  const { results } = await call(
    cluster,
    "deleteTopics",
    { names: [...names], timeoutMs: Math.ceil(limits.timeoutMs ?? 0) },
    limits,
  );
  for (const name of names) cluster.forget(name);
  throwFailed(results, (row) => !(options.ifExists === true && row.name === "UNKNOWN_TOPIC_OR_PARTITION"));
}

async function offsetsAt(
  cluster: Cluster,
  topic: string,
  at: "earliest" | "latest" | Date,
  options: CallOptions = {},
): Promise<ReadonlyMap<number, Offset>> {
  const limits = limitsOf(options);
  const isolation = Isolation.READ_UNCOMMITTED;
  const known = await cluster.requireTopic(topic, limits);
  const partitions = known.leaders.map((_, partition) => partition);
  const timestamp = at === "earliest" ? OffsetAt.EARLIEST : at === "latest" ? OffsetAt.LATEST : at.getTime();
  if (!Number.isSafeInteger(timestamp)) throw invalidArgument(`not a date: ${String(at)}`);
  const found = await listOffsets(cluster, { topic, partitions, timestamp, isolation }, limits);
  const late = partitions.filter((partition) => (found.get(partition) ?? -1) < 0);
  if (late.length === 0) return found;
  const ends = await listOffsets(cluster, { topic, partitions: late, timestamp: OffsetAt.LATEST, isolation }, limits);
  return new Map(partitions.map((partition) => [partition, ends.get(partition) ?? found.get(partition) ?? -1]));
}

// ---- the call

async function call<Method extends AdminMethod>(
  cluster: Cluster,
  method: Method,
  request: AdminCalls[Method]["request"],
  limits: Limits,
): Promise<AdminCalls[Method]["response"]> {
  return cluster.call(await methodOf(method), request, limits);
}

/** The codec of a method: loaded with the first admin call of the process. */
async function methodOf<Method extends AdminMethod>(
  method: Method,
): Promise<UnaryMethod<AdminCalls[Method]["request"], AdminCalls[Method]["response"]>> {
  const { loadAdminService } = await import("@tidemark/proto/control");
  const path = ADMIN_METHODS[method];
  const definition = Object.values(loadAdminService()).find((one) => one.path === path);
  if (definition === undefined) throw new BrokerError("UNSUPPORTED", `the admin service defines no ${path}`);
  return {
    path,
    request: { encode: (message) => definition.requestSerialize(message) },
    // proto-loader gives plain objects in the shape of AdminCalls.
    response: { decode: (bytes) => definition.responseDeserialize(bytes) as AdminCalls[Method]["response"] },
  };
}

function limitsOf(options: CallOptions): Limits {
  return {
    signal: options.signal,
    timeoutMs: options.timeout === undefined ? undefined : parseDuration(options.timeout, "timeout"),
  };
}

// ---- results

/** Throws the first failure that counts, with all of them as its cause. */
function throwFailed(results: readonly TopicResult[], counts: (row: ReturnType<typeof errorRow>) => boolean): void {
  const failures = results
    .filter(({ errorCode }) => errorCode !== 0 && counts(errorRow(errorCode)))
    .map(({ name, errorCode, errorMessage }) => ({ name, row: errorRow(errorCode), message: errorMessage }));
  const [first] = failures;
  if (first === undefined) return;
  const errors = failures.map(({ name, row, message }) => brokerErrorOf(row, message, { topic: name }));
  const cause = errors.length === 1 ? undefined : new AggregateError(errors, `${errors.length} topics failed`);
  throw brokerErrorOf(first.row, first.message, { topic: first.name, ...(cause === undefined ? {} : { cause }) });
}

function described(results: readonly TopicResult[]): TopicDescription[] {
  return results.flatMap(({ topic }) => (topic === null ? [] : [descriptionOf(topic)]));
}

function descriptionOf(topic: WireTopic): TopicDescription {
  const detail = topic.partitions.map((partition) => ({
    partition: partition.partition,
    leader: partition.leaderId < 0 ? null : partition.leaderId,
    replicas: partition.replicas,
    isr: partition.isr,
    start: partition.logStartOffset,
    highWatermark: partition.highWatermark,
    lastStable: partition.lastStableOffset,
  }));
  return {
    name: topic.name,
    id: topic.topicId,
    internal: topic.internal,
    bytes: topic.bytes,
    partitions: detail.length,
    replicas: detail[0]?.replicas.length ?? 0,
    config: topic.config.map(configEntry),
    detail,
  };
}

const SOURCES = ["default", "static", "cluster", "broker", "topic"] as const;

function configEntry(entry: WireTopic["config"][number]): ConfigEntry {
  const { name, value, sensitive, readOnly, doc } = entry;
  const source = SOURCES.find((known) => known === entry.source) ?? "default";
  return { name, value: value ?? null, source, sensitive, readOnly, ...(doc === "" ? {} : { doc }) };
}

/** Checked here: on the wire 1.5 would be 1. The broker knows how many are allowed. -1: its default. */
function countOf(count: number | undefined, name: "partitions" | "replicas"): number {
  if (count === undefined) return -1;
  if (!Number.isSafeInteger(count) || count < 1 || count > 0x7fffffff)
    throw invalidArgument(`${name} must be a whole number from 1, and is ${count}`);
  return count;
}

function newTopic(spec: TopicSpec): AdminCalls["createTopics"]["request"]["topics"][number] {
  const { name, assignment = [], config = {} } = spec;
  return {
    name,
    partitions: countOf(spec.partitions, "partitions"),
    replicationFactor: countOf(spec.replicas, "replicas"),
    assignment: assignment.map((replicas) => ({ replicas: [...replicas] })),
    config,
  };
}
