/** `partitions list | describe | elect-leader`: where partitions are, what is wrong with them, and who leads them. */
import type { Client, LogDir, PartitionDescription } from "@tidemark/client";
import { callOptions, withClient } from "../client-session.ts";
import { type CommandContext, note, warn } from "../command-context.ts";
import { confirm } from "../confirm.ts";
import { forEachName } from "../each.ts";
import { ExitCode } from "../exit-codes.ts";
import { toFailure } from "../failure.ts";
import { LIST_COLUMNS, listShape, printPartitions, type ReplicaRow } from "../output/partition-views.ts";
import { type Column, printRows } from "../output/rows.ts";
import { plural } from "../output/units.ts";
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

// ---- elect-leader

export interface ElectLeaderRequest {
  readonly kind: "preferred" | "unclean";
  /** None: all that the kind concerns. */
  readonly partitions: readonly TopicPartitionName[];
}

/** Keys are stable. */
interface ElectedRow {
  readonly topic: string;
  readonly partition: number;
  /** Null: nobody. */
  readonly leader: number | null;
  readonly leaderBefore: number | null;
}

const ELECTED_COLUMNS: readonly Column<ElectedRow>[] = [
  { title: "topic", cell: (row) => row.topic },
  { title: "partition", cell: (row) => row.partition },
  { title: "leader", cell: (row) => row.leader ?? "none", value: (row) => row.leader },
  { title: "before", cell: (row) => row.leaderBefore ?? "none", value: (row) => row.leaderBefore },
];

/** Leads what is led by the wrong one, or by nobody; the rest is left alone. An unclean choice loses records, and is asked about. */
export async function electLeader(context: CommandContext, request: ElectLeaderRequest): Promise<ExitCode> {
  const { kind, partitions } = request;
  for (const { topic } of partitions) requireTopicName(topic);
  const { isDryRun } = context.flags;
  await withClient(context, async (client) => {
    const due = (await described(context, client, partitions)).filter((partition) => isElectionDue(kind, partition));
    const byName = new Map(due.map((partition) => [`${partition.topic}:${partition.partition}`, partition]));
    if (due.length === 0)
      note(context, kind === "preferred" ? "every leader is the preferred one" : "every partition has a leader");
    if (kind === "unclean" && due.length > 0) {
      const questions = [...byName.keys()].map((name) => ({
        name,
        text: `Let a replica of ${name} lead that may lack records, and lose those?`,
        declined: `${name} was left without a leader`,
      }));
      await confirm(context, `losing records of ${plural(due.length, "partition")}`, questions);
    }
    const failures =
      isDryRun || due.length === 0 ? new Map<string, Error>() : await electAll(context, client, kind, due);
    const leaders = new Map<string, number | null>();
    if (!isDryRun)
      for (const { topic, partition, leader } of await described(context, client, due))
        leaders.set(`${topic}:${partition}`, leader);
    const rows: ElectedRow[] = [];
    const tell = async (name: string): Promise<void> => {
      const failure = failures.get(name);
      if (failure !== undefined) throw failure;
      const { topic, partition, replicas, leader: leaderBefore } = byName.get(name) as PartitionDescription;
      const planned = kind === "preferred" ? (replicas[0] ?? null) : null;
      rows.push({ topic, partition, leader: isDryRun ? planned : (leaders.get(name) ?? null), leaderBefore });
    };
    await forEachName([...byName.keys()], "partitions", tell, () => printRows(context, rows, ELECTED_COLUMNS));
    if (due.length === 0) printRows(context, rows, ELECTED_COLUMNS);
  });
  if (isDryRun) note(context, "nothing was changed (--dry-run)");
  return ExitCode.OK;
}

/** In one request, which is one change of the metadata, however many there are. Answers those that failed, by name. */
async function electAll(
  context: CommandContext,
  client: Client,
  kind: ElectLeaderRequest["kind"],
  due: readonly PartitionDescription[],
): Promise<ReadonlyMap<string, Error>> {
  try {
    await client.admin.partitions.electLeader(due, kind, callOptions(context));
    return new Map();
  } catch (error: unknown) {
    return failuresOf(error, due);
  }
}

/** Which of the partitions failed with what, by `topic:partition`. Throws what failed as a whole. */
export function failuresOf(error: unknown, asked: readonly TopicPartitionName[]): ReadonlyMap<string, Error> {
  if (!(error instanceof Error)) throw error;
  const names = new Map(asked.map(({ topic, partition }) => [`${topic}-${partition}`, `${topic}:${partition}`]));
  const failures = new Map<string, Error>();
  for (const failure of error.cause instanceof AggregateError ? (error.cause.errors as Error[]) : [error]) {
    const name = names.get(String(Reflect.get(failure, "topic")));
    if (name === undefined) throw error;
    failures.set(name, failure);
  }
  return failures;
}

function isElectionDue(kind: ElectLeaderRequest["kind"], { leader, replicas }: PartitionDescription): boolean {
  return kind === "preferred" ? leader !== replicas[0] : leader === null;
}

/** None are named: all there are. */
async function described(
  context: CommandContext,
  client: Client,
  named: readonly TopicPartitionName[],
): Promise<PartitionDescription[]> {
  const rows: PartitionDescription[] = [];
  if (named.length === 1) {
    for (const partition of named) rows.push(await client.admin.partitions.describe(partition, callOptions(context)));
    return rows;
  }
  const topics = named.length === 0 ? {} : { topics: [...new Set(named.map(({ topic }) => topic))] };
  const wanted = new Set(named.map(({ topic, partition }) => `${topic}:${partition}`));
  for await (const row of client.admin.partitions.list({ internal: true, ...topics, ...callOptions(context) }))
    if (named.length === 0 || wanted.delete(`${row.topic}:${row.partition}`)) rows.push(row);
  // One that its topic does not have is refused by name.
  for (const partition of named)
    if (wanted.has(`${partition.topic}:${partition.partition}`))
      await client.admin.partitions.describe(partition, callOptions(context));
  return rows;
}

// ---- shared

/** Each replica with what its broker has on disk. One that does not answer leaves that out, and is named. */
async function replicasOf(
  context: CommandContext,
  client: Client,
  { topic, partition, replicas, leader, isr, elr, damaged }: PartitionDescription,
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
      damaged: damaged.includes(broker),
      bytes,
      end,
      lag,
      path,
    };
  });
}
