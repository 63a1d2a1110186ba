/**
 * What a command gets from the process: streams, environment, the global flags, and the signal that asks it to stop.
 * A command touches the process through this alone, so tests run it with streams of their own.
 *
 * stdout carries data only; everything said to a person goes to stderr through `note` (silenced by -q) or `warn`.
 */
import type { Readable, Writable } from "node:stream";
import type { GlobalFlags } from "./global-flags.ts";

export type TerminalStream = Writable & { readonly isTTY?: boolean };

/** One line of the log file. */
export type Log = (level: "debug" | "info" | "warn" | "error", message: string, fields?: object) => void;

export interface CommandContext {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdin: Readable & { readonly isTTY?: boolean };
  readonly stdout: TerminalStream;
  readonly stderr: TerminalStream;
  readonly flags: GlobalFlags;
  /** --log-file: what is said on stderr, and what -vv would say. null: nobody asked for it. */
  readonly log: Log | null;
  /** Aborted by the first SIGINT or SIGTERM. A command then stops cleanly and soon. */
  readonly signal: AbortSignal;
}

/** A remark for people; -q silences it. */
export function note(context: CommandContext, text: string): void {
  context.log?.("info", text);
  if (!context.flags.isQuiet) context.stderr.write(`${text}\n`);
}

/** Something went wrong but the command goes on; never silenced. With -o json it is an object, as errors are. */
export function warn(context: CommandContext, text: string): void {
  context.log?.("warn", text);
  const asJson = isJson(context.flags);
  context.stderr.write(asJson ? `${JSON.stringify({ warning: text })}\n` : `warning: ${text}\n`);
}

/** Whether standard output is a terminal that a page can be drawn on; a dumb one gets what a pipe gets. */
export function canDraw({ stdout, env }: Pick<CommandContext, "stdout" | "env">): boolean {
  return stdout.isTTY === true && env["TERM"] !== "dumb";
}

/** The same of standard error and a line that is drawn again and again, such as a bar. */
export function canRedraw({ stderr, env }: Pick<CommandContext, "stderr" | "env">): boolean {
  return stderr.isTTY === true && env["TERM"] !== "dumb";
}

export function isJson(flags: GlobalFlags): boolean {
  return flags.output === "json" || flags.output === "ndjson";
}
