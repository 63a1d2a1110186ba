/**
 * The SDK for the time of one command: loaded when first needed, connected to the brokers that settings/resolve.ts names, closed
 * whatever happens. A broker that nobody reaches fails here, before any input is read, with exit code 6: soon where the
 * address refuses or does not exist, later where it is silent, and neither before a `--timeout` that was given.
 *
 * Of what the SDK logs, people are told that a topic was created by its first use, and once of each kind of trouble that
 * it tries to get over, which may take minutes; the rest with -v.
 */
import type { Client, Logger } from "@tidemark/client";
import { canRedraw, type CommandContext, isJson, note, warn } from "./command-context.ts";
import { CliFailure, toFailure } from "./failure.ts";
import { plural } from "./output/units.ts";
import { type ResolvedSettings, resolveSettings } from "./settings/resolve.ts";

/** How long a command waits for the first answer of any broker: one that refuses may just be starting. */
const REFUSED_PATIENCE_MS = 1_000;
const SILENT_PATIENCE_MS = 5_000;
const HINT_TIMEOUT_MS = 5_000;

/** @param use gets the client, and what it runs with */
export async function withClient<T>(
  context: CommandContext,
  use: (client: Client, settings: ResolvedSettings) => Promise<T>,
): Promise<T> {
  const settings = await resolveSettings(context);
  const { Client, BrokerError } = await import("@tidemark/client");
  const { brokers } = settings;
  const client = new Client({ ...settings.client, brokers, logger: sdkLogger(context) });
  try {
    try {
      await firstAnswer(client, context.flags.timeoutMs, context.signal);
    } catch (error: unknown) {
      const isSilence = BrokerError.is(error, "CONNECTION_LOST") || BrokerError.is(error, "TIMEOUT");
      throw isSilence && !context.signal.aborted ? unreachable(brokers, error) : error;
    }
    return await use(client, settings);
  } catch (error: unknown) {
    throw await withTopicHint(client, error);
  } finally {
    await client.close();
  }
}

/** The limits of one admin call. */
export function callOptions(context: CommandContext): { signal: AbortSignal; timeout?: number } {
  return context.flags.timeoutMs === null
    ? { signal: context.signal }
    : { signal: context.signal, timeout: context.flags.timeoutMs };
}

/** A topic that is not there is often one that is spelled otherwise. */
async function withTopicHint(client: Client, error: unknown): Promise<unknown> {
  const failure = toFailure(error);
  const topic = failure.details?.["topic"];
  if (failure.code !== "UNKNOWN_TOPIC_OR_PARTITION" || typeof topic !== "string") return error;
  const { nearest } = await import("@tidemark/broker/config");
  const names: string[] = [];
  try {
    for await (const { name } of client.admin.topics.list({ timeout: HINT_TIMEOUT_MS })) names.push(name);
  } catch {
    return error;
  }
  const near = nearest(topic, names);
  if (near === null || near === topic) return error;
  const { code, message, exitCode, details } = failure;
  return new CliFailure(code, message, {
    hint: `did you mean ${near}?`,
    exitCode,
    details: { ...details, nearest: near },
    cause: error,
  });
}

async function firstAnswer(client: Client, timeoutMs: number | null, signal: AbortSignal): Promise<void> {
  const { BrokerError } = await import("@tidemark/client");
  try {
    await client.ready({ timeout: timeoutMs ?? REFUSED_PATIENCE_MS, signal });
  } catch (error: unknown) {
    if (timeoutMs !== null || !BrokerError.is(error, "TIMEOUT")) throw error;
    await client.ready({ timeout: SILENT_PATIENCE_MS - REFUSED_PATIENCE_MS, signal });
  }
}

/** For whoever waits for the first contact, a time-out and a refused connection are the same. */
function unreachable(brokers: readonly string[], cause: Error): CliFailure {
  const isOtherDoor = /protocol error/i.test(cause.message);
  return new CliFailure("CONNECTION_LOST", `no broker answers at ${brokers.join(", ")}: ${cause.message}`, {
    hint: isOtherDoor
      ? "is it the gRPC port of a broker (9192), and not its HTTP port (9292) or that between brokers (9392)?"
      : "start one with `tidemark dev`, or name yours with -b host:port",
    cause,
  });
}

/** Its warnings once for each error code, with -q too: a command that waits out a refusal says what for. */
export function sdkLogger(context: CommandContext): Logger {
  const say = (fields: object, message: string): void => {
    context.stderr.write(`${message} ${JSON.stringify(fields)}\n`);
  };
  const told = new Set<string>();
  const onceOrVerbose = (fields: object, message = ""): void => {
    context.log?.("warn", message, fields);
    if (context.flags.isVerbose) return say(fields, message);
    // Not by the reason: it may have addresses and times in it.
    const kind = `${message} ${String(Reflect.get(fields, "code") ?? "")}`;
    if (told.has(kind)) return;
    told.add(kind);
    const reason = String(Reflect.get(fields, "message")).replace(/\.$/, "");
    // A progress bar may stand on the line.
    if (canRedraw(context)) context.stderr.write("\r\u001b[K");
    // Another broker had the answer, or nobody has a better one.
    const isOver = ["silent-broker", "stale-metadata"].includes(String(Reflect.get(fields, "event")));
    warn(context, `${message}: ${reason}${isOver ? "" : "; trying again"}`);
  };
  return {
    debug: (fields, message = "") => {
      context.log?.("debug", message, fields);
      if (context.flags.isVeryVerbose) say(fields, message);
    },
    info: (fields, message = "") => {
      context.log?.("info", message, fields);
      const created = topicCreation(fields);
      if (created === null) {
        if (context.flags.isVerbose) say(fields, message);
        return;
      }
      // Every answer of a broker that is still making the topic may say so.
      const line = `created ${created.topic}`;
      if (told.has(line)) return;
      told.add(line);
      if (isJson(context.flags)) note(context, JSON.stringify({ event: "created", ...created }));
      else note(context, `created topic ${created.topic} (${plural(created.partitions, "partition")})`);
    },
    warn: onceOrVerbose,
    error: onceOrVerbose,
  };
}

function topicCreation(fields: object): { topic: string; partitions: number } | null {
  const event: unknown = Reflect.get(fields, "event");
  const topic: unknown = Reflect.get(fields, "topic");
  const partitions: unknown = Reflect.get(fields, "partitions");
  return event === "topic-created" && typeof topic === "string" && typeof partitions === "number"
    ? { topic, partitions }
    : null;
}
