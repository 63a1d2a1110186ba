/**
 * The SDK for the time of one command: loaded when first needed, connected to the brokers of the global flags, closed
 * whatever happens. A broker that nobody reaches fails here, before any input is read, with exit code 6: soon where the
 * address refuses or does not exist, later where it is silent, and neither before a `--timeout` that was given.
 *
 * Of what the SDK logs, people are told that a topic was created by its first use, and once of each kind of trouble that
 * it tries to get over, which may take minutes; the rest with -v.
 */
import type { Client, Logger } from "@tidemark/client";
import { type CommandContext, isJson, note, warn } from "./command-context.ts";
import { CliFailure } from "./failure.ts";
import { plural } from "./output/units.ts";

/** How long a command waits for the first answer of any broker: one that refuses may just be starting. */
const REFUSED_PATIENCE_MS = 1_000;
const SILENT_PATIENCE_MS = 5_000;

export async function withClient<T>(context: CommandContext, use: (client: Client) => Promise<T>): Promise<T> {
  const { Client, BrokerError } = await import("@tidemark/client");
  const { brokers, timeoutMs } = context.flags;
  const client = new Client({ brokers, clientId: "tidemark-cli", logger: sdkLogger(context) });
  try {
    try {
      await firstAnswer(client, timeoutMs, context.signal);
    } catch (error: unknown) {
      const isSilence = BrokerError.is(error, "CONNECTION_LOST") || BrokerError.is(error, "TIMEOUT");
      throw isSilence && !context.signal.aborted ? unreachable(brokers, error) : error;
    }
    return await use(client);
  } finally {
    await client.close();
  }
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
  return new CliFailure("CONNECTION_LOST", `no broker answers at ${brokers.join(", ")}: ${cause.message}`, {
    hint: "start one with `tidemark dev`, or name yours with -b host:port",
    cause,
  });
}

function sdkLogger(context: CommandContext): Logger {
  const whenVerbose = (fields: object, message = ""): void => {
    if (context.flags.isVerbose) context.stderr.write(`${message} ${JSON.stringify(fields)}\n`);
  };
  const told = new Set<string>();
  const onceOrVerbose = (fields: object, message = ""): void => {
    if (context.flags.isVerbose) return whenVerbose(fields, message);
    if (context.flags.isQuiet || told.has(message)) return;
    told.add(message);
    const reason = String(Reflect.get(fields, "message")).replace(/\.$/, "");
    // A progress bar may stand on the line.
    if (context.stderr.isTTY === true) context.stderr.write("\r\u001b[K");
    warn(context, `${message}: ${reason}; trying again`);
  };
  return {
    debug: whenVerbose,
    info: (fields, message) => {
      const created = topicCreation(fields);
      if (created === null) whenVerbose(fields, message);
      else if (isJson(context.flags)) note(context, JSON.stringify({ event: "created", ...created }));
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
