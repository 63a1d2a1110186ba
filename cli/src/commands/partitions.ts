/** `partitions list | describe`: where partitions are, and what is wrong with them. */
import type { Client, LogDir, PartitionDescription } from "@tidemark/client";
import { callOptions, withClient } from "../client-session.ts";
import { type CommandContext, note, warn } from "../command-context.ts";
import { forEachName } from "../each.ts";
import { ExitCode } from "../exit-codes.ts";
import { toFailure } from "../failure.ts";
import { LIST_COLUMNS, listShape, printPartitions, type ReplicaRow } from "../output/partition-views.ts";
import { printRows } from "../output/rows.ts";
import type { TopicPartitionName } from "../parse/topic-partition.ts";
import { requireTopicName } from "../topic-argument.ts";

export interface ListPartitionsRequest {
  readonly topics: readonly string[];
  readonly unhealthy?: boolean;
  readonly internal?: boolean;
}

export async function listPartitions(context: CommandContext, request: ListPartitionsRequest): Promise<ExitCode> {
  const { topics, unhealthy = false, internal = unhealthy } = request;
  for (const topic of topics) requireTopicName(topic);
  const rows: PartitionDescription[] = [];
  await withClient(context, async (client) => {
    const options = { unhealthy, internal, ...callOptions(context), ...(topics.length === 0 ? {} : { topics }) };
    for await (const row of client.admin.partitions.list(options)) rows.push(row);
  });
  printRows(context, rows.map(listShape), LIST_COLUMNS);
  if (unhealthy && rows.length === 0) note(context, "no partition has troubles");
  return ExitCode.OK;
}

export async function describePartitions(
  context: CommandContext,
  request: { readonly partitions: readonly TopicPartitionName[] },
): Promise<ExitCode> {
  const byName = new Map(request.partitions.map((named) => [`${named.topic}:${named.partition}`, named]));
  for (const { topic } of byName.values()) requireTopicName(topic);
  const described: { partition: PartitionDescription; replicas: ReplicaRow[] }[] = [];
  await withClient(context, (client) =>
    forEachName(
      [...byName.keys()],
      "partitions",
      async (name) => {
        const partition = await client.admin.partitions.describe(
          byName.get(name) ?? { topic: "", partition: 0 },
          callOptions(context),
        );
        described.push({ partition, replicas: await replicasOf(context, client, partition) });
      },
      () => printPartitions(context, described),
    ),
  );
  return ExitCode.OK;
}

/** Each replica with what its broker has on disk. One that does not answer leaves that out, and is named. */
async function replicasOf(
  context: CommandContext,
  client: Client,
  { topic, partition, replicas, leader, isr, elr }: PartitionDescription,
): Promise<ReplicaRow[]> {
  const logs = new Map<number, LogDir>();
  try {
    for await (const log of client.admin.logs.dirs(callOptions(context)))
      if (log.topic === topic && log.partition === partition) logs.set(log.broker, log);
  } catch (error: unknown) {
    if (context.signal.aborted) throw error;
    warn(context, `not every broker told of its disk: ${toFailure(error).message}`);
  }
  return replicas.map((broker): ReplicaRow => {
    const { bytes = null, end = null, lag = null, path = null } = logs.get(broker) ?? {};
    return {
      broker,
      role: broker === leader ? "leader" : "follower",
      inSync: isr.includes(broker),
      eligible: isr.includes(broker) || elr.includes(broker),
      bytes,
      end,
      lag,
      path,
    };
  });
}
