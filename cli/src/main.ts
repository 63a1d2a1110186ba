/**
 * The process: parses the command line, runs one command, says how it ended. The only file that reads `process` and the
 * only one that ends it. Every failure, foreseen or not, leaves here as one coded message and one exit code.
 */
import { type Command, CommanderError } from "commander";
import pc from "picocolors";
import type { CommandContext } from "./command-context.ts";
import { ExitCode } from "./exit-codes.ts";
import { CliFailure, renderFailure, toFailure, usageFailure } from "./failure.ts";
import { type GlobalFlags, type OutputFormat, resolveBrokers } from "./global-flags.ts";
import { StdoutClosed } from "./output/chunk-writer.ts";
import { createProgram, EXAMPLES } from "./program.ts";
import { watchStopSignals } from "./signals.ts";

process.exitCode = await main(withVersionCommand(process.argv.slice(2)));
await drained(process.stdout);
await drained(process.stderr);
// Standard input may still be open, and nothing else may keep a finished command alive.
process.exit();

async function main(args: readonly string[]): Promise<ExitCode> {
  // A reader that went away shows as an error event of the stream; who writes much asks the ChunkWriter.
  process.stdout.on("error", () => undefined);
  process.stderr.on("error", () => undefined);

  const stop = watchStopSignals(process, () => performance.now());
  let exitCode: ExitCode = ExitCode.OK;
  const program = createProgram(async (command, body) => {
    exitCode = await body(createContext(readFlags(command), stop.signal));
  });
  quietCommander(program);

  if (args.length === 0) {
    process.stderr.write(`usage: tidemark COMMAND [flags]\n\n${EXAMPLES}\n\`tidemark --help\` lists all commands.\n`);
    return ExitCode.USAGE;
  }
  try {
    await program.parseAsync(args, { from: "user" });
    return stop.exitCode() ?? exitCode;
  } catch (error: unknown) {
    const signalCode = stop.exitCode();
    if (signalCode !== null && isAbort(error)) return signalCode;
    const failureCode = reportFailure(error, args);
    return signalCode ?? failureCode;
  }
}

/** What a command throws because it was told to stop. */
function isAbort(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return error.name === "AbortError" || ("code" in error && error.code === "ABORTED");
}

/** `tidemark --version`, which everybody tries first. */
function withVersionCommand(args: string[]): string[] {
  return args[0] === "--version" || args[0] === "-V" ? ["version", ...args.slice(1)] : args;
}

function createContext(flags: GlobalFlags, signal: AbortSignal): CommandContext {
  return { env: process.env, stdin: process.stdin, stdout: process.stdout, stderr: process.stderr, flags, signal };
}

interface RawGlobalFlags {
  readonly broker?: string;
  readonly output?: OutputFormat;
  readonly quiet?: boolean;
  readonly verbose?: boolean;
  readonly timeout?: number;
  readonly headers: boolean;
  readonly yes?: boolean;
}

function readFlags(command: Command): GlobalFlags {
  const raw = command.optsWithGlobals<RawGlobalFlags>();
  return {
    brokers: resolveBrokers(raw.broker, process.env),
    output: raw.output ?? null,
    hasHeaders: raw.headers,
    isQuiet: raw.quiet === true,
    isVerbose: raw.verbose === true,
    timeoutMs: raw.timeout ?? null,
    isYes: raw.yes === true,
  };
}

/** Commander reports through us: it throws instead of exiting, and its own error text is not printed. */
function quietCommander(command: Command): void {
  command.exitOverride().configureOutput({ writeErr: () => undefined });
  for (const child of command.commands) quietCommander(child);
}

function reportFailure(error: unknown, args: readonly string[]): ExitCode {
  if (error instanceof StdoutClosed) return ExitCode.OK;
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return ExitCode.OK;
    if (error.code === "commander.help") {
      process.stderr.write("error: USAGE: a sub-command is missing\nhint: add --help to see them\n");
      return ExitCode.USAGE;
    }
  }
  const failure = error instanceof CommanderError ? commanderFailure(error) : toFailure(error);
  const asJson = asksForJson(args);
  const isVerbose = args.includes("-v") || args.includes("--verbose");
  process.stderr.write(colored(renderFailure(failure, { asJson, verbose: isVerbose }), args));
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
function commanderFailure(error: CommanderError): CliFailure {
  const [first = "", ...rest] = error.message.split("\n");
  const suggestion = /Did you mean (?:one of )?(.+)\?/.exec(rest.join(" "))?.[1];
  const hint = suggestion === undefined ? "add --help to see what there is" : `did you mean ${suggestion}?`;
  return usageFailure(first.replace(/^error: /, ""), hint);
}

function colored(text: string, args: readonly string[]): string {
  if (args.includes("--no-color") || process.stderr.isTTY !== true || !pc.isColorSupported) return text;
  return text.replace(/^error:/, pc.red("error:")).replace(/^hint:/m, pc.yellow("hint:"));
}

/** Resolves when the stream has handed on what was written to it, or cannot any more. */
function drained(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    if (stream.destroyed || !stream.writable) resolve();
    else stream.write("", () => resolve());
  });
}
