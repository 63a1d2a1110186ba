/** What the files of the command tree share: parsed options, and the traits of a command. */
import { type Command, InvalidArgumentError, Option } from "commander";
import type { CommandContext } from "../command-context.ts";
import type { ExitCode } from "../exit-codes.ts";
import { CliFailure } from "../failure.ts";
import { type OutputFormat, ROW_OUTPUTS } from "../global-flags.ts";

export type CommandBody = (context: CommandContext) => Promise<ExitCode>;
/** Handed in by the process: builds the context from the global flags and keeps the exit code. */
export type Launch = (command: Command, body: CommandBody) => Promise<void>;

/** Gives a command what its summary does not say: arguments, flags, sub-commands, and what it does. */
export type Build = (command: Command, launch: Launch) => void;

/** What the global flags may ask of a command. Checked before it runs, so that a refusal has no effect. */
export interface Traits {
  readonly outputs: readonly OutputFormat[];
  /** --watch repeats it. */
  readonly isWatchable: boolean;
  /** It repeats itself, and decides when that is over. */
  readonly watchesItself: boolean;
  /** --dry-run shows what it would do. */
  readonly hasDryRun: boolean;
  /** What its arguments name, for completion: "topic" asks a broker. */
  readonly argument: ArgumentKind | null;
}

export type ArgumentKind = "topic" | "partition" | "broker" | "profile" | "resource" | "code" | ConfigKind;
/** Settings go by other names where they are not those of one topic: `retention.ms`, `log.retention.ms`. */
export type ConfigKind = "topic-key" | "broker-key";

const STANDARD: Traits = {
  outputs: ROW_OUTPUTS,
  isWatchable: false,
  watchesItself: false,
  hasDryRun: false,
  argument: null,
};
const traits = new WeakMap<Command, Traits>();

export function withTraits(command: Command, own: Partial<Traits>): Command {
  traits.set(command, { ...STANDARD, ...own });
  return command;
}

export function traitsOf(command: Command): Traits {
  return traits.get(command) ?? STANDARD;
}

const hidden = new WeakSet<Command>();

/** For machines: help and completion leave it out. */
export function hide(command: Command): void {
  hidden.add(command);
}

export function isHidden(command: Command): boolean {
  return hidden.has(command);
}

/** An option whose text is parsed; commander then names the option in front of what the parser says. */
export function parsed<T>(flags: string, description: string, parse: (text: string) => T): Option {
  return new Option(flags, description).argParser((text: string) => asArgument(parse, text));
}

export function repeated<T>(flags: string, description: string, parse: (text: string) => T): Option {
  return new Option(flags, description).argParser((text: string, before: readonly T[] | undefined) => [
    ...(before ?? []),
    asArgument(parse, text),
  ]);
}

export function asArgument<T>(parse: (text: string) => T, text: string): T {
  try {
    return parse(text);
  } catch (error: unknown) {
    if (!(error instanceof CliFailure)) throw error;
    // Commander has no place for a hint; main.ts finds it in the second line.
    throw new InvalidArgumentError(error.hint === null ? error.message : `${error.message}\nhint: ${error.hint}`);
  }
}
