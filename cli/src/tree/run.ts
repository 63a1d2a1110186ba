/** `dev` and `server`: commands that run a broker in this process. */
import { type Command, Option } from "commander";
import type { DevRequest } from "../commands/dev.ts";
import type { ServerStartRequest } from "../commands/server.ts";
import { parsePort, parseWholeNumber } from "../parse/numbers.ts";
import { parsePair, parseTopicSpec } from "../parse/pairs.ts";
import { type Launch, parsed, repeated, withTraits } from "./options.ts";

export function addDev(program: Command, launch: Launch): void {
  withTraits(program.command("dev"), { outputs: ["table", "json", "ndjson"] })
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
      launch(command, async (context) => (await import("../commands/dev.ts")).dev(context, options)),
    );
}

export function addServer(program: Command, launch: Launch): void {
  const server = program.command("server").description("run a broker in production");
  withTraits(server.command("start"), { outputs: ["table", "json", "ndjson"] })
    .description("one broker from a configuration file, KAFKA_* and TIDEMARK_* environment, and --set")
    .option("--config <file>", "server.properties style file")
    .addOption(repeated("--set <key=value>", "one setting, above file and environment; repeatable", parsePair))
    .action((options: ServerStartRequest, command: Command) =>
      launch(command, async (context) => (await import("../commands/server.ts")).startServer(context, options)),
    );
}
