/**
 * `topics list | describe | create | delete`; what changes a topic stands in topics-change.ts. Several names are handled one
 * by one: what can be done is done, and if some failed the exit code says so.
 */
import type { Client, TopicDescription, TopicSpec, TopicSummary } from "@tidemark/client";
import { callOptions, withClient } from "../client-session.ts";
import { type CommandContext, note } from "../command-context.ts";
import { confirm } from "../confirm.ts";
import { forEachName } from "../each.ts";
import { ExitCode } from "../exit-codes.ts";
import { toFailure } from "../failure.ts";
import type { Pair } from "../global-flags.ts";
import { printRows } from "../output/rows.ts";
import { printDescriptions, SUMMARY_COLUMNS, summaryShape } from "../output/topic-views.ts";
import { formatBytes, plural } from "../output/units.ts";
import { requireTopicName } from "../topic-argument.ts";
import { noteSettings, warnOfMinIsr } from "./config-changes.ts";

export interface ListTopicsRequest {
  readonly internal?: boolean;
}

export interface CreateTopicsRequest {
  readonly names: readonly string[];
  readonly partitions?: number;
  readonly replicas?: number;
  readonly config?: readonly Pair[];
  readonly ifNotExists?: boolean;
}

export interface DeleteTopicsRequest {
  readonly names: readonly string[];
  readonly ifExists?: boolean;
}

export async function listTopics(context: CommandContext, request: ListTopicsRequest): Promise<ExitCode> {
  const topics = await withClient(context, async (client) => {
    const options = { internal: request.internal === true, ...callOptions(context) };
    const found: TopicSummary[] = [];
    for await (const topic of client.admin.topics.list(options)) found.push(topic);
    return found;
  });
  topics.sort((a, b) => (a.name < b.name ? -1 : 1));
  printRows(context, topics.map(summaryShape), SUMMARY_COLUMNS);
  return ExitCode.OK;
}

export async function describeTopics(
  context: CommandContext,
  request: { readonly names: readonly string[] },
): Promise<ExitCode> {
  for (const name of request.names) requireTopicName(name);
  const described: TopicDescription[] = [];
  await withClient(context, (client) =>
    forEachName(
      request.names,
      "topics",
      async (name) => {
        described.push(await client.admin.topics.describe(name, callOptions(context)));
      },
      () => printDescriptions(context, described),
    ),
  );
  return ExitCode.OK;
}

export async function createTopics(context: CommandContext, request: CreateTopicsRequest): Promise<ExitCode> {
  for (const name of request.names) requireTopicName(name);
  const created: TopicDescription[] = [];
  await withClient(context, (client) =>
    forEachName(
      request.names,
      "topics",
      async (name) => {
        const made = await createOne(context, client, name, request);
        created.push(...made);
        for (const { config, replicas } of made) {
          const own = config.filter(({ source }) => source === "topic");
          noteSettings(context, own);
          const minIsr = own.find(({ name: key }) => key === "min.insync.replicas")?.value ?? null;
          if (minIsr !== null) warnOfMinIsr(context, { topic: name, minIsr, replicas });
        }
      },
      () => printRows(context, created.map(summaryShape), SUMMARY_COLUMNS),
    ),
  );
  if (context.flags.isDryRun) note(context, "nothing was created (--dry-run)");
  return ExitCode.OK;
}

export async function deleteTopics(context: CommandContext, request: DeleteTopicsRequest): Promise<ExitCode> {
  const { names } = request;
  for (const name of names) requireTopicName(name);
  const questions = names.map((name) => ({
    name,
    text: `Delete ${name} with all its records?`,
    declined: `${name} was not deleted`,
  }));
  await confirm(context, `deleting ${names.join(", ")}`, questions);
  await withClient(context, (client) =>
    forEachName(names, "topics", async (name) => note(context, await deleteOne(context, client, name, request))),
  );
  if (context.flags.isDryRun) note(context, "nothing was deleted (--dry-run)");
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
    validateOnly: context.flags.isDryRun,
    ifNotExists: request.ifNotExists === true,
    ...callOptions(context),
  });
}

/** Resolves with what to say. One that is not there is no failure with --if-exists. */
async function deleteOne(
  context: CommandContext,
  client: Client,
  name: string,
  request: DeleteTopicsRequest,
): Promise<string> {
  const { topics } = client.admin;
  try {
    if (context.flags.isDryRun) {
      const { partitions, bytes } = await topics.describe(name, callOptions(context));
      return `would delete ${name}: ${plural(partitions, "partition")}, ${formatBytes(bytes)}`;
    }
    await topics.delete(name, callOptions(context));
    return `deleted ${name}`;
  } catch (error: unknown) {
    if (request.ifExists === true && toFailure(error).exitCode === ExitCode.NOT_FOUND)
      return `there was no topic ${name}`;
    throw error;
  }
}
