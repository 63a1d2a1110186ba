/** `topics`. */
import type { Command } from "commander";
import type { CreateTopicsRequest, DeleteTopicsRequest, ListTopicsRequest } from "../commands/topics.ts";
import { parseWholeNumber } from "../parse/numbers.ts";
import { parsePair } from "../parse/pairs.ts";
import { type Launch, parsed, repeated, withTraits } from "./options.ts";

export function addTopics(program: Command, launch: Launch): void {
  const topics = program.command("topics").description("list, create, describe and delete topics");
  withTraits(topics.command("list"), { isWatchable: true })
    .description("all topics")
    .option("--internal", "also the broker's own")
    .action((options: ListTopicsRequest, command: Command) =>
      launch(command, async (context) => (await import("../commands/topics.ts")).listTopics(context, options)),
    );
  withTraits(topics.command("describe <topic...>"), { isWatchable: true, argument: "topic" })
    .description("partitions, leaders, offsets and settings")
    .action((names: string[], _options: unknown, command: Command) =>
      launch(command, async (context) => (await import("../commands/topics.ts")).describeTopics(context, { names })),
    );
  withTraits(topics.command("create <topic...>"), { hasDryRun: true })
    .description("create topics")
    .addOption(
      parsed("-p, --partitions <n>", "partitions of each (default: the broker's)", (text) =>
        parseWholeNumber(text, { min: 1 }),
      ),
    )
    .addOption(
      parsed("-r, --replicas <n>", "replicas of each (default: the broker's)", (text) =>
        parseWholeNumber(text, { min: 1, max: 32_767 }),
      ),
    )
    .addOption(repeated("-c, --config <key=value>", "a setting of the topic; repeatable", parsePair))
    .option("--if-not-exists", "one that exists already is no error")
    .action((names: string[], options: Omit<CreateTopicsRequest, "names">, command: Command) =>
      launch(command, async (context) =>
        (await import("../commands/topics.ts")).createTopics(context, { names, ...options }),
      ),
    );
  withTraits(topics.command("delete <topic...>"), { hasDryRun: true, argument: "topic" })
    .description("delete topics with all their records")
    .option("--if-exists", "one that does not exist is no error")
    .action((names: string[], options: Omit<DeleteTopicsRequest, "names">, command: Command) =>
      launch(command, async (context) =>
        (await import("../commands/topics.ts")).deleteTopics(context, { names, ...options }),
      ),
    );
}
