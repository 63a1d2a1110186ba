/**
 * `consume T`: records to standard output, as values (raw) or envelopes (ndjson, json). Bytes are written as they are
 * stored; many records make one write. It ends when what was asked for is there, on a signal, or quietly when nobody
 * reads the output any more.
 */
import type { ConsumerRecord, ReaderOptions } from "@tidemark/client";
import { withClient } from "../client-session.ts";
import type { CommandContext } from "../command-context.ts";
import { ExitCode } from "../exit-codes.ts";
import { CliFailure } from "../failure.ts";
import { requireOutput } from "../global-flags.ts";
import { useNativeParts } from "../native-parts.ts";
import { ChunkWriter } from "../output/chunk-writer.ts";
import { formatMs, plural } from "../output/units.ts";
import { type FromPosition, resolveMoment, type UntilPosition } from "../parse/position.ts";
import { toEnvelope } from "../records/envelope.ts";
import { resolveFrom } from "../records/start-offsets.ts";
import { requireTopicName } from "../topic-argument.ts";

export interface ConsumeRequest {
  readonly topic: string;
  readonly from?: FromPosition;
  readonly until?: UntilPosition;
  readonly count?: number;
  readonly partitions?: readonly number[];
}

type ByteRecord = ConsumerRecord<Uint8Array | null, Uint8Array | null>;

const EMPTY = Buffer.alloc(0);

export async function consume(context: CommandContext, request: ConsumeRequest): Promise<ExitCode> {
  const topicName = requireTopicName(request.topic);
  const render = createRenderer(context);
  await useNativeParts();
  await withClient(context, async (client) => {
    const { codecs, topic } = await import("@tidemark/client");
    const watchdog = new IdleWatchdog(context);
    const from = request.from ?? { kind: request.until === undefined ? "end" : "start" };
    const options: ReaderOptions = {
      partitions: request.partitions ?? "all",
      from: await resolveFrom(client, topicName, from, Date.now()),
      follow: request.until === undefined,
      signal: watchdog.signal,
      ...(request.until === undefined ? {} : { to: untilOf(request.until) }),
      ...(request.count === undefined ? {} : { limit: request.count }),
    };
    const reader = client.reader(topic(topicName, { key: codecs.bytes, value: codecs.bytes }), options);
    const writer = new ChunkWriter(context.stdout);
    try {
      for await (const record of reader) {
        watchdog.onRecord();
        if (!writer.appendLine(render(record))) await writer.ready();
      }
    } catch (error: unknown) {
      if (!watchdog.signal.aborted) throw error;
    } finally {
      watchdog.stop();
      await reader.close();
    }
    await writer.end();
    watchdog.check();
  });
  return ExitCode.OK;
}

function createRenderer(context: CommandContext): (record: ByteRecord) => Uint8Array {
  const format = requireOutput(context.flags, ["raw", "json", "ndjson"], "raw");
  if (format === "raw") return (record) => record.value ?? EMPTY;
  const indent = format === "json" && context.stdout.isTTY === true ? 2 : undefined;
  return (record) => Buffer.from(JSON.stringify(toEnvelope(record), null, indent));
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

/**
 * Stops a read to which nothing came for --timeout. Looks at a counter now and then, so that a record costs one
 * addition and no timer.
 */
class IdleWatchdog {
  readonly #stopper = new AbortController();
  readonly #timeoutMs: number | null;
  readonly #timer: NodeJS.Timeout | null = null;
  #count = 0;
  #countSeen = 0;
  #idleSinceMs = performance.now();
  #isFired = false;

  constructor(context: CommandContext) {
    this.#timeoutMs = context.flags.timeoutMs;
    context.signal.addEventListener("abort", () => this.#stopper.abort(context.signal.reason), { once: true });
    if (context.signal.aborted) this.#stopper.abort(context.signal.reason);
    if (this.#timeoutMs !== null) this.#timer = setInterval(() => this.#look(), Math.max(this.#timeoutMs / 10, 10));
  }

  get signal(): AbortSignal {
    return this.#stopper.signal;
  }

  onRecord(): void {
    this.#count += 1;
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
  }

  /** @throws CliFailure TIMEOUT when it was this that ended the read */
  check(): void {
    if (!this.#isFired) return;
    throw new CliFailure(
      "TIMEOUT",
      `nothing more arrived within ${formatMs(this.#timeoutMs ?? 0)}; ${plural(this.#count, "record")} read`,
      {
        details: { records: this.#count },
      },
    );
  }

  #look(): void {
    if (this.#count !== this.#countSeen) {
      this.#countSeen = this.#count;
      this.#idleSinceMs = performance.now();
    } else if (this.#timeoutMs !== null && performance.now() - this.#idleSinceMs >= this.#timeoutMs) {
      this.#isFired = true;
      this.#stopper.abort(new Error("nothing arrived"));
    }
  }
}
