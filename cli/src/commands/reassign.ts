/** `partitions reassign | balance | reassignments`: where replicas shall be, and how far they are on their way. */
import { text as textOf } from "node:stream/consumers";
import type { Client, Reassignment, ReassignmentGoal } from "@tidemark/client";
import { callOptions, withClient } from "../client-session.ts";
import { type CommandContext, note } from "../command-context.ts";
import type { ExitCode } from "../exit-codes.ts";
import { ExitCode as Exit } from "../exit-codes.ts";
import { usageFailure } from "../failure.ts";
import { REASSIGNMENT_COLUMNS, reassignmentShape } from "../output/move-views.ts";
import { printRows } from "../output/rows.ts";
import { plural } from "../output/units.ts";
import { readTextFile } from "../platform/text-file.ts";
import { parsePlan } from "../parse/reassignment-file.ts";
import type { TopicPartitionName } from "../parse/topic-partition.ts";
import { requireTopicName } from "../topic-argument.ts";
import { moveAll, type MoveOptions, planned } from "./moves.ts";
import { brokersText, liftEveryThrottle } from "./replication-throttle.ts";

export interface ReassignRequest extends MoveOptions {
  /** A file; "-": standard input. */
  readonly plan?: string;
  readonly brokers?: readonly number[];
  readonly topics?: readonly string[];
}

export async function reassignPartitions(context: CommandContext, request: ReassignRequest): Promise<ExitCode> {
  const goal = await goalOf(context, request);
  await withClient(context, async (client) => {
    const plan = client.admin.partitions.planReassignment(goal, callOptions(context));
    const moves = await planned(plan, "name more brokers; --plan changes how many replicas a partition has");
    await moveAll(context, client, moves, { ...request, name: "move", doing: "moving partitions" });
  });
  return Exit.OK;
}

/** @throws CliFailure USAGE, INVALID_PLAN */
async function goalOf(context: CommandContext, { plan, brokers, topics }: ReassignRequest): Promise<ReassignmentGoal> {
  if (plan !== undefined) {
    if (brokers !== undefined || topics !== undefined)
      throw usageFailure("--plan says where partitions go; --brokers and --topics make another plan");
    const text = plan === "-" ? await textOf(context.stdin) : readTextFile(plan);
    const assignments = parsePlan(text, plan === "-" ? "standard input" : plan);
    for (const { topic } of assignments) requireTopicName(topic);
    return { assignments };
  }
  if (brokers === undefined || topics === undefined)
    throw usageFailure(
      "what shall move? --plan FILE, or --topics and --brokers",
      "`partitions balance` spreads all partitions over all brokers",
    );
  for (const topic of topics) requireTopicName(topic);
  return { topics, brokers };
}

export interface BalanceRequest extends MoveOptions {
  readonly topics?: readonly string[];
}

export async function balancePartitions(context: CommandContext, request: BalanceRequest): Promise<ExitCode> {
  const { topics } = request;
  for (const topic of topics ?? []) requireTopicName(topic);
  const goal: ReassignmentGoal = { balance: true, ...(topics === undefined ? {} : { topics }) };
  await withClient(context, async (client) => {
    const moves = await client.admin.partitions.planReassignment(goal, callOptions(context));
    await moveAll(context, client, moves, { ...request, name: "balance", doing: "balancing the brokers" });
  });
  return Exit.OK;
}

// ---- moves under way

export interface ReassignmentsRequest {
  /** None: all. */
  readonly partitions: readonly TopicPartitionName[];
  readonly cancel?: boolean;
  readonly wait?: boolean;
}

export async function listReassignments(context: CommandContext, request: ReassignmentsRequest): Promise<ExitCode> {
  const { partitions, cancel = false, wait = false } = request;
  for (const { topic } of partitions) requireTopicName(topic);
  if (cancel && context.flags.watchMs !== null) throw usageFailure("--cancel and --watch do not go together");
  if (wait && context.flags.watchMs !== null) throw usageFailure("--wait and --watch do not go together");
  if (cancel && wait) throw usageFailure("--cancel takes moves back; there is nothing to --wait for");
  if (context.flags.isDryRun && !cancel) throw usageFailure("--dry-run goes with --cancel");
  await withClient(context, async (client) => {
    const rows = await running(context, client, partitions);
    printRows(context, rows.map(reassignmentShape), REASSIGNMENT_COLUMNS);
    if (rows.length === 0) note(context, "nothing moves");
    if (cancel && (rows.length > 0 || partitions.length > 0)) return cancelMoves(context, client, request, rows);
    if (!wait) return;
    await client.admin.partitions.untilReassigned(rows, callOptions(context));
    if (rows.length > 0) note(context, `${plural(rows.length, "partition")} at rest`);
    await liftIfQuiet(context, client);
  });
  return Exit.OK;
}

async function running(
  context: CommandContext,
  client: Client,
  partitions: readonly TopicPartitionName[],
): Promise<Reassignment[]> {
  const options = { progress: true, ...callOptions(context), ...(partitions.length === 0 ? {} : { partitions }) };
  const rows: Reassignment[] = [];
  for await (const row of client.admin.partitions.reassignments(options)) rows.push(row);
  return rows;
}

async function cancelMoves(
  context: CommandContext,
  client: Client,
  { partitions }: ReassignmentsRequest,
  rows: readonly Reassignment[],
): Promise<void> {
  if (context.flags.isDryRun) return note(context, `${plural(rows.length, "move")} would be taken back (--dry-run)`);
  const which = partitions.length === 0 ? "all" : partitions;
  const cancelled = await client.admin.partitions.cancelReassignments(which, callOptions(context));
  note(context, `${plural(cancelled.length, "move")} taken back`);
  await liftIfQuiet(context, client);
}

/** The last one to leave puts out the light: a throttle without moves slows followers that come back. */
async function liftIfQuiet(context: CommandContext, client: Client): Promise<void> {
  for await (const _ of client.admin.partitions.reassignments(callOptions(context))) return;
  const lifted = await liftEveryThrottle(context, client);
  if (lifted.length > 0) note(context, `the throttle of ${brokersText(lifted)} is taken away`);
}
