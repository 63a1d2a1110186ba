/** Commands of one verb. */
import { Argument, type Command } from "commander";
import { type Launch, withTraits } from "./options.ts";

export function addSmallCommands(program: Command, launch: Launch): void {
  withTraits(program.command("explain"), { argument: "code" })
    .addArgument(new Argument("[code]", "a code such as TIMEOUT, NOT_LEADER_OR_FOLLOWER or 6; none lists all"))
    .description("what an error code means and what to do")
    .action((code: string | undefined, _options: unknown, command: Command) =>
      launch(command, async (context) => (await import("../commands/explain.ts")).explain(context, { code })),
    );
  program
    .command("version")
    .description("versions of tidemark and of what it runs on")
    .action((_options: unknown, command: Command) =>
      launch(command, async (context) => (await import("../commands/version.ts")).version(context)),
    );
}
