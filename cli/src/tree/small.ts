/** Commands of one verb. */
import { Argument, type Command } from "commander";
import { parseIntervalMs } from "../parse/duration.ts";
import { parseWholeNumber } from "../parse/numbers.ts";
import { parsePair } from "../parse/pairs.ts";
import { SHELLS, type Shell } from "../commands/completion-scripts.ts";
import type { DoctorRequest } from "../commands/doctor.ts";
import type { TopRequest } from "../commands/top.ts";
import { hiddenCommand, type Launch, parsed, repeated, withTraits } from "./options.ts";

export function addSmallCommands(program: Command, launch: Launch): void {
  withTraits(program.command("explain"), { argument: "code" })
    .addArgument(new Argument("[code]", "a code such as TIMEOUT, NOT_LEADER_OR_FOLLOWER or 6; none lists all"))
    .description("what an error code means and what to do")
    .action((code: string | undefined, _options: unknown, command: Command) =>
      launch(command, async (context) => (await import("../commands/explain.ts")).explain(context, { code })),
    );
  program
    .command("doctor")
    .description(
      "what stands in the way of a client or a broker here: OK, WARN or FAIL with the fix; exit code 9 on FAIL",
    )
    .option("--client", "only the way to the brokers")
    .option("--server", "only this machine and the data directory")
    .option("--data-dir <dir>", "the data directory to look at (default: the configuration's, or .tidemark)")
    .option("--config <file>", "server.properties style file")
    .addOption(repeated("--set <key=value>", "one setting, above file and environment; repeatable", parsePair))
    .option("--topic <name>", "write a record there and read it back")
    .action((options: DoctorRequest, command: Command) =>
      launch(command, async (context) => (await import("../commands/doctor.ts")).doctor(context, options)),
    );
  program
    .command("version")
    .description("versions of tidemark and of what it runs on")
    .action((_options: unknown, command: Command) =>
      launch(command, async (context) => (await import("../commands/version.ts")).version(context)),
    );
  program
    .command("top")
    .description("what a broker does now: traffic, hottest partitions, connections; Ctrl-C ends")
    .addOption(parsed("--interval <duration>", "between two looks", parseIntervalMs).default(1_000, "1s"))
    .addOption(
      parsed("--rows <n>", "how many partitions", (text) => parseWholeNumber(text, { min: 1, max: 1_000 })).default(10),
    )
    .addHelpText("after", TOP_HELP)
    .action((options: TopRequest, command: Command) =>
      launch(command, async (context) => (await import("../commands/top.ts")).top(context, options)),
    );
  withTraits(program.command("completion"), { outputs: ["table"] })
    .addArgument(new Argument("<shell>").choices(SHELLS))
    .description("what a shell reads to complete tidemark at Tab")
    .addHelpText("after", COMPLETION_HELP)
    .action((shell: Shell, _options: unknown, command: Command) =>
      launch(command, async (context) => (await import("../commands/completion.ts")).completion(context, { shell })),
    );
  hiddenCommand(program, "__complete")
    .argument("[word...]")
    .action((words: string[], _options: unknown, command: Command) =>
      launch(command, async (context) =>
        (await import("../commands/completion.ts")).answerCompletion(context, { program, words }),
      ),
    );
}

const TOP_HELP = `
The numbers come from the HTTP door, 100 above the gRPC port unless -X http=host:port or a profile says otherwise. Off a
terminal, and with -o, it is one snapshot over --interval.
`;

const COMPLETION_HELP = `
bash        source <(tidemark completion bash)                               in ~/.bashrc
zsh         source <(tidemark completion zsh)                                in ~/.zshrc, below compinit
fish        tidemark completion fish | source                                in ~/.config/fish/config.fish
powershell  tidemark completion powershell | Out-String | Invoke-Expression  in $PROFILE

Names of topics come from the broker, within half a second or not at all; TIDEMARK_COMPLETE_TOPICS=off asks
none, =2s has more patience.
`;
