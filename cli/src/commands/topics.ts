/**
 * `topics list | describe | create | delete`. Several names are handled one by one: what can be done is done, and if
 * some failed the exit code says so (the failure's own code for a single name, 8 for a part of several).
 */
import { createInterface } from "node:readline/promises";
import type { Client, TopicDescription, TopicSpec, TopicSummary } from "@tidemark/client";
import { withClient } from "../client-session.ts";
import { type CommandContext, note } from "../command-context.ts";
import { ExitCode } from "../exit-codes.ts";
import { CliFailure, toFailure } from "../failure.ts";
import { outputFormat } from "../global-flags.ts";
import { type Column, printRows, renderTable } from "../output/rows.ts";
import { formatBytes } from "../output/units.ts";
import { requireTopicName } from "../topic-argument.ts";

export interface ListTopicsRequest {
  readonly internal?: boolean;
}

export interface CreateTopicsRequest {
  readonly names: readonly string[];
  readonly partitions?: number;
  readonly replicas?: number;
  readonly config?: readonly (readonly [string, string])[];
  readonly ifNotExists?: boolean;
  readonly dryRun?: boolean;
}

export interface DeleteTopicsRequest {
  readonly names: readonly string[];
  readonly ifExists?: boolean;
}

const SUMMARY_COLUMNS: readonly Column<TopicSummary>[] = [
  { title: "topic", cell: (row) => row.name },
  { title: "partitions", cell: (row) => row.partitions },
  { title: "replicas", cell: (row) => row.replicas },
  { title: "size", cell: (row) => formatBytes(row.bytes) },
];

export async function listTopics(context: CommandContext, request: ListTopicsRequest): Promise<ExitCode> {
  const topics = await withClient(context, async (client) => {
    const found: TopicSummary[] = [];
    for await (const topic of client.admin.topics.list({
      internal: request.internal === true,
      ...callOptions(context),
    }))
      found.push(topic);
    return found;
  });
  topics.sort((a, b) => (a.name < b.name ? -1 : 1));
  printRows(context, topics.map(summaryOf), SUMMARY_COLUMNS);
  return ExitCode.OK;
}

export async function describeTopics(
  context: CommandContext,
  request: { readonly names: readonly string[] },
): Promise<ExitCode> {
  const described: TopicDescription[] = [];
  await withClient(context, (client) =>
    forEachName(
      request.names,
      async (name) => {
        described.push(await client.admin.topics.describe(name, callOptions(context)));
      },
      () => printDescriptions(context, described),
    ),
  );
  return ExitCode.OK;
}

export async function createTopics(context: CommandContext, request: CreateTopicsRequest): Promise<ExitCode> {
  const created: TopicDescription[] = [];
  await withClient(context, (client) =>
    forEachName(
      request.names,
      async (name) => {
        created.push(...(await createOne(context, client, name, request)));
      },
      () => printRows(context, created.map(summaryOf), SUMMARY_COLUMNS),
    ),
  );
  if (request.dryRun === true) note(context, "nothing was created (--dry-run)");
  return ExitCode.OK;
}

export async function deleteTopics(context: CommandContext, request: DeleteTopicsRequest): Promise<ExitCode> {
  await confirmDeletion(context, request.names);
  await withClient(context, (client) =>
    forEachName(request.names, async (name) => {
      const isGone = await deleteOne(context, client, name, request);
      note(context, isGone ? `deleted ${name}` : `there was no topic ${name}`);
    }),
  );
  return ExitCode.OK;
}

function createOne(
  context: CommandContext,
  client: Client,
  name: string,
  request: CreateTopicsRequest,
): Promise<TopicDescription[]> {
  const spec: TopicSpec = {
    name,
    ...(request.partitions === undefined ? {} : { partitions: request.partitions }),
    ...(request.replicas === undefined ? {} : { replicas: request.replicas }),
    ...(request.config === undefined ? {} : { config: Object.fromEntries(request.config) }),
  };
  return client.admin.topics.create(spec, {
    validateOnly: request.dryRun === true,
    ifNotExists: request.ifNotExists === true,
    ...callOptions(context),
  });
}

/** Resolves with false where there was nothing to delete, and --if-exists says that this is no failure. */
async function deleteOne(
  context: CommandContext,
  client: Client,
  name: string,
  request: DeleteTopicsRequest,
): Promise<boolean> {
  try {
    await client.admin.topics.delete(name, callOptions(context));
    return true;
  } catch (error: unknown) {
    if (request.ifExists === true && toFailure(error).exitCode === ExitCode.NOT_FOUND) return false;
    throw error;
  }
}

/** Does all it can, prints what was done, then fails if something did. */
async function forEachName(
  names: readonly string[],
  act: (name: string) => Promise<void>,
  print: () => void = () => undefined,
): Promise<void> {
  for (const name of names) requireTopicName(name);
  const failures: { readonly name: string; readonly failure: CliFailure }[] = [];
  for (const name of names) {
    try {
      await act(name);
    } catch (error: unknown) {
      failures.push({ name, failure: toFailure(error) });
    }
  }
  if (failures.length < names.length) print();
  const [first] = failures;
  if (first === undefined) return;
  if (failures.length === names.length) throw first.failure;
  throw new CliFailure(
    "PARTIAL",
    `${names.length - failures.length} of ${names.length} topics done; ${first.name}: ${first.failure.message}`,
    {
      details: {
        failed: failures.map(({ name, failure }) => ({ topic: name, code: failure.code, message: failure.message })),
      },
    },
  );
}

/** On a terminal the name has to be typed; elsewhere only --yes will do. */
async function confirmDeletion(context: CommandContext, names: readonly string[]): Promise<void> {
  if (context.flags.isYes) return;
  if (context.stdin.isTTY !== true) {
    throw new CliFailure("NEEDS_CONFIRMATION", `deleting ${names.join(", ")} needs --yes where nobody can be asked`);
  }
  const terminal = createInterface({ input: context.stdin, output: context.stderr });
  try {
    for (const name of names) {
      const answer = await terminal
        .question(`Delete ${name} with all its records? Type its name: `, { signal: context.signal })
        .catch((error: unknown) => leftUnanswered(context, name, error));
      if (answer.trim() !== name) throw new CliFailure("DECLINED", `${name} was not deleted`);
    }
  } finally {
    terminal.close();
  }
}

/** Ctrl-C at the question is no signal but a key, and Ctrl-D is its end. */
function leftUnanswered(context: CommandContext, name: string, cause: unknown): never {
  context.stderr.write("\n");
  throw new CliFailure("DECLINED", `${name} was not deleted`, { exitCode: ExitCode.INTERRUPTED, cause });
}

function printDescriptions(context: CommandContext, topics: readonly TopicDescription[]): void {
  if (outputFormat(context.flags) !== "table") {
    printRows(context, topics, []);
    return;
  }
  context.stdout.write(topics.map((topic) => renderDescription(topic, context.flags.hasHeaders)).join("\n"));
}

function renderDescription(topic: TopicDescription, hasHeaders: boolean): string {
  const head = `topic ${topic.name}  id ${topic.id}  partitions ${topic.partitions}  replicas ${topic.replicas}  size ${formatBytes(topic.bytes)}\n`;
  const partitions = renderTable(
    topic.detail,
    [
      { title: "partition", cell: (row) => row.partition },
      { title: "leader", cell: (row) => row.leader ?? "none" },
      { title: "replicas", cell: (row) => row.replicas.join(",") },
      { title: "isr", cell: (row) => row.isr.join(",") },
      { title: "start", cell: (row) => row.start },
      { title: "high watermark", cell: (row) => row.highWatermark },
    ],
    hasHeaders,
  );
  const own = topic.config.filter((entry) => entry.source === "topic");
  const settings = renderTable(
    own,
    [
      { title: "setting", cell: (row) => row.name },
      { title: "value", cell: (row) => row.value ?? "" },
    ],
    hasHeaders,
  );
  return head + partitions + (own.length === 0 ? "" : settings);
}

/** The stable JSON shape of a topic in a list, whatever else the SDK's object carries. */
function summaryOf(topic: TopicSummary): TopicSummary {
  return {
    name: topic.name,
    partitions: topic.partitions,
    replicas: topic.replicas,
    internal: topic.internal,
    bytes: topic.bytes,
  };
}

function callOptions(context: CommandContext): { signal: AbortSignal; timeout?: number } {
  return context.flags.timeoutMs === null
    ? { signal: context.signal }
    : { signal: context.signal, timeout: context.flags.timeoutMs };
}
