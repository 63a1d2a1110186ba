/**
 * Why things are as they are (semantics 15.6): who is asked, and what is made of the answers (core/explain). The question goes to any
 * broker, then to all that may know more: the leader, the replicas, the controller. Whoever does not answer is named in the answer.
 */
import { type DiagnoseBrokerResponse, errorRow, type ExplainPartitionResponse } from "@tidemark/proto";
import { askEach, limitsOf, read } from "./admin-call.ts";
import { explain, type Question } from "./core/explain/answers.ts";
import { Facts, type Silence } from "./core/explain/facts.ts";
import { BrokerError, brokerErrorOf, invalidArgument } from "./errors.ts";
import type { BrokerDiagnosis, Explanation } from "./explain-types.ts";
import type { Limits } from "./pause.ts";
import type { Cluster } from "./transport/cluster.ts";
import type { CallOptions, Offset, TopicPartition } from "./types.ts";

export interface ExplainAdmin {
  /** Whether the record at `offset` is on every replica in sync, as an acks=all write is told; if not, who is waited for. */
  acked(partition: TopicPartition, offset: Offset, options?: CallOptions): Promise<Explanation>;
  /** Whether readers are given the record at `offset`. There are no transactions yet: both isolations see the same. */
  visible(
    partition: TopicPartition,
    offset: Offset,
    options?: CallOptions & { isolation?: "read_committed" | "read_uncommitted" },
  ): Promise<Explanation>;
  /** Who is in sync, why the others are not, the last changes; whom a partition without a leader waits for. */
  isr(partition: TopicPartition, options?: CallOptions): Promise<Explanation>;
}

export function createExplainAdmin(cluster: Cluster): ExplainAdmin {
  return Object.freeze<ExplainAdmin>({
    acked: (partition, offset, options) => answer(cluster, partition, { kind: "acked", offset }, options),
    visible: (partition, offset, options) => answer(cluster, partition, { kind: "visible", offset }, options),
    isr: (partition, options) => answer(cluster, partition, { kind: "isr" }, options),
  });
}

async function answer(
  cluster: Cluster,
  partition: TopicPartition,
  question: Question,
  options: CallOptions = {},
): Promise<Explanation> {
  const { topic, partition: number } = partition;
  if (!Number.isSafeInteger(number) || number < 0) throw invalidArgument(`there is no partition ${number}`);
  if (question.kind !== "isr" && !(Number.isSafeInteger(question.offset) && question.offset >= 0))
    throw invalidArgument(`${String(question.offset)} is no offset: a whole number from 0 on`);
  return explain(partition, question, await factsOf(cluster, { topic, partition: number }, limitsOf(options)));
}

async function factsOf(cluster: Cluster, request: TopicPartition, limits: Limits): Promise<Facts> {
  const views: ExplainPartitionResponse[] = [await first(cluster, request, limits)];
  const silent = new Map<number, Silence>();
  // The one that was asked may be behind: whoever the others name in its place is asked too.
  for (let round = 0; round < 2; round += 1) {
    const heard = new Set([...views.map(({ brokerId }) => brokerId), ...silent.keys()]);
    const known = views.flatMap(({ replicas, leaderId, controllerId }) => [...replicas, leaderId, controllerId]);
    const wanted = [...new Set(known)].filter((id) => id >= 0 && !heard.has(id));
    if (wanted.length === 0) break;
    const answers = await askEach(cluster, "explainPartition", () => request, wanted, limits);
    for (const [broker, one] of answers) {
      if (one instanceof BrokerError) silent.set(broker, silenceOf(broker, one));
      else if (one.errorCode === 0) views.push(one);
      // Its metadata is behind.
      else silent.set(broker, { broker, message: one.errorMessage, isRefused: false });
    }
  }
  return new Facts(views, [...silent.values()], Date.now());
}

/** @throws BrokerError UNKNOWN_TOPIC_OR_PARTITION */
async function first(cluster: Cluster, request: TopicPartition, limits: Limits): Promise<ExplainPartitionResponse> {
  const response = await read(cluster, "explainPartition", request, limits);
  const { errorCode, errorMessage } = response;
  if (errorCode === 0) return response;
  throw brokerErrorOf(errorRow(errorCode), errorMessage, request);
}

function silenceOf(broker: number, { code, message }: BrokerError): Silence {
  return { broker, message, isRefused: code === "CONNECTION_LOST" };
}

/** What each broker finds out about itself and its machine; one that does not answer is there with its error. */
export async function diagnose(cluster: Cluster, options: CallOptions = {}): Promise<BrokerDiagnosis[]> {
  const limits = limitsOf(options);
  await cluster.refresh([], { create: false });
  const ids = (cluster.info?.brokers ?? []).map(({ id }) => id);
  const diagnoses = await Promise.all(
    ids.map(async (broker) => {
      const askedAt = Date.now();
      const answers = await askEach(cluster, "diagnoseBroker", () => ({}), [broker], limits);
      const response = answers.get(broker) ?? new BrokerError("CONNECTION_LOST", `broker ${broker} is not known`);
      return diagnosisOf(broker, response, askedAt, Date.now());
    }),
  );
  return diagnoses.sort((a, b) => a.broker - b.broker);
}

function diagnosisOf(
  broker: number,
  response: DiagnoseBrokerResponse | BrokerError,
  askedAt: number,
  heardAt: number,
): BrokerDiagnosis {
  if (response instanceof BrokerError) return { broker, version: null, clock: null, checks: [], error: response };
  const { version, nowMs, checks } = response;
  return {
    broker,
    version,
    // It looked at its clock between the two moments.
    clock: { least: nowMs - heardAt, most: nowMs - askedAt },
    checks: checks.map(({ name, status, detail, fix }) => {
      return { name, status: status === "FAIL" || status === "WARN" ? status : "OK", detail, fix };
    }),
    error: null,
  };
}
