/** Topics: what there is, making and deleting them, more partitions, fewer records, offsets by time. */
import { randomUUID } from "node:crypto";
import {
  type AdminCalls,
  errorRow,
  Isolation,
  type NewPartitions,
  OffsetAt,
  type TopicDescription as WireTopic,
  type TopicResult,
} from "@tidemark/proto";
import { askEach, budgetOf, call, change, limitsOf, read, settle, throwFailed } from "./admin-call.ts";
import { configEntry } from "./admin-configs.ts";
import { BrokerError, brokerErrorOf, invalidArgument } from "./errors.ts";
import { partitionDetail, withLeaders } from "./partition-details.ts";
import { assertOptions, type NamesOf } from "./option-names.ts";
import type { Limits } from "./pause.ts";
import type { Cluster } from "./transport/cluster.ts";
import { listOffsets } from "./transport/list-offsets.ts";
import type {
  CallOptions,
  Offset,
  TopicDef,
  TopicDescription,
  TopicPartition,
  TopicSpec,
  TopicSummary,
} from "./types.ts";

/** How long a topic may take to become ready when the caller sets no limit. */
const CREATE_TIMEOUT_MS = 30_000;

const OFFSETS_BY_NAME = {
  earliest: OffsetAt.EARLIEST,
  latest: OffsetAt.LATEST,
  "max-timestamp": OffsetAt.MAX_TIMESTAMP,
} as const;

export interface TopicAdmin {
  /** By name. Internal topics only when asked for. Bytes are what the leaders of their partitions say. */
  list(options?: CallOptions & { internal?: boolean }): AsyncIterableIterator<TopicSummary>;
  /**
   * Offsets and bytes of each partition are asked of its leader.
   * @throws BrokerError UNKNOWN_TOPIC_OR_PARTITION
   */
  describe(name: string, options?: CallOptions): Promise<TopicDescription>;
  /**
   * Resolves when every partition has a leader; with `wait: false` as soon as the topic exists. With `ifNotExists` a topic
   * that is there already is described as it is. With `validateOnly` nothing is made, and what would be is described.
   * Sizes and times in `config` may have units: "6MiB", "7d".
   * @throws BrokerError TOPIC_ALREADY_EXISTS, INVALID_ARGUMENT
   */
  create(
    spec: TopicSpec | readonly TopicSpec[],
    options?: CallOptions & { validateOnly?: boolean; ifNotExists?: boolean; wait?: boolean },
  ): Promise<TopicDescription[]>;
  /** @throws BrokerError UNKNOWN_TOPIC_OR_PARTITION, unless `ifExists` */
  delete(names: string | readonly string[], options?: CallOptions & { ifExists?: boolean }): Promise<void>;
  /**
   * Adds partitions until the topic has `total`, those that it has among them; it can only grow. Resolves when each new one
   * has a leader. Records with a key may go to other partitions from here on. `assignment`: brokers of each new partition, the
   * preferred leader first.
   * @throws BrokerError INVALID_ARGUMENT (also where it has as many already), UNKNOWN_TOPIC_OR_PARTITION, TIMEOUT
   */
  addPartitions(
    name: string,
    total: number,
    options?: CallOptions & { validateOnly?: boolean; assignment?: readonly (readonly number[])[] },
  ): Promise<void>;
  /**
   * Deletes the records of a partition below `before`, for good; -1: all that are committed. Resolves, when that would survive
   * a crash, with the first offset that is kept. What was deleted already is no error.
   * @throws BrokerError OFFSET_OUT_OF_RANGE beyond the committed records, INVALID_ARGUMENT where the topic is compacted only
   */
  truncate(partition: TopicPartition & { before: Offset }, options?: CallOptions): Promise<{ lowWatermark: Offset }>;
  /**
   * By partition. At a time: the first offset at or after it, or the end where there is none. "max-timestamp": the record
   * with the greatest timestamp, -1 where there is no record.
   */
  offsets(
    name: string,
    at: "earliest" | "latest" | "max-timestamp" | Date,
    options?: CallOptions,
  ): Promise<ReadonlyMap<number, Offset>>;
}

export function createTopicAdmin(cluster: Cluster): TopicAdmin {
  return Object.freeze<TopicAdmin>({
    list: (options) => listTopics(cluster, options),
    describe: (name, options = {}) => describeTopic(cluster, name, limitsOf(options)),
    create: (spec, options) => createTopics(cluster, spec, options),
    delete: (names, options) => deleteTopics(cluster, typeof names === "string" ? [names] : names, options),
    addPartitions: (name, total, options) => addPartitions(cluster, name, total, options),
    truncate: (partition, options) => truncate(cluster, partition, options),
    offsets: (name, at, options) => offsetsAt(cluster, name, at, options),
  });
}

async function* listTopics(
  cluster: Cluster,
  options: CallOptions & { internal?: boolean } = {},
): AsyncIterableIterator<TopicSummary> {
  const limits = limitsOf(options);
  const request = { includeInternal: options.internal ?? false };
  const { topics, otherLeaders } = await read(cluster, "listTopics", request, limits);
  const elsewhere = new Map<string, number>();
  for (const [broker, answer] of await askEach(cluster, "listTopics", () => request, otherLeaders, limits)) {
    if (answer instanceof BrokerError) {
      const { code, message } = answer;
      cluster.settings.logger.warn({ broker, code, message }, `broker ${broker} did not say how much it leads`);
    } else {
      for (const { name, bytes } of answer.topics) elsewhere.set(name, (elsewhere.get(name) ?? 0) + bytes);
    }
  }
  for (const { name, partitions, replicas, internal, bytes } of topics)
    yield { name, partitions, replicas, internal, bytes: bytes + (elsewhere.get(name) ?? 0) };
}

async function describeTopic(cluster: Cluster, name: string, limits: Limits): Promise<TopicDescription> {
  const { results } = await read(cluster, "describeTopics", { names: [name] }, limits);
  throwFailed(results, () => true);
  const topic = results[0]?.topic ?? null;
  const [whole] = topic === null ? [] : await withLeaders(cluster, [topic], limits);
  if (whole === undefined)
    throw new BrokerError("CONNECTION_LOST", `the broker did not answer for topic ${name}`, { topic: name });
  return descriptionOf(whole, false);
}

async function createTopics(
  cluster: Cluster,
  wanted: TopicSpec | readonly TopicSpec[],
  options: Parameters<TopicAdmin["create"]>[1] = {},
): Promise<TopicDescription[]> {
  const specs = specsOf(wanted);
  const { validateOnly = false, ifNotExists = false, wait = true } = options;
  const limits = limitsOf(options);
  const limitsLeft = budgetOf(cluster, { ...limits, timeoutMs: limits.timeoutMs ?? CREATE_TIMEOUT_MS });
  const timeoutMs = wait ? Math.ceil(limitsLeft().timeoutMs) : 1;
  const request = { topics: specs.map(newTopic), validateOnly, timeoutMs };
  const { results } = await change(cluster, "createTopics", request, limitsLeft());
  throwFailed(
    results,
    (row) => !(ifNotExists && row.name === "TOPIC_ALREADY_EXISTS") && !(!wait && row.name === "REQUEST_TIMED_OUT"),
  );
  const topics = new Map(made(results).map((topic) => [topic.name, topic]));
  const descriptions: TopicDescription[] = [];
  for (const { name } of specs)
    descriptions.push(topics.get(name) ?? (await describeTopic(cluster, name, limitsLeft())));
  return descriptions;
}

/** Callers without types give names alone. */
const TOPIC_SPEC: NamesOf<TopicSpec> = { name: true, partitions: true, replicas: true, assignment: true, config: true };

function specsOf(wanted: TopicSpec | readonly TopicSpec[]): readonly TopicSpec[] {
  const given: readonly unknown[] = Array.isArray(wanted) ? wanted : [wanted];
  const specs = given.filter((one): one is TopicSpec => typeof one === "object" && one !== null && "name" in one);
  for (const spec of specs) {
    // A topic of the SDK, and what is made from one with more in it, says how to read it too.
    const { key: _key, value: _value, ...named }: TopicSpec & Partial<TopicDef<unknown, unknown>> = spec;
    assertOptions(named, TOPIC_SPEC);
  }
  if (specs.length === given.length) return specs;
  const other = given.find((one) => !specs.some((spec) => spec === one));
  throw invalidArgument(`a topic is made from { name: "…" }, not from ${JSON.stringify(other) ?? String(other)}`);
}

async function deleteTopics(
  cluster: Cluster,
  names: readonly string[],
  options: Parameters<TopicAdmin["delete"]>[1] = {},
): Promise<void> {
  const limitsLeft = budgetOf(cluster, limitsOf(options));
  const ask = (request: { names?: string[]; topicIds?: string[]; validateOnly?: boolean }, onRepeat?: () => void) => {
    const limits = limitsLeft();
    const { names: byName = [], topicIds = [], validateOnly = false } = request;
    return change(
      cluster,
      "deleteTopics",
      { names: byName, topicIds, validateOnly, timeoutMs: Math.ceil(limits.timeoutMs) },
      { ...limits, ...(onRepeat === undefined ? {} : { onRepeat }) },
    );
  };
  // By id: a request that is made again must not find what another has made under the name meanwhile.
  const found = await ask({ names: [...names], validateOnly: true });
  const known = found.results.filter(({ errorCode }) => errorCode === 0);
  // Gone already: when the answer to the first try was lost, it was us.
  let mayBeGone = options.ifExists === true;
  const { results } =
    known.length === 0
      ? { results: [] }
      : await ask({ topicIds: known.map(({ topicId }) => topicId) }, () => {
          mayBeGone = true;
        });
  for (const name of names) cluster.forget(name);
  const deleted = results.map((result, slot) => ({ ...result, name: known[slot]?.name ?? result.name }));
  throwFailed(
    [...found.results, ...deleted],
    ({ name }) =>
      !(mayBeGone && name === "UNKNOWN_TOPIC_ID") &&
      !(options.ifExists === true && name === "UNKNOWN_TOPIC_OR_PARTITION"),
  );
}

async function offsetsAt(
  cluster: Cluster,
  topic: string,
  at: Parameters<TopicAdmin["offsets"]>[1],
  options: CallOptions = {},
): Promise<ReadonlyMap<number, Offset>> {
  const limits = limitsOf(options);
  const isolation = Isolation.READ_UNCOMMITTED;
  const known = await cluster.requireTopic(topic, limits);
  const partitions = known.leaders.map((_, partition) => partition);
  const timestamp = typeof at === "string" ? OFFSETS_BY_NAME[at] : at.getTime();
  if (!Number.isSafeInteger(timestamp)) throw invalidArgument(`not a date: ${String(at)}`);
  const found = await listOffsets(cluster, { topic, partitions, timestamp, isolation }, limits);
  if (typeof at === "string") return found;
  const late = partitions.filter((partition) => (found.get(partition) ?? -1) < 0);
  if (late.length === 0) return found;
  const ends = await listOffsets(cluster, { topic, partitions: late, timestamp: OffsetAt.LATEST, isolation }, limits);
  return new Map(partitions.map((partition) => [partition, ends.get(partition) ?? found.get(partition) ?? -1]));
}

async function addPartitions(
  cluster: Cluster,
  name: string,
  total: number,
  options: Parameters<TopicAdmin["addPartitions"]>[2] = {},
): Promise<void> {
  const limits = limitsOf(options);
  const topic: NewPartitions = {
    name,
    total: countOf(total, "total"),
    assignment: (options.assignment ?? []).map((replicas) => ({ replicas: [...replicas] })),
  };
  const validateOnly = options.validateOnly ?? false;
  let isRepeated = false;
  const onRepeat = (): void => {
    isRepeated = true;
  };
  const patient = { ...limits, timeoutMs: limits.timeoutMs ?? CREATE_TIMEOUT_MS };
  try {
    await settle(cluster, patient, { topic: name }, async (_attempt, left) => {
      const request = { topics: [topic], validateOnly, timeoutMs: Math.ceil(left.timeoutMs) };
      const { results } = await change(cluster, "createPartitions", request, { ...left, onRepeat });
      const [result] = results;
      // As many already: when the answer to the first try was lost, those are ours.
      if (!isRepeated || result === undefined || errorRow(result.errorCode).name !== "INVALID_PARTITIONS")
        return result;
      const { partitions } = await describeTopic(cluster, name, left);
      return partitions === total ? { ...result, errorCode: 0 } : result;
    });
  } finally {
    cluster.forget(name);
  }
}

async function truncate(
  cluster: Cluster,
  { topic, partition, before }: TopicPartition & { before: Offset },
  options: CallOptions = {},
): Promise<{ lowWatermark: Offset }> {
  if (!Number.isSafeInteger(before) || before < -1)
    throw invalidArgument(`before must be an offset, or -1 for all committed records, and is ${before}`);
  if (!Number.isSafeInteger(partition) || partition < 0 || partition > 0x7fffffff)
    throw invalidArgument(`there is no partition ${partition}`);
  const limits = limitsOf(options);
  const timeoutMs = Math.ceil(limits.timeoutMs ?? 0);
  let asked: Buffer | undefined;
  let askedLeader = -1;
  // "All" is what was there at the first attempt: the answer to one may be lost, and another would delete what has come since.
  let beforeOffset = before === -1 ? undefined : before;
  const leaderNow = async (left: Limits): Promise<number | undefined> => {
    const { id, leaders } = await cluster.requireTopic(topic, left);
    asked ??= id;
    if (!asked.equals(id))
      throw brokerErrorOf(errorRow("UNKNOWN_TOPIC_ID"), "it was deleted and made again", { topic });
    return leaders[partition];
  };
  const ask = async (attempt: number, left: ReturnType<ReturnType<typeof budgetOf>>) => {
    // Whoever was asked before may lead no longer.
    if (attempt > 1) {
      cluster.doubt(cluster.broker(askedLeader));
      cluster.forget(topic);
    }
    if (beforeOffset === undefined) {
      await leaderNow(left);
      beforeOffset = await committedEnd(cluster, { topic, partition }, left);
    }
    const leader = await leaderNow(left);
    askedLeader = leader ?? -1;
    const attemptMs = Math.min(left.timeoutMs, cluster.settings.connectTimeoutMs * attempt);
    // One that is gone, or stands still, will not lead for long.
    const target = leader === undefined || leader < 0 ? {} : { broker: leader, isExact: true, timeoutMs: attemptMs };
    const request = { partitions: [{ topic, partition, beforeOffset }], timeoutMs };
    const { results } = await call(cluster, "deleteRecords", request, { ...left, ...target });
    const [result] = results;
    if (before !== -1 || result === undefined) return result;
    // Whoever leads since a moment ago learns late that all of it is committed.
    const row = errorRow(result.errorCode);
    if (row.name === "OFFSET_OUT_OF_RANGE") throw brokerErrorOf(row, result.errorMessage, { topic, partition });
    return result;
  };
  const mayPass = ({ code }: BrokerError): boolean =>
    code === "CONNECTION_LOST" || code === "TIMEOUT" || (before === -1 && code === "OFFSET_OUT_OF_RANGE");
  const { lowWatermark } = await settle(cluster, limits, { topic, partition }, ask, mayPass);
  return { lowWatermark };
}

async function committedEnd(cluster: Cluster, { topic, partition }: TopicPartition, limits: Limits): Promise<Offset> {
  const question = {
    topic,
    partitions: [partition],
    timestamp: OffsetAt.LATEST,
    isolation: Isolation.READ_UNCOMMITTED,
  };
  const found = await listOffsets(cluster, question, limits);
  return found.get(partition) ?? 0;
}

// ---- results

function made(results: readonly TopicResult[]): TopicDescription[] {
  return results.flatMap(({ topic }) => (topic === null ? [] : [descriptionOf(topic, true)]));
}

function descriptionOf(topic: WireTopic, isNew: boolean): TopicDescription {
  const detail = topic.partitions.map((partition) => partitionDetail(partition, isNew));
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

/** Checked here: on the wire 1.5 would be 1. The broker knows how many are allowed. -1: its default. */
function countOf(count: number | undefined, name: "partitions" | "replicas" | "total"): number {
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
    creationId: randomUUID(),
  };
}
