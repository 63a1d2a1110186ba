/**
 * `top`: what a broker does now. On a terminal a page that is drawn anew until q or Ctrl-C, on a screen of its own that is taken
 * away at the end; elsewhere, and with -o, one snapshot over --interval.
 *
 * The numbers are those of the HTTP door's metrics. Where it cannot be reached the SDK still knows partitions and sizes; the
 * page then says what is missing, and why.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Client } from "@tidemark/client";
import { withClient } from "../client-session.ts";
import { canDraw, type CommandContext, warn } from "../command-context.ts";
import { ExitCode } from "../exit-codes.ts";
import { outputFormat } from "../global-flags.ts";
import { onQuitKey } from "../output/quit-key.ts";
import { printRows } from "../output/rows.ts";
import { renderLoad } from "../output/top-view.ts";
import { type BrokerLoad, type Gauges, loadBetween, lookAtMetrics, type Look } from "../records/broker-load.ts";
import { parseMetrics } from "../records/metrics-text.ts";
import type { ResolvedSettings } from "../settings/resolve.ts";

export interface TopRequest {
  readonly interval: number;
  readonly rows: number;
}

/** `dev` and the defaults of a server put the HTTP door 100 above the gRPC door. */
const HTTP_PORT_ABOVE = 100;
const HTTP_TIMEOUT_MS = 2_000;

const ENTER_SCREEN = "\u001b[?1049h\u001b[?25l";
const LEAVE_SCREEN = "\u001b[?25h\u001b[?1049l";
const HOME_AND_CLEAR = "\u001b[H\u001b[J";

export async function top(context: CommandContext, request: TopRequest): Promise<ExitCode> {
  return withClient(context, async (client, settings) => {
    const source = await findSource(context, client, settings);
    const isLive = canDraw(context) && context.flags.output === null;
    if (isLive) return drawUntilStopped(context, request, source);
    if (source.missing !== null) warn(context, source.missing);
    const first = await source.look();
    await sleep(request.interval, undefined, { signal: context.signal });
    const load = loadBetween(first, await source.look(), request.rows);
    const format = outputFormat(context.flags);
    if (format === "table" || format === "wide")
      context.stdout.write(renderLoad(load, { source: source.name, missing: null, columns: Number.POSITIVE_INFINITY }));
    else if (format === "csv" || format === "name") printRows(context, load.hottest, []);
    else printRows(context, [{ broker: source.name, ...load }], []);
    return ExitCode.OK;
  });
}

interface Source {
  readonly name: string;
  /** Why some numbers are missing; null: none is. */
  readonly missing: string | null;
  look(): Promise<Look>;
}

async function drawUntilStopped(context: CommandContext, request: TopRequest, source: Source): Promise<ExitCode> {
  const { stdout } = context;
  const quit = new AbortController();
  const signal = AbortSignal.any([context.signal, quit.signal]);
  const interrupt = (): void => void process.kill(process.pid, "SIGINT");
  const release = onQuitKey(context.stdin, () => quit.abort(), interrupt);
  // Also when a second signal ends the process where it stands.
  const leave = (): void => {
    release();
    stdout.write(LEAVE_SCREEN);
  };
  process.once("exit", leave);
  stdout.write(ENTER_SCREEN);
  try {
    let before = await source.look();
    draw(context, loadBetween(before, before, request.rows), source);
    while (!signal.aborted) {
      await sleep(request.interval, undefined, { signal });
      const now = await source.look();
      draw(context, loadBetween(before, now, request.rows), source);
      before = now;
    }
  } catch (error: unknown) {
    if (!signal.aborted) throw error;
  } finally {
    process.removeListener("exit", leave);
    leave();
  }
  return ExitCode.OK;
}

function draw(context: CommandContext, load: BrokerLoad, source: Source): void {
  const size = context.stdout as { readonly columns?: number; readonly rows?: number };
  // Some say 0 where they do not know.
  const [columns, rows] = [size.columns || 80, size.rows || 24];
  const page = renderLoad(load, { source: source.name, missing: source.missing, columns });
  const lines = page.trimEnd().split("\n");
  context.stdout.write(HOME_AND_CLEAR + lines.slice(0, Math.max(rows - 1, 1)).join("\n"));
}

/** The metrics of the HTTP door, if it answers; else what the SDK knows. */
async function findSource(context: CommandContext, client: Client, settings: ResolvedSettings): Promise<Source> {
  const address = settings.http ?? (await guessedHttp(client));
  const url = `http://${address}/metrics/detail`;
  try {
    await fetchMetrics(url, context.signal);
    return {
      name: address,
      missing: null,
      look: async () => lookAtMetrics(await fetchMetrics(url, context.signal), Date.now()),
    };
  } catch (error: unknown) {
    if (context.signal.aborted) throw error;
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    const reason = cause instanceof Error ? cause.message : String(cause);
    return {
      name: settings.brokers.join(","),
      missing: `no metrics from ${url} (${reason}); name the HTTP door with -X http=host:port`,
      look: () => lookAtTopics(context, client),
    };
  }
}

async function guessedHttp(client: Client): Promise<string> {
  const { brokers } = await client.ready();
  const [first = { host: "127.0.0.1", port: 9192 }] = brokers;
  return `${first.host.includes(":") ? `[${first.host}]` : first.host}:${first.port + HTTP_PORT_ABOVE}`;
}

async function fetchMetrics(url: string, signal: AbortSignal): Promise<ReturnType<typeof parseMetrics>> {
  const response = await fetch(url, { signal: AbortSignal.any([signal, AbortSignal.timeout(HTTP_TIMEOUT_MS)]) });
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
  return parseMetrics(await response.text());
}

/** Sizes by topic; whose growth is what came in, as far as nothing was deleted meanwhile. */
async function lookAtTopics(context: CommandContext, client: Client): Promise<Look> {
  const topics = [];
  for await (const topic of client.admin.topics.list({ internal: true, signal: context.signal })) topics.push(topic);
  const logBytes = topics.reduce((sum, { bytes }) => sum + bytes, 0);
  const partitions = topics.reduce((sum, topic) => sum + topic.partitions, 0);
  return {
    atMs: Date.now(),
    recordsIn: null,
    bytesIn: logBytes,
    bytesOut: null,
    produceRequests: null,
    fetchRequests: null,
    failedRequests: null,
    cpuSeconds: null,
    loopDelays: null,
    gauges: { ...NO_GAUGES, partitions, logBytes },
    partitions: topics.map(({ name, bytes }) => ({ topic: name, partition: -1, endOffset: null, bytes })),
  };
}

const NO_GAUGES: Gauges = {
  version: null,
  startedAtMs: null,
  partitions: null,
  logBytes: null,
  diskFreeBytes: null,
  memoryBytes: null,
  connections: {},
  loopBusy: null,
};
