/** The flags every command knows, parsed; see program.ts for their spelling. */
import { usageFailure } from "./failure.ts";

export type OutputFormat = "table" | "json" | "ndjson" | "raw";
export const OUTPUT_FORMATS: readonly OutputFormat[] = ["table", "json", "ndjson", "raw"];

export interface GlobalFlags {
  /** `host:port` list of -b, else of TIDEMARK_BROKERS, else the default. */
  readonly brokers: readonly string[];
  /** What -o asked for; null: the command's own default. */
  readonly output: OutputFormat | null;
  readonly hasHeaders: boolean;
  readonly isQuiet: boolean;
  readonly isVerbose: boolean;
  /** Of one request or wait; null: the command's own default. */
  readonly timeoutMs: number | null;
  readonly isYes: boolean;
}

export const DEFAULT_BROKER = "127.0.0.1:9192";

/** The format of a command that prints a table unless told otherwise; what is a table at best has nothing rawer. */
export function outputFormat(flags: GlobalFlags): Exclude<OutputFormat, "raw"> {
  return flags.output === null || flags.output === "raw" ? "table" : flags.output;
}

/** @throws CliFailure USAGE when -o asks for a format the command does not have. */
export function requireOutput<F extends OutputFormat>(flags: GlobalFlags, allowed: readonly F[], standard: F): F {
  if (flags.output === null) return standard;
  const format = allowed.find((candidate) => candidate === flags.output);
  if (format === undefined)
    throw usageFailure(`-o ${flags.output} is not an output of this command`, `it has ${allowed.join(", ")}`);
  return format;
}

/** Precedence: flag, environment, default. Blank entries are dropped, so a trailing comma does no harm. */
export function resolveBrokers(flag: string | undefined, env: Readonly<Record<string, string | undefined>>): string[] {
  for (const text of [flag, env["TIDEMARK_BROKERS"]]) {
    const brokers = (text ?? "")
      .split(",")
      .map((part) => part.trim())
      .filter((part) => part !== "");
    if (brokers.length > 0) return brokers;
  }
  return [DEFAULT_BROKER];
}
