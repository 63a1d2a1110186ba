/** Offsets by time, asked of the leaders of the partitions; what may pass is tried again with fresh metadata. */
import { DATA_SERVICE, errorRow, type ListOffsetsResponse, type ListOffsetsResult } from "@tidemark/proto";
import { backoffMs } from "../core/backoff.ts";
import { BrokerError, brokerErrorOf } from "../errors.ts";
import type { Limits } from "../pause.ts";
import type { Cluster } from "./cluster.ts";

export interface OffsetQuestion {
  readonly topic: string;
  readonly partitions: readonly number[];
  /** Unix ms, or one of OffsetAt. */
  readonly timestamp: number;
  /** One of Isolation. */
  readonly isolation: number;
}

/** The first offset at or after the timestamp, by partition; -1 where there is none. */
export async function listOffsets(
  cluster: Cluster,
  question: OffsetQuestion,
  limits: Limits,
): Promise<Map<number, number>> {
  const { topic } = question;
  const { retry, retryBudgetMs, connectTimeoutMs } = cluster.settings;
  const endsAt = performance.now() + (limits.timeoutMs ?? retryBudgetMs);
  const offsets = new Map<number, number>();
  for (let attempt = 1; ; attempt += 1) {
    const known = await cluster.requireTopic(topic, limits);
    const missing = question.partitions.filter((partition) => !offsets.has(partition));
    // Whoever does not answer may have stopped leading meanwhile: no longer than this is one broker asked by what was known. One that
    // leads still, and has a long log to look through, is given more time with each attempt.
    const timeoutMs = Math.max(Math.min(endsAt - performance.now(), connectTimeoutMs * attempt), 1);
    const each = { offsets, limits: { ...limits, timeoutMs } };
    const answers = await Promise.all(
      [...byLeader(known.leaders, missing)].map((group) => ask(cluster, question, group, each)),
    );
    const failures = answers.filter((one) => one !== null);
    const failure = failures.find(({ retriable }) => !retriable) ?? failures[0];
    if (failure === undefined) return offsets;
    const delay = backoffMs(retry, attempt, Math.random());
    if (!failure.retriable || performance.now() + delay >= endsAt) throw failure;
    if (attempt === 1) {
      const { code, message, partition } = failure;
      cluster.settings.logger.warn({ topic, partition, code, message }, "an offset could not be asked for");
    }
    await cluster.pause(delay, limits.signal);
    cluster.forget(topic);
  }
}

function byLeader(leaders: readonly number[], partitions: readonly number[]): Map<number, number[]> {
  const groups = new Map<number, number[]>();
  for (const partition of partitions) {
    const leader = leaders[partition] ?? -1;
    const group = groups.get(leader);
    if (group === undefined) groups.set(leader, [partition]);
    else group.push(partition);
  }
  return groups;
}

/** Asks one leader; returns what went wrong, the worst first. */
async function ask(
  cluster: Cluster,
  question: OffsetQuestion,
  [leader, partitions]: [number, number[]],
  call: { readonly offsets: Map<number, number>; readonly limits: Limits },
): Promise<BrokerError | null> {
  const { topic, timestamp, isolation } = question;
  if (leader < 0) return brokerErrorOf(errorRow("LEADER_NOT_AVAILABLE"), "", { topic });
  const request = { partitions: partitions.map((partition) => ({ topic, partition, timestamp })), isolation };
  let response: ListOffsetsResponse;
  try {
    response = await cluster.call(DATA_SERVICE.listOffsets, request, { ...call.limits, broker: leader, isExact: true });
  } catch (error: unknown) {
    cluster.doubt(cluster.broker(leader));
    return BrokerError.from(error);
  }
  const failures: BrokerError[] = [];
  for (const [index, partition] of partitions.entries()) {
    const result: ListOffsetsResult | undefined = response.results[index];
    if (result === undefined)
      failures.push(
        new BrokerError("CONNECTION_LOST", "the broker answered for fewer partitions than were asked", { topic }),
      );
    else if (result.errorCode === 0) call.offsets.set(partition, result.offset);
    else failures.push(brokerErrorOf(errorRow(result.errorCode), result.errorMessage, { topic, partition }));
  }
  if (failures.length > 0) cluster.doubt(cluster.broker(leader));
  return failures.find((failure) => !failure.retriable) ?? failures[0] ?? null;
}
