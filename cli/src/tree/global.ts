/** The global flags: their spelling, and what they were set to. */
import { type Command, Option } from "commander";
import { type GlobalFlags, type OutputFlag, type Pair, parseOutput, wantsColor } from "../global-flags.ts";
import { parseDurationMs, parseIntervalMs } from "../parse/duration.ts";
import { parsePair } from "../parse/pairs.ts";
import { DEFAULT_BROKER } from "../settings/default-broker.ts";
import { asArgument, parsed, repeated } from "./options.ts";

/** `--watch` without a time; main.ts puts it behind the bare flag, since commander would take the next word for it. */
export const WATCH_STANDARD = "2s";

export function addGlobalFlags(program: Command): void {
  program
    .option("-b, --broker <list>", `brokers to ask first, host:port,... (TIDEMARK_BROKERS; ${DEFAULT_BROKER})`)
    .addOption(new Option("--bootstrap-server <list>", "--broker, as Kafka's tools call it").hideHelp())
    .option("--profile <name>", "settings of this profile (TIDEMARK_PROFILE; `tidemark profile`)")
    .addOption(
      repeated("-X <key=value>", "a setting of the client, such as timeouts.request=5s; repeatable", parsePair),
    )
    .addOption(
      new Option(
        "-o, --output <format>",
        "table, wide, json, ndjson, yaml, csv, name, template='{name}'; records also raw",
      ).argParser((text: string) => asArgument(parseOutput, text)),
    )
    .addOption(parsed("--columns <list>", "these columns, in this order", parseNames))
    .option("--no-headers", "tables without their first line")
    .addOption(parsed("--watch <interval>", `look again every so often (bare: ${WATCH_STANDARD})`, parseIntervalMs))
    .option("-q, --quiet", "say nothing but errors on stderr")
    .option("-v, --verbose", "say more on stderr; -vv all", (_: unknown, before: number) => before + 1, 0)
    .addOption(parsed("--timeout <duration>", "give up after, such as 10s", parseDurationMs))
    .option("-y, --yes", "do not ask before deleting")
    .option("--dry-run", "check and show, but change nothing")
    .option("--no-color", "no colours (also NO_COLOR; FORCE_COLOR wants them)")
    .option("--log-file <file>", "append all that is said on stderr, and more, as JSON lines");
}

interface RawGlobalFlags {
  readonly broker?: string;
  readonly bootstrapServer?: string;
  readonly profile?: string;
  readonly X?: readonly Pair[];
  readonly output?: OutputFlag;
  readonly columns?: readonly string[];
  readonly headers: boolean;
  readonly watch?: number;
  readonly quiet?: boolean;
  readonly verbose: number;
  readonly timeout?: number;
  readonly yes?: boolean;
  readonly dryRun?: boolean;
  readonly color: boolean;
}

export function readFlags(
  command: Command,
  world: { readonly stdout: { readonly isTTY?: boolean }; readonly env: Readonly<Record<string, string | undefined>> },
): GlobalFlags {
  const raw = command.optsWithGlobals<RawGlobalFlags>();
  return {
    broker: raw.broker ?? raw.bootstrapServer ?? null,
    profile: raw.profile ?? null,
    settings: raw.X ?? [],
    output: raw.output?.format ?? null,
    template: raw.output?.template ?? "",
    columns: raw.columns ?? null,
    hasHeaders: raw.headers,
    isQuiet: raw.quiet === true,
    isVerbose: raw.verbose > 0,
    isVeryVerbose: raw.verbose > 1,
    hasColor: wantsColor(world.stdout, world.env, !raw.color),
    timeoutMs: raw.timeout ?? null,
    watchMs: raw.watch ?? null,
    isYes: raw.yes === true,
    isDryRun: raw.dryRun === true,
  };
}

function parseNames(text: string): string[] {
  return text
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "");
}
