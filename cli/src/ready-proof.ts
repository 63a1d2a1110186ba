/**
 * Proof that a broker works, from outside, through its gRPC door and the SDK: a record goes in and the same bytes come out.
 * `dev` has an internal topic for that; only the client id of Kafka's own tools may write to it (semantics 8.2). A broker
 * without that topic (profile "server") proves that it answers.
 */
import type { Broker } from "@tidemark/broker";
import { CliFailure } from "./failure.ts";
import type { NewTopicSpec } from "./parse/pairs.ts";

export interface ReadyProofOptions {
  readonly hasReadyTopic: boolean;
  /** Made if they are not there, before the proof ends. */
  readonly topics: readonly NewTopicSpec[];
  readonly signal: AbortSignal;
}

const READY_TOPIC = "__tidemark_ready";
const ADMIN_CLIENT_ID = "__admin_client";
const PROOF_TIMEOUT_MS = 30_000;

/** @throws CliFailure NOT_READY, or what the SDK says */
export async function proveReady(broker: Broker, options: ReadyProofOptions): Promise<void> {
  const { Client, codecs, topic } = await import("@tidemark/client");
  await using client = new Client({ brokers: broker.grpcAddress, clientId: ADMIN_CLIENT_ID });
  const limits = { timeout: PROOF_TIMEOUT_MS, signal: options.signal };
  for (const spec of options.topics) {
    const { name, partitions, replicas } = spec;
    await client.admin.topics.create(
      { name, ...(partitions === null ? {} : { partitions }), ...(replicas === null ? {} : { replicas }) },
      { ifNotExists: true, ...limits },
    );
  }
  if (!options.hasReadyTopic) {
    await client.ready(limits);
    return;
  }
  const ready = topic(READY_TOPIC, { key: codecs.bytes, value: codecs.string });
  const proof = `${process.pid} ${new Date().toISOString()}`;
  // No producer id: a block of them would be spent on every start.
  await using producer = client.producer({ linger: 0, idempotent: false });
  const sent = await producer.send(ready, { value: proof }, limits);
  await using reader = client.reader(ready, {
    from: new Map([[sent.partition, sent.offset]]),
    limit: 1,
    signal: AbortSignal.any([options.signal, AbortSignal.timeout(PROOF_TIMEOUT_MS)]),
  });
  const [read] = await reader.toArray();
  if (read?.value !== proof) {
    throw new CliFailure(
      "NOT_READY",
      `a record went in at offset ${sent.offset} of ${READY_TOPIC} and did not come out again`,
    );
  }
}
