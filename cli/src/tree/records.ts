/** `produce`, `consume` and `tail`. */
import { type Command, Option } from "commander";
import type { ConsumeRequest } from "../commands/consume.ts";
import type { ProduceRequest } from "../commands/produce.ts";
import { parsePartition, parsePartitions, parseRate, parseWholeNumber } from "../parse/numbers.ts";
import { parsePair } from "../parse/pairs.ts";
import { parseFrom, parseUntil } from "../parse/position.ts";
import { parseRegExp } from "../parse/regexp.ts";
import { parseWhere } from "../parse/where.ts";
import { INPUT_FORMATS } from "../records/record-format.ts";
import { type Launch, parsed, repeated, withTraits } from "./options.ts";

export function buildProduce(command: Command, launch: Launch): void {
  withTraits(command, { outputs: ["table", "json", "ndjson"], argument: "topic" })
    .argument("<topic>")
    .addOption(
      new Option("-f, --format <format>", "what a record is: a line, a line of JSON, a whole input")
        .choices(INPUT_FORMATS)
        .default("lines"),
    )
    .option("-k, --key <key>", "key of every record")
    .addOption(repeated("-H, --header <name=value>", "header of every record; repeatable", parsePair))
    .addOption(parsed("-p, --partition <n>", "partition of every record (default: chosen by key)", parsePartition))
    .option(
      "--key-separator <text>",
      "in a line, the key stands before the first of these; a line without one has no key, and is told of",
    )
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
    .option("--txn-id <id>", "all of it or nothing (a later version)")
    .option("--no-partition", "with ndjson: let the key choose, whatever the envelope says")
    .addHelpText("after", PRODUCE_HELP)
    .action((topic: string, options: Omit<ProduceRequest, "topic">) =>
      launch(command, async (context) =>
        (await import("../commands/produce.ts")).produce(context, { topic, ...options }),
      ),
    );
}

const PRODUCE_HELP = `
A record in \`lines\` is what stands before an LF, as bytes: a CR stays, and a last line without LF is a record.
\`ndjson\` takes what \`consume -o ndjson\` writes: key, value, headers, timestamp and partition come back to the byte.
`;

export function buildConsume(command: Command, launch: Launch): void {
  withTraits(command, { outputs: RECORD_OUTPUTS, argument: "topic" })
    .argument("<topic>")
    .addOption(
      parsed("--from <position>", "start, end, an offset N, the last -N of each partition, @TIME, @-5m", parseFrom),
    )
    .addOption(parsed("--until <position>", "end, an offset N (not read), or @TIME; else it goes on", parseUntil))
    .option("-g, --group <group>", "as a member of a consumer group (a later version)");
  addReadOptions(command)
    .addHelpText("after", CONSUME_HELP)
    .action((topic: string, options: Omit<ConsumeRequest, "topics" | "isPretty">) =>
      launch(command, async (context) =>
        (await import("../commands/consume.ts")).consume(context, { ...options, topics: [topic], isPretty: false }),
      ),
    );
}

export function buildTail(command: Command, launch: Launch): void {
  withTraits(command, { outputs: RECORD_OUTPUTS, argument: "topic" })
    .argument("<topic...>")
    .addOption(parsed("--from <position>", "begin earlier: start, the last -N, @TIME, @-5m", parseFrom));
  addReadOptions(command).action((topics: string[], options: Omit<ConsumeRequest, "topics" | "isPretty">) =>
    launch(command, async (context) =>
      (await import("../commands/consume.ts")).consume(context, { ...options, topics, isPretty: true }),
    ),
  );
}

const RECORD_OUTPUTS = ["raw", "json", "ndjson", "table", "template"] as const;

function addReadOptions(command: Command): Command {
  return command
    .addOption(parsed("-n, --count <n>", "stop after this many records", (text) => parseWholeNumber(text, { min: 1 })))
    .addOption(parsed("-p, --partitions <list>", "only these partitions, such as 0,1", parsePartitions))
    .addOption(parsed("--grep <regexp>", "only records whose value or key matches", parseRegExp))
    .addOption(
      parsed("--where <expr>", "only records for which it holds: value.amount > 100 && key == 'k'", parseWhere),
    );
}

const CONSUME_HELP = `
-o raw (the default) writes each value and an LF; ndjson and json write envelopes with key, headers, offset and time, table
a readable line, template='{partition}:{offset} {key}' what you say. With --until and no --from it begins at the start.
--timeout ends it with exit code 7 when nothing arrives for so long.

--where knows topic, partition, offset, timestamp, key, value and headers.NAME; value.a.b[0] reads the value as JSON. It has
== != < <= > >= =~ in && || ! and parentheses.
`;
