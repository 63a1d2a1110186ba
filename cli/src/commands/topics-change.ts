/** `topics alter | add-partitions | offsets | truncate`. */
import type { Client } from "@tidemark/client";
import { callOptions, withClient } from "../client-session.ts";
import { type CommandContext, note } from "../command-context.ts";
import { confirm } from "../confirm.ts";
import { forEachName } from "../each.ts";
import { ExitCode } from "../exit-codes.ts";
import { usageFailure } from "../failure.ts";
import type { Pair } from "../global-flags.ts";
import { type Column, printRows } from "../output/rows.ts";
import { formatCount, plural } from "../output/units.ts";
import { type Moment, resolveMoment } from "../parse/position.ts";
import { noSuchPartition, requireTopicName } from "../topic-argument.ts";
import { type ChangedSetting, changeSettings, printChanges } from "./config-changes.ts";

export interface AlterTopicsRequest {
  readonly names: readonly string[];
  readonly config?: readonly Pair[];
  readonly deleteConfig?: readonly string[];
}

export interface AddPartitionsRequest {
  readonly name: string;
  readonly count: { readonly kind: "total" | "more"; readonly count: number };
}

export type OffsetsAt = "earliest" | "latest" | "max-timestamp" | Moment;

export interface OffsetsRequest {
  readonly names: readonly string[];
  readonly at?: OffsetsAt;
  readonly partitions?: readonly number[];
}

/** New first offset: a number, all that is committed, or the first record of a time. */
export type TruncateBefore = number | "end" | Moment;

export interface TruncateRequest {
  readonly name: string;
  readonly before: TruncateBefore;
  readonly partitions?: readonly number[];
}

export async function alterTopics(context: CommandContext, request: AlterTopicsRequest): Promise<ExitCode> {
  const { names, config = [], deleteConfig = [] } = request;
  for (const name of names) requireTopicName(name);
  if (config.length + deleteConfig.length === 0)
    throw usageFailure("nothing to change", "-c key=value sets, --delete-config key goes back to the default");
  const changed: ChangedSetting[] = [];
  await withClient(context, (client) =>
    forEachName(
      names,
      "topics",
      async (name) => {
        changed.push(...(await changeSettings(context, client, { type: "topic", name }, config, deleteConfig)));
      },
      () => printChanges(context, changed),
    ),
  );
  return ExitCode.OK;
}

export async function addPartitions(context: CommandContext, request: AddPartitionsRequest): Promise<ExitCode> {
  const name = requireTopicName(request.name);
  const { count } = request;
  await withClient(context, async (client) => {
    const { topics } = client.admin;
    const before = (await topics.describe(name, callOptions(context))).partitions;
    const total = count.kind === "total" ? count.count : before + count.count;
    const { isDryRun } = context.flags;
    await topics.addPartitions(name, total, { ...callOptions(context), validateOnly: isDryRun });
    printRows(context, [{ topic: name, partitions: total, before }], []);
    if (isDryRun) note(context, "nothing was added (--dry-run)");
    else note(context, "records with a key may go to other partitions from here on");
  });
  return ExitCode.OK;
}

// ---- offsets

interface RangeRow {
  readonly topic: string;
  readonly partition: number;
  readonly earliest: number;
  readonly latest: number;
}

interface OffsetRow {
  readonly topic: string;
  readonly partition: number;
  /** null: no record has been written yet (max-timestamp). */
  readonly offset: number | null;
}

const RANGE_COLUMNS: readonly Column<RangeRow>[] = [
  { title: "topic", cell: (row) => row.topic },
  { title: "partition", cell: (row) => row.partition },
  { title: "earliest", cell: (row) => row.earliest },
  { title: "latest", cell: (row) => row.latest },
  { title: "records", cell: (row) => row.latest - row.earliest },
];

export async function topicOffsets(context: CommandContext, request: OffsetsRequest): Promise<ExitCode> {
  for (const name of request.names) requireTopicName(name);
  const { at } = request;
  const ranges: RangeRow[] = [];
  const offsets: OffsetRow[] = [];
  await withClient(context, (client) =>
    forEachName(
      request.names,
      "topics",
      async (name) => {
        if (at === undefined) ranges.push(...(await rangesOf(context, client, name, request.partitions)));
        else offsets.push(...(await offsetsAt(context, client, name, { ...request, at })));
      },
      () =>
        at === undefined ? printRows(context, ranges, RANGE_COLUMNS) : printRows(context, offsets, OFFSET_COLUMNS),
    ),
  );
  return ExitCode.OK;
}

const OFFSET_COLUMNS: readonly Column<OffsetRow>[] = [
  { title: "topic", cell: (row) => row.topic },
  { title: "partition", cell: (row) => row.partition },
  { title: "offset", cell: (row) => row.offset },
];

async function offsetsAt(
  context: CommandContext,
  client: Client,
  topic: string,
  { at, partitions }: { readonly at: OffsetsAt; readonly partitions?: readonly number[] },
): Promise<OffsetRow[]> {
  // At once where the topic is not there; the question about offsets would wait for it.
  await client.admin.topics.describe(topic, callOptions(context));
  const moment = typeof at === "string" ? at : resolveMoment(at, Date.now());
  const found = await client.admin.topics.offsets(topic, moment, callOptions(context));
  return chosen([...found.keys()], partitions, topic).map((partition) => {
    const offset = found.get(partition) ?? -1;
    return { topic, partition, offset: offset < 0 ? null : offset };
  });
}

async function rangesOf(
  context: CommandContext,
  client: Client,
  topic: string,
  partitions: readonly number[] | undefined,
): Promise<RangeRow[]> {
  const { detail } = await client.admin.topics.describe(topic, callOptions(context));
  const all = new Map(detail.map((row) => [row.partition, row]));
  return chosen([...all.keys()], partitions, topic).map((partition) => {
    const { start = 0, highWatermark = 0 } = all.get(partition) ?? {};
    return { topic, partition, earliest: start, latest: highWatermark };
  });
}

function chosen(present: readonly number[], wanted: readonly number[] | undefined, topic: string): readonly number[] {
  const missing = wanted?.find((partition) => !present.includes(partition));
  if (missing !== undefined) throw noSuchPartition(topic, present.length, missing);
  return wanted ?? present.toSorted((a, b) => a - b);
}

// ---- truncate

interface TruncateRow {
  readonly topic: string;
  readonly partition: number;
  /** The first offset so far. */
  readonly from: number;
  /** The first offset that is kept. */
  readonly to: number;
  readonly records: number;
}

const TRUNCATE_COLUMNS: readonly Column<TruncateRow>[] = [
  { title: "topic", cell: (row) => row.topic },
  { title: "partition", cell: (row) => row.partition },
  { title: "from", cell: (row) => row.from },
  { title: "to", cell: (row) => row.to },
  { title: "deleted records", cell: (row) => row.records },
];

export async function truncateTopic(context: CommandContext, request: TruncateRequest): Promise<ExitCode> {
  const topic = requireTopicName(request.name);
  await withClient(context, async (client) => {
    const plan = await planTruncation(context, client, request);
    const total = plan.reduce((sum, row) => sum + row.records, 0);
    const what = `${plural(total, "record")} in ${plural(plan.length, "partition")} of ${topic}`;
    if (context.flags.isDryRun) {
      printRows(context, plan, TRUNCATE_COLUMNS);
      note(context, `${what} would be deleted (--dry-run)`);
      return;
    }
    if (total > 0) {
      const question = { name: topic, text: `Delete ${what}?`, declined: "nothing was deleted" };
      await confirm(context, `deleting ${what}`, [question]);
    }
    const done: TruncateRow[] = [];
    const rows = new Map(plan.map((row) => [`${topic}-${row.partition}`, row]));
    await forEachName(
      [...rows.keys()],
      "partitions",
      async (name) => {
        const row = rows.get(name);
        if (row === undefined) return;
        const { partition, from, to } = row;
        const { lowWatermark } = await client.admin.topics.truncate(
          { topic, partition, before: to },
          callOptions(context),
        );
        done.push({ topic, partition, from, to: lowWatermark, records: Math.max(lowWatermark - from, 0) });
      },
      () => printRows(context, done, TRUNCATE_COLUMNS),
    );
    note(context, `deleted ${what}`);
  });
  return ExitCode.OK;
}

async function planTruncation(
  context: CommandContext,
  client: Client,
  { name, before, partitions }: TruncateRequest,
): Promise<TruncateRow[]> {
  const ranges = await rangesOf(context, client, name, partitions);
  if (typeof before === "number" && partitions === undefined && ranges.length > 1)
    throw usageFailure(
      `${name} has ${formatCount(ranges.length)} partitions, and an offset belongs to one`,
      "add -p N",
    );
  const at =
    typeof before === "object"
      ? await client.admin.topics.offsets(name, resolveMoment(before, Date.now()), callOptions(context))
      : null;
  return ranges.map(({ topic, partition, earliest, latest }) => {
    // Beyond the end is the broker's to refuse.
    const wanted = before === "end" ? latest : typeof before === "number" ? before : (at?.get(partition) ?? earliest);
    const to = Math.max(wanted, earliest);
    return { topic, partition, from: earliest, to, records: to - earliest };
  });
}
