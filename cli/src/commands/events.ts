/**
 * `cluster events`: what happened to the cluster, from what its brokers still have of it; with --follow also what happens. For people
 * one line each, for programs one object each.
 */
import type { Client, ClusterEvent } from "@tidemark/client";
import { callOptions, withClient } from "../client-session.ts";
import { type CommandContext, warn } from "../command-context.ts";
import { ExitCode } from "../exit-codes.ts";
import { usageFailure } from "../failure.ts";
import { outputFormat } from "../global-flags.ts";
import { EVENT_COLUMNS, eventLines, streamedLine } from "../output/event-views.ts";
import { printRows } from "../output/rows.ts";

export interface EventsRequest {
  readonly follow?: boolean;
  readonly since?: number;
  readonly from?: number;
}

/** What comes within this time is looked at as one: what an entry of the log did to a thousand partitions comes in pieces. */
const TOGETHER_MS = 30;

export async function clusterEvents(context: CommandContext, request: EventsRequest): Promise<ExitCode> {
  const { follow = false, since, from } = request;
  if (since !== undefined && from !== undefined) throw usageFailure("--since and --from both say where to begin");
  const format = outputFormat(context.flags);
  const isStreamed = format === "table" || format === "json" || format === "ndjson";
  if (follow && !isStreamed) throw usageFailure(`--follow prints lines: table, json or ndjson, not ${format}`);
  const stream = (together: readonly ClusterEvent[]): void => {
    if (format === "table") for (const line of eventLines(together)) context.stdout.write(`${streamedLine(line)}\n`);
    else for (const event of together) context.stdout.write(`${JSON.stringify(event)}\n`);
  };
  await withClient(context, async (client) => {
    if (!follow) return print(context, (await history(context, client, request)).events);
    const isFromNow = since === undefined && from === undefined;
    const before = isFromNow ? { events: [], nextOffset: "latest" as const } : await history(context, client, request);
    stream(before.events);
    const { signal } = context;
    for await (const together of bursts(client.admin.watch({ from: before.nextOffset, signal }))) stream(together);
  });
  return ExitCode.OK;
}

/** What a broker that does not answer would tell the others have, most likely; that it was not asked is said all the same. */
async function history(context: CommandContext, client: Client, { since, from }: EventsRequest) {
  const begin = { ...(since === undefined ? {} : { since }), ...(from === undefined ? {} : { from }) };
  const told = await client.admin.history({ ...begin, ...callOptions(context) });
  for (const { broker, message } of told.silent)
    warn(context, `broker ${broker} did not tell what it knows: ${message}`);
  return told;
}

function print(context: CommandContext, events: readonly ClusterEvent[]): void {
  const format = outputFormat(context.flags);
  const isForPeople = format === "table" || format === "wide" || format === "csv" || format === "name";
  if (isForPeople) printRows(context, eventLines(events), EVENT_COLUMNS);
  else printRows(context, events, []);
}

/** Items that came together; each as soon as nothing follows it at once. */
async function* bursts<T>(items: AsyncIterable<T>): AsyncGenerator<T[]> {
  const iterator = items[Symbol.asyncIterator]();
  let burst: T[] = [];
  let next = iterator.next();
  for (;;) {
    let timer: NodeJS.Timeout | undefined;
    const quiet = new Promise<null>((resolve) => {
      timer = burst.length === 0 ? undefined : setTimeout(() => resolve(null), TOGETHER_MS);
    });
    const item = await Promise.race([next, quiet]).finally(() => clearTimeout(timer));
    if (item !== null && item.done !== true) {
      burst.push(item.value);
      next = iterator.next();
      continue;
    }
    if (burst.length > 0) yield burst;
    burst = [];
    if (item !== null) return;
  }
}
