/** `generate`: files that others read. */
import { type Command, Option } from "commander";
import { isIPv4 } from "node:net";
import type { ComposeRequest } from "../commands/generate.ts";
import { usageFailure } from "../failure.ts";
import { parsePort, parseWholeNumber } from "../parse/numbers.ts";
import { type Launch, parsed, withTraits } from "./options.ts";

const BROKERS_MAX = 100;

export function buildGenerate(generate: Command, launch: Launch): void {
  const compose = withTraits(generate.command("compose"), { outputs: ["table", "yaml"] })
    .description("a docker-compose.yml for a cluster of brokers on this machine")
    .addOption(parsed("--brokers <n>", "how many brokers (default: 3)", parseCount))
    .addOption(
      parsed("--image <name>", "an image that is there, or is pulled (default: tidemark:local, built)", parseWord),
    )
    .addOption(parsed("--build <dir>", "build the image there, as seen from the file (default: .)", parsePath))
    .addOption(
      parsed(
        "--host-address <address>",
        "where on this machine the doors are published (default: 127.0.0.1)",
        parseAddress,
      ),
    )
    .addOption(
      parsed(
        "--grpc-port <port>",
        "gRPC door of the first broker, the next port for the next (default: 9192)",
        parseDoor,
      ),
    )
    .addOption(parsed("--http-port <port>", "HTTP door (health, metrics), likewise (default: 9292)", parseDoor))
    .addOption(parsed("--out <file>", "write there, unless there is such a file (default: standard output)", parsePath))
    .option("--force", "with --out: replace the file")
    .addHelpText("after", COMPOSE_HELP)
    .action((options: ComposeRequest, command: Command) =>
      launch(command, async (context) => (await import("../commands/generate.ts")).generateCompose(context, options)),
    );
  // Known by name, so that whoever tries one is told.
  for (const flag of ["--tls", "--scram", "--console", "--grafana"])
    compose.addOption(new Option(flag, "not in this version").hideHelp());
}

function parseCount(text: string): number {
  return parseWholeNumber(text, { min: 1, max: BROKERS_MAX });
}

/** The same inside of the container and outside, and told to clients: it cannot be any free one. */
function parseDoor(text: string): number {
  if (text === "0") throw usageFailure("expected a port that is known beforehand, not 0");
  return parsePort(text);
}

function parseAddress(text: string): string {
  if (!isIPv4(text)) throw usageFailure("expected an IPv4 address of this machine, 127.0.0.1 or 0.0.0.0 for all");
  return text;
}

function parseWord(text: string): string {
  if (!/^\S+$/.test(text)) throw usageFailure("expected the name of an image, without spaces");
  return text;
}

function parsePath(text: string): string {
  // Control characters end comments and lines.
  if (!/^[^\p{Cc}]+$/u.test(text)) throw usageFailure("expected a path");
  return text;
}

const COMPOSE_HELP = `
tidemark generate compose --brokers 5 --out docker-compose.yml
tidemark generate compose --image registry.example/tidemark:1 --host-address 0.0.0.0

Every topic gets three replicas where there are three brokers, and acks=all waits for two of them. At most five brokers vote on the
cluster's metadata, and always an odd number; the others follow. docs/operations.md says how a cluster is run, and how it grows.
`;
