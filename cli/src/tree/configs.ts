/** `configs`. */
import { Argument, type Command } from "commander";
import type { GetConfigsRequest } from "../commands/configs.ts";
import { parsePair } from "../parse/pairs.ts";
import { parseResource, type Resource } from "../parse/resource.ts";
import type { Pair } from "../global-flags.ts";
import { asArgument, type Launch, repeated, withTraits } from "./options.ts";

export function buildConfigs(configs: Command, launch: Launch): void {
  withTraits(configs.command("get"), { isWatchable: true, argument: "resource" })
    .addArgument(resource())
    .argument("[key...]", "only these")
    .description("values and where they come from; without --all those that are no default")
    .option("--all", "also what has its default")
    .addOption(repeated("--explain <key>", "every layer, the default, what it means; repeatable", (key) => key))
    .action((of: Resource, keys: string[], options: Omit<GetConfigsRequest, "resource" | "keys">, command: Command) =>
      launch(command, async (context) =>
        (await import("../commands/configs.ts")).getConfigs(context, { resource: of, keys, ...options }),
      ),
    );
  withTraits(configs.command("set"), { hasDryRun: true, argument: "resource" })
    .addArgument(resource())
    .addArgument(
      new Argument("<key=value...>", "sizes and times with units, as in 6MiB, 7d").argParser(
        (text: string, before: readonly Pair[] | undefined) => [...(before ?? []), asArgument(parsePair, text)],
      ),
    )
    .description("set values, all or none")
    .action((of: Resource, pairs: Pair[], _options: unknown, command: Command) =>
      launch(command, async (context) =>
        (await import("../commands/configs.ts")).setConfigs(context, { resource: of, pairs }),
      ),
    );
  withTraits(configs.command("delete"), { hasDryRun: true, argument: "resource" })
    .addArgument(resource())
    .argument("<key...>")
    .description("go back to what holds without them")
    .action((of: Resource, keys: string[], _options: unknown, command: Command) =>
      launch(command, async (context) =>
        (await import("../commands/configs.ts")).deleteConfigs(context, { resource: of, keys }),
      ),
    );
  withTraits(configs.command("diff"), { isWatchable: true, argument: "resource" })
    .addArgument(resource("<resource>"))
    .addArgument(resource("<other>"))
    .description("settings in which two differ")
    .action((left: Resource, right: Resource, _options: unknown, command: Command) =>
      launch(command, async (context) =>
        (await import("../commands/configs.ts")).diffConfigs(context, { left, right }),
      ),
    );
  withTraits(configs.command("edit"), { hasDryRun: true, argument: "resource" })
    .addArgument(resource())
    .description("open them in $EDITOR")
    .action((of: Resource, _options: unknown, command: Command) =>
      launch(command, async (context) =>
        (await import("../commands/configs.ts")).editConfigs(context, { resource: of }),
      ),
    );
}

function resource(name = "<resource>"): Argument {
  return new Argument(name, "topic/NAME, broker/ID or cluster").argParser((text: string) =>
    asArgument(parseResource, text),
  );
}
