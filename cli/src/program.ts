/**
 * The command tree: names, flags, help. Nothing but commander and the parsers is loaded here; a command's own module (and
 * with it the SDK, gRPC, the broker) is imported when that command runs, so that `--help` stays fast.
 *
 * `launch` is handed in: it builds the context from the global flags and keeps the exit code.
 */
import { Argument, Command, InvalidArgumentError, Option } from "commander";
import type { CommandContext } from "./command-context.ts";
import type { ExitCode } from "./exit-codes.ts";
import { CliFailure } from "./failure.ts";
import { DEFAULT_BROKER, OUTPUT_FORMATS } from "./global-flags.ts";
import { parseDurationMs } from "./parse/duration.ts";
import { parsePartition, parsePartitions, parsePort, parseRate, parseWholeNumber } from "./parse/numbers.ts";
import { parsePair, parseTopicSpec } from "./parse/pairs.ts";
import { parseFrom, parseUntil } from "./parse/position.ts";
import { INPUT_FORMATS } from "./records/record-format.ts";
import type { ConsumeRequest } from "./commands/consume.ts";
import type { DevRequest } from "./commands/dev.ts";
import type { DumpSegmentRequest } from "./commands/logs.ts";
import type { ProduceRequest } from "./commands/produce.ts";
import type { ServerStartRequest } from "./commands/server.ts";
import type { CreateTopicsRequest, DeleteTopicsRequest, ListTopicsRequest } from "./commands/topics.ts";

export type CommandBody = (context: CommandContext) => Promise<ExitCode>;
export type Launch = (command: Command, body: CommandBody) => Promise<void>;

export const EXAMPLES = `Examples:
  tidemark dev                                             one broker on this machine, data in .tidemark
  tidemark topics create orders -p 6                       a topic with six partitions
  tidemark produce orders --file orders.txt                every line of a file is a record
  tidemark consume orders --from start --until end         all records, one a line
  tidemark consume a --from start --until end -o ndjson | tidemark produce b -f ndjson    a copy, to the byte
`;

export function createProgram(launch: Launch): Command {
  const program = new Command("tidemark")
    .description("A replicated, partitioned log broker: run it, fill it, read it, look inside.")
    .configureHelp({ showGlobalOptions: true })
    .helpCommand("help [command]", "explain a command")
    .addHelpText("after", `\n${EXAMPLES}`);
  addGlobalFlags(program);
  addDev(program, launch);
  addServer(program, launch);
  addTopics(program, launch);
  addProduce(program, launch);
  addConsume(program, launch);
  addLogs(program, launch);
  addSmallCommands(program, launch);
  return program;
}

function addGlobalFlags(program: Command): void {
  program
    .option("-b, --broker <list>", `brokers to ask first, host:port,... (TIDEMARK_BROKERS; ${DEFAULT_BROKER})`)
    .addOption(new Option("-o, --output <format>", "shape of the output").choices(OUTPUT_FORMATS))
    .option("-q, --quiet", "say nothing but errors on stderr")
    .option("-v, --verbose", "say more on stderr")
    .addOption(parsed("--timeout <duration>", "give up after, such as 10s", parseDurationMs))
    .option("--no-color", "no colours (also NO_COLOR)")
    .option("--no-headers", "tables without their first line")
    .option("-y, --yes", "do not ask before deleting");
}

function addDev(program: Command, launch: Launch): void {
  program
    .command("dev")
    .description("run a broker for development; Ctrl-C stops it cleanly")
    .addOption(
      parsed("--brokers <n>", "how many brokers", (text) => parseWholeNumber(text, { min: 1, max: 100 })).default(1),
    )
    .addOption(new Option("--memory", "keep everything in memory; gone at the end").conflicts("dataDir"))
    .option("--data-dir <dir>", "where the log lives (default: .tidemark)")
    .addOption(
      repeated(
        "--topic <name:partitions:replicas>",
        "create a topic that is not there yet; repeatable",
        parseTopicSpec,
      ),
    )
    .addOption(parsed("--grpc-port <port>", "gRPC door; 0 = any free one", parsePort).default(9192))
    .addOption(parsed("--http-port <port>", "HTTP door (health, metrics); 0 = any free one", parsePort).default(9292))
    .action((options: DevRequest, command: Command) =>
      launch(command, async (context) => (await import("./commands/dev.ts")).dev(context, options)),
    );
}

function addServer(program: Command, launch: Launch): void {
  const server = program.command("server").description("run a broker in production");
  server
    .command("start")
    .description("one broker from a configuration file, KAFKA_* and TIDEMARK_* environment, and --set")
    .option("--config <file>", "server.properties style file")
    .addOption(repeated("--set <key=value>", "one setting, above file and environment; repeatable", parsePair))
    .action((options: ServerStartRequest, command: Command) =>
      launch(command, async (context) => (await import("./commands/server.ts")).startServer(context, options)),
    );
}

function addTopics(program: Command, launch: Launch): void {
  const topics = program.command("topics").description("list, create, describe and delete topics");
  topics
    .command("list")
    .description("all topics")
    .option("--internal", "also the broker's own")
    .action((options: ListTopicsRequest, command: Command) =>
      launch(command, async (context) => (await import("./commands/topics.ts")).listTopics(context, options)),
    );
  topics
    .command("describe <topic...>")
    .description("partitions, leaders, offsets and settings")
    .action((names: string[], _options: unknown, command: Command) =>
      launch(command, async (context) => (await import("./commands/topics.ts")).describeTopics(context, { names })),
    );
  topics
    .command("create <topic...>")
    .description("create topics")
    .addOption(
      parsed("-p, --partitions <n>", "partitions of each (default: the broker's)", (text) =>
        parseWholeNumber(text, { min: 1 }),
      ),
    )
    .addOption(
      parsed("-r, --replicas <n>", "replicas of each (default: the broker's)", (text) =>
        parseWholeNumber(text, { min: 1, max: 32_767 }),
      ),
    )
    .addOption(repeated("-c, --config <key=value>", "a setting of the topic; repeatable", parsePair))
    .option("--if-not-exists", "one that exists already is no error")
    .option("--dry-run", "check, but create nothing")
    .action((names: string[], options: Omit<CreateTopicsRequest, "names">, command: Command) =>
      launch(command, async (context) =>
        (await import("./commands/topics.ts")).createTopics(context, { names, ...options }),
      ),
    );
  topics
    .command("delete <topic...>")
    .description("delete topics with all their records")
    .option("--if-exists", "one that does not exist is no error")
    .action((names: string[], options: Omit<DeleteTopicsRequest, "names">, command: Command) =>
      launch(command, async (context) =>
        (await import("./commands/topics.ts")).deleteTopics(context, { names, ...options }),
      ),
    );
}

function addProduce(program: Command, launch: Launch): void {
  program
    .command("produce <topic>")
    .description("write records from standard input or files")
    .addOption(
      new Option("-f, --format <format>", "what a record is: a line, a line of JSON, a whole input")
        .choices(INPUT_FORMATS)
        .default("lines"),
    )
    .option("-k, --key <key>", "key of every record")
    .addOption(repeated("-H, --header <name=value>", "header of every record; repeatable", parsePair))
    .addOption(parsed("-p, --partition <n>", "partition of every record (default: chosen by key)", parsePartition))
    .option("--key-separator <text>", "in a line, the key stands before the first of these")
    .addOption(
      new Option("--acks <acks>", "who must have it before it counts")
        .choices(["all", "leader", "none"])
        .default("all"),
    )
    .addOption(
      new Option("--compress <codec>", "compression of the batches")
        .choices(["none", "gzip", "snappy", "lz4", "zstd"])
        .default("none"),
    )
    .option("--tombstone", "records without a value: for -k KEY, or for every line as key")
    .addOption(parsed("--rate <n/s>", "no faster than this", parseRate))
    .addOption(repeated("--file <path>", "read from a file instead, `-` is standard input; repeatable", (path) => path))
    .option("--no-partition", "with ndjson: let the key choose, whatever the envelope says")
    .addHelpText("after", PRODUCE_HELP)
    .action((topic: string, options: Omit<ProduceRequest, "topic">, command: Command) =>
      launch(command, async (context) =>
        (await import("./commands/produce.ts")).produce(context, { topic, ...options }),
      ),
    );
}

const PRODUCE_HELP = `
A record in \`lines\` is what stands before an LF, as bytes: a CR stays, and a last line without LF is a record.
\`ndjson\` takes what \`consume -o ndjson\` writes: key, value, headers, timestamp and partition come back to the byte.
`;

function addConsume(program: Command, launch: Launch): void {
  program
    .command("consume <topic>")
    .description("read records; from the end and on, unless told otherwise")
    .addOption(
      parsed("--from <position>", "start, end, an offset N, the last -N of each partition, @TIME, @-5m", parseFrom),
    )
    .addOption(parsed("--until <position>", "end, an offset N (not read), or @TIME; else it goes on", parseUntil))
    .addOption(parsed("-n, --count <n>", "stop after this many records", (text) => parseWholeNumber(text, { min: 1 })))
    .addOption(parsed("-p, --partitions <list>", "only these partitions, such as 0,1", parsePartitions))
    .addHelpText("after", CONSUME_HELP)
    .action((topic: string, options: Omit<ConsumeRequest, "topic">, command: Command) =>
      launch(command, async (context) =>
        (await import("./commands/consume.ts")).consume(context, { topic, ...options }),
      ),
    );
}

const CONSUME_HELP = `
-o raw (the default) writes each value and an LF; ndjson and json write envelopes with key, headers, offset and time.
With --until and no --from it begins at the start. --timeout ends it with exit code 7 when nothing arrives for so long.
`;

function addLogs(program: Command, launch: Launch): void {
  const logs = program.command("logs").description("look inside the files of a data directory");
  logs
    .command("dump-segment <file...>")
    .description("the batches of segment files, as they lie on disk")
    .option("--records", "also each record")
    .option("--deep", "decompress batches to count and check their records")
    .option("--verify", "check every CRC; exit code 9 if one is wrong")
    .addOption(
      parsed("--offset <n>", "begin at the batch with this offset", (text) => parseWholeNumber(text, { min: 0 })),
    )
    .action((files: string[], options: Omit<DumpSegmentRequest, "files">, command: Command) =>
      launch(command, async (context) =>
        (await import("./commands/logs.ts")).dumpSegment(context, { files, ...options }),
      ),
    );
}

function addSmallCommands(program: Command, launch: Launch): void {
  program
    .command("explain")
    .addArgument(new Argument("[code]", "a code such as TIMEOUT, NOT_LEADER_OR_FOLLOWER or 6; none lists all"))
    .description("what an error code means and what to do")
    .action((code: string | undefined, _options: unknown, command: Command) =>
      launch(command, async (context) => (await import("./commands/explain.ts")).explain(context, { code })),
    );
  program
    .command("version")
    .description("versions of tidemark and of what it runs on")
    .action((_options: unknown, command: Command) =>
      launch(command, async (context) => (await import("./commands/version.ts")).version(context)),
    );
}

/** An option whose text is parsed; commander then names the option in front of what the parser says. */
function parsed<T>(flags: string, description: string, parse: (text: string) => T): Option {
  return new Option(flags, description).argParser((text: string) => asArgument(parse, text));
}

function repeated<T>(flags: string, description: string, parse: (text: string) => T): Option {
  return new Option(flags, description).argParser((text: string, before: readonly T[] | undefined) => [
    ...(before ?? []),
    asArgument(parse, text),
  ]);
}

function asArgument<T>(parse: (text: string) => T, text: string): T {
  try {
    return parse(text);
  } catch (error: unknown) {
    if (error instanceof CliFailure) throw new InvalidArgumentError(error.message);
    throw error;
  }
}
