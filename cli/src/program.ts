/**
 * The command tree: names, flags, help. A line of the table is all that is known of a command until its name stands in the
 * command line; then the module that describes it is loaded and builds its part of the tree. What it does (and with it the
 * SDK, gRPC, the broker) is imported when it runs, so that `--help`, completion and starts stay fast.
 */
import { Command, Help } from "commander";
import { addGlobalFlags } from "./tree/global.ts";
import { type Build, hide, type Launch } from "./tree/options.ts";

export const EXAMPLES = `Examples:
  tidemark dev                                    three brokers, data in .tidemark
  tidemark topics create orders -p 6              a topic with six partitions
  tidemark produce orders --file orders.txt       every line is a record
  tidemark consume orders --from start            all records, and on
  tidemark consume a --until end -o ndjson | tidemark produce b -f ndjson
`;

interface CommandEntry {
  readonly name: string;
  readonly alias?: string;
  /** What stands behind the name in the list of commands; a test holds it against what the command takes. */
  readonly takes?: string;
  readonly summary: string;
  /** For machines: not in help. */
  readonly isHidden?: boolean;
  readonly load: () => Promise<Build>;
}

/** In the order of help. */
const COMMANDS: readonly CommandEntry[] = [
  {
    name: "dev",
    takes: "[options]",
    summary: "run brokers for development; Ctrl-C stops them cleanly",
    load: async () => (await import("./tree/run.ts")).buildDev,
  },
  {
    name: "server",
    summary: "run a broker in production",
    load: async () => (await import("./tree/run.ts")).buildServer,
  },
  {
    name: "topics",
    summary: "what topics there are; make, change and delete them",
    load: async () => (await import("./tree/topics.ts")).buildTopics,
  },
  {
    name: "configs",
    summary: "settings of topics, brokers and the cluster",
    load: async () => (await import("./tree/configs.ts")).buildConfigs,
  },
  {
    name: "partitions",
    summary: "where partitions are, what is wrong with them, and moving them",
    load: async () => (await import("./tree/partitions.ts")).buildPartitions,
  },
  {
    name: "cluster",
    summary: "the cluster, its health, its brokers; emptying and removing one",
    load: async () => (await import("./tree/cluster.ts")).buildCluster,
  },
  {
    name: "raft",
    summary: "the replicated log of the cluster's metadata",
    load: async () => (await import("./tree/raft.ts")).buildRaft,
  },
  {
    name: "produce",
    takes: "[options] <topic>",
    summary: "write records from standard input or files",
    load: async () => (await import("./tree/records.ts")).buildProduce,
  },
  {
    name: "consume",
    takes: "[options] <topic>",
    summary: "read records; from the end and on, unless told otherwise",
    load: async () => (await import("./tree/records.ts")).buildConsume,
  },
  {
    name: "tail",
    takes: "[options] <topic...>",
    summary: "watch topics: consume from the end, one readable line a record on a terminal",
    load: async () => (await import("./tree/records.ts")).buildTail,
  },
  {
    name: "logs",
    summary: "look inside the files of a data directory",
    load: async () => (await import("./tree/logs.ts")).buildLogs,
  },
  {
    name: "generate",
    summary: "files for Docker Compose, systemd, Prometheus and Grafana",
    load: async () => (await import("./tree/generate.ts")).buildGenerate,
  },
  {
    name: "profile",
    alias: "ctx",
    summary: "named settings of the client",
    load: async () => (await import("./tree/profile.ts")).buildProfile,
  },
  {
    name: "explain",
    takes: "[code]",
    summary: "why a record is not acknowledged or visible, why replicas are not in sync; what a code means",
    load: async () => (await import("./tree/small.ts")).buildExplain,
  },
  {
    name: "doctor",
    takes: "[options]",
    summary: "what stands in the way of a client or a broker here: OK, WARN or FAIL with the fix; exit code 9 on FAIL",
    load: async () => (await import("./tree/small.ts")).buildDoctor,
  },
  {
    name: "support",
    summary: "what somebody from afar needs to find out what is wrong, in one file",
    load: async () => (await import("./tree/small.ts")).buildSupport,
  },
  {
    name: "version",
    summary: "versions of tidemark and of what it runs on",
    load: async () => (await import("./tree/small.ts")).buildVersion,
  },
  {
    name: "top",
    takes: "[options]",
    summary: "what the brokers do now: traffic, hottest partitions; q or Ctrl-C ends",
    load: async () => (await import("./tree/small.ts")).buildTop,
  },
  {
    name: "completion",
    takes: "<shell>",
    summary: "what a shell reads to complete tidemark at Tab",
    load: async () => (await import("./tree/shell.ts")).buildCompletion,
  },
  {
    name: "__complete",
    takes: "[word...]",
    summary: "",
    isHidden: true,
    load: async () => (await import("./tree/shell.ts")).buildComplete,
  },
];

/** For those who want the whole tree. */
export const COMMAND_NAMES: readonly string[] = COMMANDS.map(({ name }) => name);

/**
 * @param words the command line. A command whose name is among them is built, the others are but listed: commander alone
 * knows which of the words is a command, and one that is a topic's name costs a module.
 */
export async function createProgram(launch: Launch, words: readonly string[]): Promise<Command> {
  const terms = new Map<Command, string>();
  const program = new Command("tidemark")
    .description("A replicated, partitioned log broker: run it, fill it, read it, look inside.")
    .configureHelp({
      showGlobalOptions: true,
      subcommandTerm: (command) => terms.get(command) ?? new Help().subcommandTerm(command),
    })
    .helpCommand("help [command]", "explain a command")
    .addHelpText("after", `\n${EXAMPLES}`);
  addGlobalFlags(program);
  for (const { name, alias, takes, summary, isHidden, load } of COMMANDS) {
    const command = program.command(name, { hidden: isHidden === true }).description(summary);
    if (alias !== undefined) command.alias(alias);
    if (isHidden === true) hide(command);
    const names = [name, ...command.aliases()];
    terms.set(command, [names.join("|"), ...(takes === undefined ? [] : [takes])].join(" "));
    if (names.some((one) => words.includes(one))) (await load())(command, launch);
  }
  return program;
}
