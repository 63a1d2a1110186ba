/**
 * `top`: what the brokers of a cluster do now, or the one whose HTTP door is named. On a terminal a page that is drawn anew until q or Ctrl-C, on a screen of its own that is taken
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
import { Page } from "../output/page.ts";
import { printRows } from "../output/rows.ts";
import { renderCluster, renderLoad } from "../output/top-view.ts";
import {
  type Gauges,
  hottestOfAll,
  loadBetween,
  lookAtMetrics,
  type Look,
  type SourceLoad,
} from "../records/broker-load.ts";
import { parseMetrics } from "../records/metrics-text.ts";
import type { ResolvedSettings } from "../settings/resolve.ts";

export interface TopRequest {
  readonly interval: number;
  readonly rows: number;
}

/** `dev` and the defaults of a server put the HTTP door 100 above the gRPC door. */
const HTTP_PORT_ABOVE = 100;
/** For a door that may not be there at all, and for one that is named. */
const HTTP_TIMEOUT_MS = { guessed: 2_000, named: 30_000 };

export async function top(context: CommandContext, request: TopRequest): Promise<ExitCode> {
  return withClient(context, async (client, settings) => {
    const sources = await findSources(context, client, settings);
    const isLive = canDraw(context) && context.flags.output === null;
    if (isLive) return drawUntilStopped(context, request, sources);
    for (const { missing } of sources) if (missing !== null) warn(context, missing);
    const first = await lookAt(sources);
    await sleep(request.interval, undefined, { signal: context.signal });
    print(context, request, loadsBetween(first, await lookAt(sources)));
    return ExitCode.OK;
  });
}

interface Source {
  /** Null: the one whose door was named, or nobody in particular. */
  readonly id: number | null;
  readonly name: string;
  /** Why some numbers are missing; null: none is. */
  readonly missing: string | null;
  look(): Promise<Look>;
}

/** One look at one broker; null: it did not answer this time. */
interface Sight {
  readonly source: Source;
  readonly look: Look | null;
}

async function lookAt(sources: readonly Source[]): Promise<Sight[]> {
  const [only] = sources;
  if (only !== undefined && sources.length === 1) return [{ source: only, look: await only.look() }];
  return Promise.all(sources.map(async (source) => ({ source, look: await source.look().catch(() => null) })));
}

function loadsBetween(before: readonly Sight[], now: readonly Sight[]): SourceLoad[] {
  return now.map(({ source, look }, slot) => {
    const then = before[slot]?.look ?? look;
    const load = then === null || look === null ? null : loadBetween(then, look, Number.POSITIVE_INFINITY);
    return { ...source, load };
  });
}

function print(context: CommandContext, { rows }: TopRequest, loads: readonly SourceLoad[]): void {
  const format = outputFormat(context.flags);
  const hottest = hottestOfAll(loads, rows);
  if (format === "table" || format === "wide")
    context.stdout.write(page(loads, { rows, columns: Number.POSITIVE_INFINITY, isLive: false }));
  else if (format === "csv" || format === "name") printRows(context, hottest, []);
  else {
    const known = loads.flatMap(({ id, name, load }) => {
      if (load === null) return [];
      return { broker: name, ...(id === null ? {} : { id }), ...load, hottest: load.hottest.slice(0, rows) };
    });
    printRows(context, known, []);
  }
}

function page(
  loads: readonly SourceLoad[],
  { rows, columns, isLive }: { readonly rows: number; readonly columns: number; readonly isLive: boolean },
): string {
  const [only] = loads;
  if (only === undefined || only.load === null || loads.length > 1) return renderCluster(loads, { rows, columns });
  const load = { ...only.load, hottest: only.load.hottest.slice(0, rows) };
  return renderLoad(load, { source: only.name, missing: isLive ? only.missing : null, columns });
}

async function drawUntilStopped(
  context: CommandContext,
  request: TopRequest,
  sources: readonly Source[],
): Promise<ExitCode> {
  const quit = new AbortController();
  const signal = AbortSignal.any([context.signal, quit.signal]);
  const screen = new Page(context, () => quit.abort());
  try {
    let before = await lookAt(sources);
    const draw = (loads: readonly SourceLoad[]): void =>
      screen.draw((columns) => page(loads, { rows: request.rows, columns, isLive: true }));
    draw(loadsBetween(before, before));
    while (!signal.aborted) {
      await sleep(request.interval, undefined, { signal });
      const now = await lookAt(sources);
      draw(loadsBetween(before, now));
      before = now;
    }
  } catch (error: unknown) {
    if (!signal.aborted) throw error;
  } finally {
    screen.leave();
  }
  return ExitCode.OK;
}

/** The metrics of every broker's HTTP door; of the one that is named; where none answers, what the SDK knows. */
async function findSources(context: CommandContext, client: Client, settings: ResolvedSettings): Promise<Source[]> {
  const { brokers } = await client.ready();
  if (settings.http === null && brokers.length > 1) {
    const sources = brokers.map(({ id, host, port }) => metricsOf(context, id, httpOf(host, port)));
    const sights = await lookAt(sources);
    if (sights.some(({ look }) => look !== null)) return sources;
  }
  const [first = { host: "127.0.0.1", port: 9192 }] = brokers;
  const source =
    settings.http === null
      ? metricsOf(context, null, httpOf(first.host, first.port))
      : metricsOf(context, null, settings.http, HTTP_TIMEOUT_MS.named);
  try {
    await source.look();
    return [source];
  } catch (error: unknown) {
    if (context.signal.aborted) throw error;
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    const reason = cause instanceof Error ? cause.message : String(cause);
    const missing = `no metrics from ${metricsUrl(source.name)} (${reason}); name the HTTP door with -X http=host:port`;
    return [{ id: null, name: settings.brokers.join(","), missing, look: () => lookAtTopics(context, client) }];
  }
}

function metricsOf(
  { signal }: CommandContext,
  id: number | null,
  address: string,
  timeoutMs = HTTP_TIMEOUT_MS.guessed,
): Source {
  const url = metricsUrl(address);
  const look = async (): Promise<Look> => {
    const limits = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
    return lookAtMetrics(await fetchMetrics(url, limits), Date.now());
  };
  return { id, name: address, missing: null, look };
}

function metricsUrl(address: string): string {
  return `http://${address}/metrics/detail`;
}

function httpOf(host: string, grpcPort: number): string {
  return `${host.includes(":") ? `[${host}]` : host}:${grpcPort + HTTP_PORT_ABOVE}`;
}

async function fetchMetrics(url: string, signal: AbortSignal): Promise<ReturnType<typeof parseMetrics>> {
  const response = await fetch(url, { signal });
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
  leaders: null,
  underReplicated: null,
  offlinePartitions: null,
  followerLags: {},
  logBytes: null,
  diskFreeBytes: null,
  memoryBytes: null,
  connections: {},
  loopBusy: null,
};
