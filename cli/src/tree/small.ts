/** Commands of one verb that look: `explain`, `doctor`, `version`, `top`. */
import { Argument, type Command } from "commander";
import type { DoctorRequest } from "../commands/doctor.ts";
import type { TopRequest } from "../commands/top.ts";
import { parseIntervalMs } from "../parse/duration.ts";
import { parseWholeNumber } from "../parse/numbers.ts";
import { parsePair } from "../parse/pairs.ts";
import { type Launch, parsed, repeated, withTraits } from "./options.ts";

export function buildExplain(command: Command, launch: Launch): void {
  withTraits(command, { argument: "code" })
    .addArgument(new Argument("[code]", "a code such as TIMEOUT, NOT_LEADER_OR_FOLLOWER or 6; none lists all"))
    .action((code: string | undefined) =>
      launch(command, async (context) => (await import("../commands/explain.ts")).explain(context, { code })),
    );
}

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
