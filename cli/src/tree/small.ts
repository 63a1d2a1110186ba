/** Commands of one verb that look: `explain`, `doctor`, `version`, `top`. */
import { Argument, type Command, Option } from "commander";
import type { DoctorRequest } from "../commands/doctor.ts";
import type { BundleRequest } from "../commands/support.ts";
import type { PartitionQuestion } from "../commands/explain-partition.ts";
import type { TopRequest } from "../commands/top.ts";
import { parseIntervalMs } from "../parse/duration.ts";
import { parseWholeNumber } from "../parse/numbers.ts";
import { parsePair } from "../parse/pairs.ts";
import { parseTopicPartition, type TopicPartitionName } from "../parse/topic-partition.ts";
import { asArgument, type Launch, parsed, repeated, withTraits } from "./options.ts";

export function buildExplain(command: Command, launch: Launch): void {
  withTraits(command, { argument: "code" })
    .addArgument(new Argument("[code]", "a code such as TIMEOUT, NOT_LEADER_OR_FOLLOWER or 6; none lists all"))
    .addHelpText("after", EXPLAIN_HELP)
    .action((code: string | undefined) =>
      launch(command, async (context) => (await import("../commands/explain.ts")).explain(context, { code })),
    );
  const ask = (partition: TopicPartitionName, question: PartitionQuestion, asked: Command): Promise<void> =>
    launch(asked, async (context) =>
      (await import("../commands/explain-partition.ts")).explainPartition(context, partition, question),
    );
  withTraits(command.command("acked"), { isWatchable: true, argument: "partition" })
    .addArgument(partitionArgument())
    .addArgument(offsetArgument())
    .description("whether the record is on every replica in sync, and if not, who is waited for")
    .action((partition: TopicPartitionName, offset: number | undefined, _options: unknown, asked: Command) =>
      ask(partition, { kind: "acked", offset: offset ?? null }, asked),
    );
  withTraits(command.command("visible"), { isWatchable: true, argument: "partition" })
    .addArgument(partitionArgument())
    .addArgument(offsetArgument())
    .addOption(new Option("--isolation <level>", "for which readers").choices(ISOLATIONS).default("read_committed"))
    .description("whether readers are given the record, and if not, why")
    .action((partition: TopicPartitionName, offset: number | undefined, options: VisibleOptions, asked: Command) =>
      ask(partition, { kind: "visible", offset: offset ?? null, isolation: options.isolation }, asked),
    );
  withTraits(command.command("isr"), { isWatchable: true, argument: "partition" })
    .addArgument(partitionArgument())
    .description("who is in sync, why the others are not, and whom a partition without a leader waits for")
    .action((partition: TopicPartitionName, _options: unknown, asked: Command) =>
      ask(partition, { kind: "isr" }, asked),
    );
}

const ISOLATIONS = ["read_committed", "read_uncommitted"] as const;

interface VisibleOptions {
  readonly isolation: (typeof ISOLATIONS)[number];
}

function partitionArgument(): Argument {
  return new Argument("<topic:partition>", "such as orders:0").argParser((text: string) =>
    asArgument(parseTopicPartition, text),
  );
}

function offsetArgument(): Argument {
  const about = "of a record, as produce and consume tell it; without one the last record is meant";
  return new Argument("[offset]", about).argParser((text: string) =>
    asArgument((one) => parseWholeNumber(one, { min: 0 }), text),
  );
}

const EXPLAIN_HELP = `
The leader, the replicas and the controller are asked; who does not answer is named. The first line is the cause. Codes in -o json are
stable, and \`tidemark explain CODE\` knows them.

Examples:
  tidemark explain acked orders:0 1042      why a producer waits for its answer
  tidemark explain visible orders:0 1042    why a consumer does not get the record
  tidemark explain isr orders:0             why replicas are out of sync, since when
  tidemark explain NOT_ENOUGH_REPLICAS      what a code means
`;

export function buildDoctor(command: Command, launch: Launch): void {
  command
    .option("--client", "only the way to the brokers")
    .option("--server", "only this machine and the data directory")
    .option("--data-dir <dir>", "the data directory to look at (default: the configuration's, or .tidemark)")
    .option("--config <file>", "server.properties style file")
    .addOption(repeated("--set <key=value>", "one setting, above file and environment; repeatable", parsePair))
    .option("--topic <name>", "write a record there and read it back")
    .action((options: DoctorRequest) =>
      launch(command, async (context) => (await import("../commands/doctor.ts")).doctor(context, options)),
    );
}

export function buildSupport(support: Command, launch: Launch): void {
  withTraits(support.command("bundle"), { outputs: ["table"] })
    .description("what all brokers say of the cluster and of themselves, as JSON in a .tgz; no records, no passwords")
    .option(
      "--out <file>",
      "write there, unless there is such a file (default: tidemark-support-TIME.tgz; - is standard output)",
    )
    .option("--force", "replace the file")
    .option("--redact", "names of topics, hosts and racks become topic-1, host-1, rack-1; paths stay")
    .action((options: BundleRequest, command: Command) =>
      launch(command, async (context) => (await import("../commands/support.ts")).supportBundle(context, options)),
    );
}

export function buildVersion(command: Command, launch: Launch): void {
  command.action(() => launch(command, async (context) => (await import("../commands/version.ts")).version(context)));
}

export function buildTop(command: Command, launch: Launch): void {
  command
    .addOption(parsed("--interval <duration>", "between two looks", parseIntervalMs).default(1_000, "1s"))
    .addOption(
      parsed("--rows <n>", "how many partitions", (text) => parseWholeNumber(text, { min: 1, max: 1_000 })).default(10),
    )
    .addHelpText("after", TOP_HELP)
    .action((options: TopRequest) =>
      launch(command, async (context) => (await import("../commands/top.ts")).top(context, options)),
    );
}

const TOP_HELP = `
The numbers come from the HTTP doors of all brokers, 100 above their gRPC ports; -X http=host:port looks at one broker closely. Off
a terminal, and with -o, it is one snapshot over --interval.
`;
