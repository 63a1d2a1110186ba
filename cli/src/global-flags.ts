/** The flags every command knows, parsed; see tree/global.ts for their spelling. */
import { CliFailure, usageFailure } from "./failure.ts";

/**
 * What a list can be printed as. `name` is its first column alone, `template` a text per row with the row's keys in braces.
 */
export const ROW_OUTPUTS = ["table", "wide", "json", "ndjson", "yaml", "csv", "name", "template"] as const;
export type RowOutput = (typeof ROW_OUTPUTS)[number];
/** `raw` is for records: the bytes as they are stored. */
export type OutputFormat = RowOutput | "raw";

export interface OutputFlag {
  readonly format: OutputFormat;
  /** Of `template=...`; empty with every other format. */
  readonly template: string;
}

export type Pair = readonly [name: string, value: string];

export interface GlobalFlags {
  /** -b as it was typed; where clients really go is settled by settings/resolve.ts. */
  readonly broker: string | null;
  readonly profile: string | null;
  /** -X, in the order typed. */
  readonly settings: readonly Pair[];
  /** What -o asked for; null: the command's own default. */
  readonly output: OutputFormat | null;
  readonly template: string;
  /** null: all that the format shows. */
  readonly columns: readonly string[] | null;
  readonly hasHeaders: boolean;
  readonly isQuiet: boolean;
  readonly isVerbose: boolean;
  /** -vv: all that the SDK has to say. */
  readonly isVeryVerbose: boolean;
  readonly hasColor: boolean;
  /** Of one request or wait; null: the command's own default. */
  readonly timeoutMs: number | null;
  /** Between two looks of a command that is repeated; null: it runs once. */
  readonly watchMs: number | null;
  readonly isYes: boolean;
  readonly isDryRun: boolean;
}

/** The format of a command that prints a table unless told otherwise. @throws CliFailure USAGE for `raw` */
export function outputFormat(flags: GlobalFlags): RowOutput {
  return requireOutput(flags, ROW_OUTPUTS, "table");
}

/** @throws CliFailure USAGE when -o asks for a format the command does not have. */
export function requireOutput<F extends OutputFormat>(flags: GlobalFlags, allowed: readonly F[], standard: F): F {
  if (flags.output === null) return standard;
  const format = allowed.find((candidate) => candidate === flags.output);
  if (format === undefined) throw outputRefusal(flags.output, allowed);
  return format;
}

export function outputRefusal(format: OutputFormat, allowed: readonly OutputFormat[]): CliFailure {
  return usageFailure(`-o ${format} is not an output of this command`, `it has ${allowed.join(", ")}`);
}

/** `table`, `json`, `template={name}: {bytes}`. @throws CliFailure USAGE */
export function parseOutput(text: string): OutputFlag {
  const [word, template] = cut(text, "=");
  const format = ([...ROW_OUTPUTS, "raw"] as const).find((candidate) => candidate === word);
  if (format === undefined || (template !== undefined && format !== "template")) {
    throw usageFailure(`expected table, wide, json, ndjson, yaml, csv, name, raw or template='{name}'`);
  }
  if (format === "template" && template === undefined) {
    throw usageFailure("a template needs its text, as in template='{name} {partitions}'");
  }
  return { format, template: template ?? "" };
}

/**
 * Whether text may be coloured: --no-color and NO_COLOR say no, FORCE_COLOR says yes where there is no terminal, and a
 * terminal that calls itself dumb gets none (https://no-color.org, https://force-color.org).
 */
export function wantsColor(
  stream: { readonly isTTY?: boolean },
  env: Readonly<Record<string, string | undefined>>,
  isRefused: boolean,
): boolean {
  const { NO_COLOR: no = "", FORCE_COLOR: force = "" } = env;
  if (isRefused || no !== "") return false;
  if (force !== "") return force !== "0" && force !== "false";
  return stream.isTTY === true && env["TERM"] !== "dumb";
}

function cut(text: string, separator: string): [string, string?] {
  const at = text.indexOf(separator);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + separator.length)];
}
