/**
 * `consume T` and `tail T...`: records to standard output, as values (raw), envelopes (ndjson, json), lines for people (table)
 * or a template. Bytes are written as they are stored; many records make one write. It ends when what was asked for is
 * there, on a signal, or quietly when nobody reads the output any more.
 */
import type { Client, ReaderOptions, TopicDescription } from "@tidemark/client";
import { callOptions, withClient } from "../client-session.ts";
import type { CommandContext } from "../command-context.ts";
import { ExitCode } from "../exit-codes.ts";
import { CliFailure, toFailure } from "../failure.ts";
import { requireOutput } from "../global-flags.ts";
import { useNativeParts } from "../native-parts.ts";
import { ChunkWriter } from "../output/chunk-writer.ts";
import { Progress } from "../output/progress.ts";
import { createLineRenderer } from "../output/record-line.ts";
import { fillTemplate } from "../output/template.ts";
import { type FromPosition, resolveMoment, type UntilPosition } from "../parse/position.ts";
import type { Predicate } from "../parse/where.ts";
import { toEnvelope } from "../records/envelope.ts";
import { IdleWatchdog } from "../records/idle-watchdog.ts";
import { type ByteRecord, createFilter, type RecordFilter } from "../records/record-filter.ts";
import { resolveFrom } from "../records/start-offsets.ts";
import type { ResolvedSettings } from "../settings/resolve.ts";
import { noSuchPartition, requireTopicName } from "../topic-argument.ts";

export interface ConsumeRequest {
  readonly topics: readonly string[];
  readonly from?: FromPosition;
  readonly until?: UntilPosition;
  /** Records that are shown. */
  readonly count?: number;
  readonly partitions?: readonly number[];
  readonly grep?: RegExp;
  readonly where?: Predicate;
  readonly group?: string;
  /** tail: lines for people on a terminal. */
  readonly isPretty: boolean;
}

const EMPTY = Buffer.alloc(0);

export async function consume(context: CommandContext, request: ConsumeRequest): Promise<ExitCode> {
  for (const name of request.topics) requireTopicName(name);
  if (request.group !== undefined) {
    throw new CliFailure("UNSUPPORTED", "-g: consumer groups do not exist in this version", {
      hint: "leave -g out: --from start, -10 or @-5m says where to begin, and nothing is committed",
    });
  }
  const render = createRenderer(context, request);
  await useNativeParts();
  await withClient(context, async (client, settings) => {
    // At once where a topic is not there; the reader itself would wait for it.
    const topics: TopicDescription[] = [];
    for (const name of request.topics) topics.push(await client.admin.topics.describe(name, callOptions(context)));
    for (const topic of topics) refuseMissingPartition(topic, request.partitions);
    const run = new ConsumeRun(context, request, render);
    const state = (): ReturnType<ConsumeRun["progress"]> => run.progress(topics);
    // Over records that scroll by there is no place for a bar.
    const progress = new Progress(context, state, { isTyped: context.stdout.isTTY === true });
    try {
      await Promise.all(topics.map((topic) => run.read(client, settings, topic)));
      await run.end();
    } finally {
      progress.stop();
      run.stop();
    }
    run.watchdog.check(run.shown);
  });
  return ExitCode.OK;
}

/** One stop, one output and one count for all topics. */
class ConsumeRun {
  readonly watchdog: IdleWatchdog;
  readonly #request: ConsumeRequest;
  readonly #render: (record: ByteRecord) => Uint8Array;
  readonly #filter: RecordFilter | null;
  readonly #writer: ChunkWriter;
  #seen = 0;
  #bytes = 0;
  shown = 0;

  constructor(context: CommandContext, request: ConsumeRequest, render: (record: ByteRecord) => Uint8Array) {
    this.watchdog = new IdleWatchdog(context.flags.timeoutMs, context.signal);
    this.#request = request;
    this.#render = render;
    this.#filter = createFilter(request.grep, request.where);
    this.#writer = new ChunkWriter(context.stdout);
  }

  async read(client: Client, settings: ResolvedSettings, { name }: TopicDescription): Promise<void> {
    const { codecs, topic } = await import("@tidemark/client");
    const { watchdog } = this;
    const options = await this.#readerOptions(client, name);
    const reader = client.reader(topic(name, { key: codecs.bytes, value: codecs.bytes }), {
      ...settings.reader,
      ...options,
    });
    try {
      for await (const record of reader) {
        watchdog.onRecord();
        this.#seen += 1;
        if (this.#filter !== null && !this.#filter(record)) continue;
        this.shown += 1;
        const line = this.#render(record);
        this.#bytes += line.length;
        if (!this.#writer.appendLine(line)) await this.#writer.ready();
        if (this.shown === this.#request.count) watchdog.finish();
        if (watchdog.isFinished) break;
      }
    } catch (error: unknown) {
      if (!watchdog.signal.aborted) throw hinted(error);
    } finally {
      await reader.close();
    }
  }

  async end(): Promise<void> {
    await this.#writer.end();
  }

  stop(): void {
    this.watchdog.stop();
  }

  /** With an end in sight, how far it is. */
  progress(topics: readonly TopicDescription[]): {
    doneBytes: number;
    totalBytes: null;
    records: number;
    done: number;
    total: number | null;
  } {
    const { count, from, until, partitions } = this.#request;
    const isWhole = until?.kind === "end" && (from === undefined || from.kind === "start");
    const all = topics
      .flatMap((topic) => topic.detail)
      .filter(({ partition }) => partitions === undefined || partitions.includes(partition))
      .reduce((sum, { start, highWatermark }) => sum + highWatermark - start, 0);
    const isCounted = this.#filter === null && count !== undefined;
    const total = isCounted ? count : isWhole ? all : null;
    return { doneBytes: this.#bytes, totalBytes: null, records: this.#seen, done: this.#seen, total };
  }

  async #readerOptions(client: Client, topicName: string): Promise<ReaderOptions> {
    const { until, count, partitions } = this.#request;
    const from = this.#request.from ?? { kind: until === undefined ? "end" : "start" };
    const isLimited = count !== undefined && this.#filter === null && this.#request.topics.length === 1;
    return {
      partitions: partitions ?? "all",
      from: await resolveFrom(client, topicName, from, Date.now()),
      follow: until === undefined,
      signal: this.watchdog.signal,
      ...(until === undefined ? {} : { to: untilOf(until) }),
      ...(isLimited ? { limit: count } : {}),
    };
  }
}

function createRenderer(context: CommandContext, request: ConsumeRequest): (record: ByteRecord) => Uint8Array {
  const isTerminal = context.stdout.isTTY === true;
  const standard = request.isPretty && isTerminal ? "table" : "raw";
  const format = requireOutput(context.flags, ["raw", "json", "ndjson", "table", "template"], standard);
  switch (format) {
    case "raw":
      return (record) => record.value ?? EMPTY;
    case "table": {
      const line = createLineRenderer({ hasColor: context.flags.hasColor, hasTopic: request.topics.length > 1 });
      return (record) => Buffer.from(line(record));
    }
    case "template":
      return (record) => Buffer.from(fillTemplate(context.flags.template, toEnvelope(record)));
    case "json":
    case "ndjson": {
      const indent = format === "json" && isTerminal ? 2 : undefined;
      return (record) => Buffer.from(JSON.stringify(toEnvelope(record), null, indent));
    }
  }
}

/** Retention or DeleteRecords may overtake a slow reader, and an offset may be asked for that is not there. */
function hinted(error: unknown): unknown {
  const failure = toFailure(error);
  if (failure.code !== "OFFSET_OUT_OF_RANGE") return error;
  const { exitCode, message } = failure;
  const hint = "--from start begins with the oldest record that is still there, --from end with the next to come";
  return new CliFailure(failure.code, message, { hint, exitCode, details: failure.details ?? undefined, cause: error });
}

function refuseMissingPartition(topic: TopicDescription, wanted: readonly number[] | undefined): void {
  const missing = wanted?.find((partition) => partition >= topic.partitions);
  if (missing !== undefined) throw noSuchPartition(topic.name, topic.partitions, missing);
}

function untilOf(until: UntilPosition): "end" | number | Date {
  switch (until.kind) {
    case "end":
      return "end";
    case "offset":
      return until.offset;
    case "time":
      return resolveMoment(until.at, Date.now());
  }
}
