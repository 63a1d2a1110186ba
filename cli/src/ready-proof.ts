/**
 * Proof that a broker works, from outside, through its gRPC door: a record goes in and the same bytes come out. `dev` has an
 * internal topic for that; only the client id of Kafka's own tools may write to it (semantics 8.2). A broker without that
 * topic (profile "server") proves that it answers.
 *
 * It speaks to the door without the SDK, which would take longer to load than all the rest of the proof; topics to be made
 * are made through it.
 */
import {
  Acks,
  DATA_SERVICE,
  decodeRecords,
  errorRow,
  Isolation,
  type MetadataResponse,
  RecordBatchBuilder,
} from "@tidemark/proto";
import type { Broker } from "@tidemark/broker";
import { CliFailure } from "./failure.ts";
import type { NewTopicSpec } from "./parse/pairs.ts";
import { BareConnection } from "./platform/bare-grpc.ts";

export interface ReadyProofOptions {
  readonly hasReadyTopic: boolean;
  /** Made if they are not there, before the proof ends. */
  readonly topics: readonly NewTopicSpec[];
  readonly signal: AbortSignal;
}

const READY_TOPIC = "__tidemark_ready";
const READY_PARTITION = { topic: READY_TOPIC, partition: 0 } as const;
const ADMIN_CLIENT_ID = "__admin_client";
const PROOF_TIMEOUT_MS = 30_000;
const LED_WITHIN_MS = 5_000;
/** Of one record of a few bytes, and of whatever shares its batch: nothing. */
const FETCH_BYTES = 4096;

/** @throws CliFailure NOT_READY, or what the SDK says of a topic */
export async function proveReady(brokers: readonly Proven[], options: ReadyProofOptions): Promise<void> {
  const [first, ...others] = brokers;
  if (first === undefined) return;
  const { topics, hasReadyTopic, signal } = options;
  if (topics.length > 0) await createTopics(first.grpcAddress, topics, signal);
  for (const { grpcAddress } of others) {
    // One after the other: the first that does not serve ends it.
    // oxlint-disable-next-line no-await-in-loop
    await connected(grpcAddress, signal, (connection) => askMetadata(connection, false));
  }
  const topic = await connected(first.grpcAddress, signal, (connection) => whenLed(connection, hasReadyTopic, signal));
  if (topic === null) return;
  const address = topic.leader ?? first.grpcAddress;
  await connected(address, signal, (connection) => proveRoundTrip(connection, topic.topicId));
}

type Proven = Pick<Broker, "grpcAddress">;

async function connected<T>(
  address: string,
  signal: AbortSignal,
  act: (connection: BareConnection) => Promise<T>,
): Promise<T> {
  const connection = new BareConnection(address, {
    clientId: ADMIN_CLIENT_ID,
    signal: AbortSignal.any([signal, AbortSignal.timeout(PROOF_TIMEOUT_MS)]),
  });
  try {
    return await act(connection);
  } catch (error: unknown) {
    if (error instanceof CliFailure) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new CliFailure("NOT_READY", `the broker does not serve at ${address}: ${reason}`, { cause: error });
  } finally {
    connection.close();
  }
}

/** Of several brokers the one that is asked may not have seen yet what the last one made. */
async function whenLed(
  connection: BareConnection,
  hasReadyTopic: boolean,
  signal: AbortSignal,
): Promise<ReadyTopic | null> {
  const endsAt = performance.now() + LED_WITHIN_MS;
  for (;;) {
    try {
      // oxlint-disable-next-line no-await-in-loop
      const topic = await askMetadata(connection, hasReadyTopic);
      if (topic?.isLed !== false || performance.now() > endsAt) return topic;
    } catch (error: unknown) {
      if (!(error instanceof CliFailure) || performance.now() > endsAt) throw error;
    }
    if (signal.aborted) return null;
    // oxlint-disable-next-line no-await-in-loop
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function createTopics(address: string, specs: readonly NewTopicSpec[], signal: AbortSignal): Promise<void> {
  const { Client } = await import("@tidemark/client");
  await using client = new Client({ brokers: address, clientId: ADMIN_CLIENT_ID });
  for (const { name, partitions, replicas } of specs) {
    // One after the other, as they stand on the command line.
    // oxlint-disable-next-line no-await-in-loop
    await client.admin.topics.create(
      { name, ...(partitions === null ? {} : { partitions }), ...(replicas === null ? {} : { replicas }) },
      { ifNotExists: true, timeout: PROOF_TIMEOUT_MS, signal },
    );
  }
}

interface ReadyTopic {
  readonly topicId: Buffer;
  readonly isLed: boolean;
  /** "host:port"; null: not told. */
  readonly leader: string | null;
}

/** The ready topic, if it is to be there. */
async function askMetadata(connection: BareConnection, hasReadyTopic: boolean): Promise<ReadyTopic | null> {
  const answer: MetadataResponse = await connection.ask(DATA_SERVICE.getMetadata, {
    topics: hasReadyTopic ? [READY_TOPIC] : [],
    allTopics: false,
    allowAutoTopicCreation: false,
  });
  if (!hasReadyTopic) return null;
  const found = answer.topics[0];
  refuse(found?.errorCode, "", `it has no topic ${READY_TOPIC}`);
  if (found === undefined) return null;
  const leaderId = found.partitions[0]?.leaderId;
  const broker = answer.brokers.find(({ id }) => id === leaderId);
  const leader = broker === undefined ? null : `${broker.host}:${broker.port}`;
  return { topicId: found.topicId, isLed: leaderId === undefined || leaderId >= 0, leader };
}

async function proveRoundTrip(connection: BareConnection, topicId: Buffer): Promise<void> {
  const proof = `${process.pid} ${new Date().toISOString()}`;
  const offset = await produce(connection, topicId, proof);
  const records = await fetch(connection, topicId, offset);
  const isThere = records.length > 0 && decodeRecords(records).some(({ value }) => value?.toString() === proof);
  if (!isThere) {
    const message = `a record went in at offset ${offset} of ${READY_TOPIC} and did not come out again`;
    throw new CliFailure("NOT_READY", message);
  }
}

async function produce(connection: BareConnection, topicId: Buffer, value: string): Promise<number> {
  const builder = new RecordBatchBuilder();
  builder.append(Date.now(), null, value);
  const call = connection.open(DATA_SERVICE.produce);
  call.send({
    correlationId: 1,
    acks: Acks.ALL,
    timeoutMs: PROOF_TIMEOUT_MS,
    inParts: false,
    // No producer id: a block of them would be spent on every start.
    partitions: [{ ...READY_PARTITION, topicId, records: builder.build(), expectedEnd: null }],
  });
  call.end();
  for (;;) {
    // Credit comes first, in a message of its own.
    // oxlint-disable-next-line no-await-in-loop
    const { results } = await call.next();
    const [result] = results;
    if (result === undefined) continue;
    refuse(result.errorCode, result.errorMessage, `it took no record into ${READY_TOPIC}`);
    return result.baseOffset;
  }
}

async function fetch(connection: BareConnection, topicId: Buffer, offset: number): Promise<Buffer> {
  const subscription = {
    ...READY_PARTITION,
    subscriptionId: 1,
    topicId,
    offset,
    maxBytes: FETCH_BYTES,
    isolation: Isolation.READ_UNCOMMITTED,
    currentLeaderEpoch: -1,
    isSuspect: false,
  };
  const call = connection.open(DATA_SERVICE.fetch);
  call.send({ subscribe: [subscription], unsubscribe: [], creditBytes: FETCH_BYTES });
  for (;;) {
    // The first message may only tell where the partition stands.
    // oxlint-disable-next-line no-await-in-loop
    const { partitions } = await call.next();
    for (const { errorCode, errorMessage, records } of partitions) {
      refuse(errorCode, errorMessage, `it gave no record of ${READY_TOPIC}`);
      if (records.length > 0) return records;
    }
  }
}

/** @throws CliFailure NOT_READY for any code but 0, and for none */
function refuse(code: number | undefined, message: string, what: string): void {
  if (code === 0) return;
  const name = code === undefined ? "" : `: ${errorRow(code).name}`;
  throw new CliFailure("NOT_READY", `the broker does not work: ${what}${name}${message === "" ? "" : `: ${message}`}`);
}
