/**
 * One command line from its words to its exit code: parses, checks what the global flags ask of the command, runs it, says
 * how it ended. Every failure, foreseen or not, leaves here as one coded message. The process is handed in.
 */
import { type Command, CommanderError } from "commander";
import type { Writable } from "node:stream";
import pc from "picocolors";
import type { CommandContext, Log } from "./command-context.ts";
import { ExitCode } from "./exit-codes.ts";
import { CliFailure, renderFailure, toFailure, usageFailure } from "./failure.ts";
import { type GlobalFlags, outputRefusal, wantsColor } from "./global-flags.ts";
import { habitOfCommand, habitOfFlag, usageOf } from "./habits.ts";
import { StdoutClosed } from "./output/chunk-writer.ts";
import { openLog } from "./output/log-file.ts";
import { createProgram, EXAMPLES } from "./program.ts";
import type { StopSignals } from "./signals.ts";
import { readFlags, WATCH_STANDARD } from "./tree/global.ts";
import { isHidden, type Launch, type Traits, traitsOf } from "./tree/options.ts";

/** What is used of `process`, and how it is told to stop. */
export interface World {
  readonly env: CommandContext["env"];
  readonly stdin: CommandContext["stdin"];
  readonly stdout: CommandContext["stdout"];
  readonly stderr: CommandContext["stderr"];
  readonly stop: StopSignals;
}

/** @param given the words behind `tidemark` */
export async function runCli(given: readonly string[], world: World): Promise<ExitCode> {
  const args = withVersionCommand(given);
  const { stop } = world;
  let exitCode: ExitCode = ExitCode.OK;
  let log: Log | null = null;
  const launch: Launch = async (command, body) => {
    const context = createContext(command, world);
    log = context.log;
    checkTraits(context.flags, traitsOf(command));
    exitCode =
      context.flags.watchMs === null || traitsOf(command).watchesItself
        ? await body(context)
        : await (await import("./output/watch.ts")).watch(context, body);
  };
  const program = await createProgram(launch, args);
  quietCommander(program, world);

  if (args.length === 0) {
    world.stderr.write(`usage: tidemark COMMAND [flags]\n\n${EXAMPLES}\n\`tidemark --help\` lists all commands.\n`);
    return ExitCode.USAGE;
  }
  try {
    await program.parseAsync(withHelpFlag(program, withWatchInterval(args)), { from: "user" });
    return stop.exitCode() ?? exitCode;
  } catch (error: unknown) {
    const signalCode = stop.exitCode();
    if (signalCode !== null && isAbort(error)) return signalCode;
    const failureCode = reportFailure(error, { args, program, log, world });
    return signalCode ?? failureCode;
  }
}

/** What a command throws because it was told to stop. */
function isAbort(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return error.name === "AbortError" || ("code" in error && error.code === "ABORTED");
}

/** `tidemark --version`, which everybody tries first. */
function withVersionCommand(args: readonly string[]): readonly string[] {
  return args[0] === "--version" || args[0] === "-V" ? ["version", ...args.slice(1)] : args;
}

/** Commander would take the word behind a bare `--watch` for its time. */
function withWatchInterval(args: readonly string[]): string[] {
  const end = args.indexOf("--");
  return args.map((arg, slot) => (arg === "--watch" && (end < 0 || slot < end) ? `--watch=${WATCH_STANDARD}` : arg));
}

/**
 * `help topics list` and `topics help list` are `topics list --help`: Commander's own takes one word, and ends with the exit code that the
 * process has by then. Words that lead nowhere are left to be refused, without any flag: nothing is done where help was asked for.
 */
function withHelpFlag(program: Command, args: readonly string[]): readonly string[] {
  const at = args.indexOf("help");
  const path = args.slice(0, at);
  const above = commandAt(program, path);
  if (at < 0 || above === null || above.commands.length === 0) return args;
  const words = [...path, ...args.slice(at + 1).filter((word) => word !== "help" && !word.startsWith("-"))];
  return commandAt(program, words) === null ? words : [...words, "--help"];
}

/** The command that the words lead to, arguments behind it left aside. Null: they lead nowhere. */
function commandAt(program: Command, words: readonly string[]): Command | null {
  let command = program;
  for (const word of words) {
    if (command.commands.length === 0) return command;
    const child = command.commands.find((one) => namesOf(one).includes(word));
    if (child === undefined) return null;
    command = child;
  }
  return command;
}

function createContext(command: Command, { env, stdin, stdout, stderr, stop }: World): CommandContext {
  const { logFile } = command.optsWithGlobals<{ logFile?: string }>();
  return {
    env,
    stdin,
    stdout,
    stderr,
    flags: readFlags(command, { stdout, env }),
    log: logFile === undefined ? null : openLog(logFile),
    signal: stop.signal,
  };
}

/** What a global flag asks for and a command does not have is refused before the command has done anything. */
function checkTraits(flags: GlobalFlags, { outputs, isWatchable, hasDryRun }: Traits): void {
  if (flags.output !== null && !outputs.includes(flags.output)) throw outputRefusal(flags.output, outputs);
  if (flags.watchMs !== null && !isWatchable) throw usageFailure("--watch is for commands that list or describe");
  if (flags.isDryRun && !hasDryRun) throw usageFailure("this command has no --dry-run; nothing was done");
}

/** Commander reports through us: it throws instead of exiting, and its own error text is not printed. */
function quietCommander(command: Command, world: World): void {
  const writeOut = (text: string): void => void world.stdout.write(text);
  command.exitOverride().configureOutput({ writeErr: () => undefined, writeOut });
  for (const child of command.commands) quietCommander(child, world);
}

/** Standard output could not be written, and the command did not notice: what it had to say is not there. */
export function reportLostOutput(cause: NodeJS.ErrnoException, args: readonly string[], stderr: Writable): ExitCode {
  const reason = /^[A-Z0-9]+: ([^,]+)/.exec(cause.message)?.[1] ?? cause.message;
  const failure = new CliFailure(cause.code ?? "INTERNAL", `standard output could not be written: ${reason}`, {
    cause,
  });
  stderr.write(renderFailure(failure, { asJson: asksForJson(args), verbose: false }));
  return failure.exitCode;
}

/** Node has nothing left to wait for, and the command has not ended: whoever looks at the exit code shall know why. */
export function reportEarlyEnd(args: readonly string[], stderr: Writable): ExitCode {
  const failure = new CliFailure("INTERNAL", "the process had nothing left to wait for before the command had ended", {
    hint: "this is a defect of tidemark; report it with the last lines of the log",
  });
  stderr.write(renderFailure(failure, { asJson: asksForJson(args), verbose: false }));
  return failure.exitCode;
}

interface Attempt {
  readonly args: readonly string[];
  readonly program: Command;
  readonly log: Log | null;
  readonly world: World;
}

function reportFailure(error: unknown, { args, program, log, world }: Attempt): ExitCode {
  if (error instanceof StdoutClosed) return ExitCode.OK;
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return ExitCode.OK;
  }
  const failure = error instanceof CommanderError ? commanderFailure(error, program, args) : toFailure(error);
  const asJson = asksForJson(args);
  const isVerbose = args.some((arg) => /^(?:-v+|--verbose)$/.test(arg));
  log?.("error", failure.message, { code: failure.code });
  world.stderr.write(colored(renderFailure(failure, { asJson, verbose: isVerbose }), args, world));
  return failure.exitCode;
}

/** Read from the raw arguments: the failure may be that they could not be parsed. */
function asksForJson(args: readonly string[]): boolean {
  const formats = args.map((arg, slot) => {
    const before = args[slot - 1];
    return before === "-o" || before === "--output" ? arg : /^(?:-o|--output=)(.+)/.exec(arg)?.[1];
  });
  return formats.some((format) => format === "json" || format === "ndjson");
}

/** `error: unknown command 'prodce'` LF `(Did you mean produce?)` in our own form. */
function commanderFailure(error: CommanderError, program: Command, args: readonly string[]): CliFailure {
  if (error.code === "commander.help") {
    const parent = program.commands.find((command) => namesOf(command).some((name) => args.includes(name))) ?? program;
    const names = parent.commands.filter((command) => !isHidden(command)).map((command) => command.name());
    return usageFailure(`${parent.name()} needs a sub-command`, `it has ${names.join(", ")}`);
  }
  const [first = "", ...rest] = error.message.split("\n");
  const own = /^hint: (.+)$/.exec(rest.join(" "))?.[1];
  const suggestions = /Did you mean (?:one of )?(.+)\?/.exec(rest.join(" "))?.[1]?.split(", ") ?? [];
  const word = /'([^']+)'/.exec(first)?.[1] ?? "";
  const meant = suggestions.filter((one) => isSlipOf(word, one));
  const near = meant.length === 0 ? null : `did you mean ${meant.join(", ")}?`;
  const hint = own ?? habitOf(error, first, program, args) ?? near ?? "add --help to see what there is";
  return usageFailure(plainSentence(first), hint);
}

/** A short word that does not begin as the other is another word: half of its letters are wrong. */
function isSlipOf(word: string, meant: string): boolean {
  return word.length > SHORT_WORD || word.startsWith("-") || word[0] === meant[0];
}

const SHORT_WORD = 4;

/** What other tools call a thing is no slip of the fingers: it goes before what is merely spelled alike. */
function habitOf(error: CommanderError, message: string, program: Command, args: readonly string[]): string | null {
  const word = /'([^']+)'/.exec(message)?.[1] ?? "";
  if (error.code === "commander.unknownOption") return habitOfFlag(program, args, word.replace(/=.*$/, ""));
  if (error.code === "commander.unknownCommand") return habitOfCommand(program, args, word);
  return error.code === "commander.missingArgument" ? usageOf(program, args) : null;
}

function namesOf(command: Command): string[] {
  return [command.name(), ...command.aliases()];
}

/** Commander's "option '--from <p>' argument 'x' is invalid. expected ..." as one sentence. */
function plainSentence(message: string): string {
  return message
    .replace(/^error: /, "")
    .replace(/^option '(?:-\w, )?(-[-\w]+)[^']*' argument '(.*)' is invalid\. /s, "$1 $2: ")
    .replace(/^command-argument value '(.*)' is invalid for argument '([^']*)'\. /s, "$2 $1: ");
}

function colored(text: string, args: readonly string[], { stderr, env }: World): string {
  if (!wantsColor(stderr, env, args.includes("--no-color"))) return text;
  const { red, yellow } = pc.createColors(true);
  return text.replace(/^error:/, red("error:")).replace(/^hint:/m, yellow("hint:"));
}
