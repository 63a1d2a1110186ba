/** `dev` and `server`: commands that run a broker in this process. */
import { type Command, Option } from "commander";
import type { DevRequest } from "../commands/dev.ts";
import type { ServerRunRequest, ServerStartRequest } from "../commands/server.ts";
import type { FormatRequest, PrintDefaultsRequest } from "../commands/server-tools.ts";
import { parsePort, parseWholeNumber } from "../parse/numbers.ts";
import { parsePair, parseTopicSpec } from "../parse/pairs.ts";
import { type Launch, parsed, repeated, withTraits } from "./options.ts";

export function buildDev(command: Command, launch: Launch): void {
  withTraits(command, { outputs: ["table", "json", "ndjson"] })
    .addOption(
      parsed("--brokers <n>", "how many brokers (default: those of the directory, 3 in a new one)", (text) =>
        parseWholeNumber(text, { min: 1, max: 100 }),
      ),
    )
    .addOption(new Option("--memory", "keep everything in memory; gone at the end").conflicts("dataDir"))
    .option("--data-dir <dir>", "where the logs live, in a directory for each broker (default: .tidemark)")
    .addOption(
      repeated(
        "--topic <name:partitions:replicas>",
        "create a topic that is not there yet; repeatable",
        parseTopicSpec,
      ),
    )
    .option(
      "--load <file>",
      "records as `consume -o ndjson` writes them, into those of their topics that have none yet",
    )
    .addOption(
      parsed(
        "--grpc-port <port>",
        "gRPC door of the first broker, the next port for the next; 0 = any free ones, for the other doors too",
        parsePort,
      ).default(9192),
    )
    .addOption(parsed("--http-port <port>", "HTTP door (health, metrics), likewise (default: 9292)", parsePort))
    .addOption(parsed("--peer-port <port>", "door between brokers, likewise (default: 9392)", parsePort))
    .action((options: DevRequest) =>
      launch(command, async (context) => (await import("../commands/dev.ts")).dev(context, options)),
    );
}

export function buildServer(server: Command, launch: Launch): void {
  withSettings(withTraits(server.command("start"), { outputs: ["table", "json", "ndjson"] }))
    .description("one broker from a configuration file, KAFKA_* and TIDEMARK_* environment, and --set")
    .addOption(new Option("--test-hooks", "does what tests ask for in TIDEMARK_FAILPOINTS").hideHelp())
    .action((options: ServerRunRequest, command: Command) =>
      launch(command, async (context) => (await import("../commands/server.ts")).startServer(context, options)),
    );
  withSettings(server.command("check-config"))
    .description("whether `server start` would take this configuration, and where each value comes from")
    .action((options: ServerStartRequest, command: Command) =>
      launch(command, async (context) => (await import("../commands/server-tools.ts")).checkConfig(context, options)),
    );
  withSettings(server.command("format"))
    .description("make the data directory this broker's, before its first start")
    .option("--cluster-id <id>", "what the cluster to be born there is called: 22 characters (default: by chance)")
    .option("--ignore-formatted", "one that is somebody's already is no error, and stays as it is")
    .action((options: FormatRequest, command: Command) =>
      launch(command, async (context) => (await import("../commands/server-tools.ts")).format(context, options)),
    );
  server
    .command("print-defaults")
    .description("a configuration file with every key, its default and what it does, all commented out")
    .option("--all", "also keys that are accepted without effect")
    .action((options: PrintDefaultsRequest, command: Command) =>
      launch(command, async (context) => (await import("../commands/server-tools.ts")).printDefaults(context, options)),
    );
}

/** Where a broker's configuration comes from besides the environment. */
function withSettings(command: Command): Command {
  return command
    .option("--config <file>", "server.properties style file")
    .addOption(repeated("--set <key=value>", "one setting, above file and environment; repeatable", parsePair));
}
