/** `topics`. */
import { Argument, type Command } from "commander";
import type { CreateTopicsRequest, DeleteTopicsRequest, ListTopicsRequest } from "../commands/topics.ts";
import type {
  AddPartitionsRequest,
  AlterTopicsRequest,
  OffsetsRequest,
  TruncateRequest,
} from "../commands/topics-change.ts";
import { parsePartitionCount, parsePartitions, parseWholeNumber } from "../parse/numbers.ts";
import { parsePair } from "../parse/pairs.ts";
import { parseOffsetsAt, parseTruncateBefore } from "../parse/position.ts";
import { asArgument, type Launch, parsed, repeated, withTraits } from "./options.ts";

export function buildTopics(topics: Command, launch: Launch): void {
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
    .addOption(parsed("-r, --replicas <n>", "replicas of each (default: the broker's)", parseReplicas))
    .addOption(parsed("--replication-factor <n>", "--replicas, as Kafka's tools call it", parseReplicas).hideHelp())
    .addOption(
      repeated("-c, --config <key=value>", "a setting of the topic, such as retention.ms=7d; repeatable", parsePair),
    )
    .option("--if-not-exists", "one that exists already is no error")
    .action((names: string[], options: CreateOptions, command: Command) =>
      launch(command, async (context) => {
        const { replicationFactor, ...own } = options;
        const replicas = own.replicas ?? replicationFactor;
        const request = { names, ...own, ...(replicas === undefined ? {} : { replicas }) };
        return (await import("../commands/topics.ts")).createTopics(context, request);
      }),
    );
  withTraits(topics.command("delete <topic...>"), { hasDryRun: true, argument: "topic" })
    .description("delete topics with all their records")
    .option("--if-exists", "one that does not exist is no error")
    .action((names: string[], options: Omit<DeleteTopicsRequest, "names">, command: Command) =>
      launch(command, async (context) =>
        (await import("../commands/topics.ts")).deleteTopics(context, { names, ...options }),
      ),
    );
  withTraits(topics.command("alter <topic...>"), { hasDryRun: true, argument: "topic" })
    .description("change settings of topics")
    .addOption(repeated("-c, --config <key=value>", "set; sizes and times with units, as in 6MiB, 7d", parsePair))
    .addOption(repeated("--delete-config <key>", "back to the broker's default; repeatable", (key) => key))
    .action((names: string[], options: Omit<AlterTopicsRequest, "names">, command: Command) =>
      launch(command, async (context) =>
        (await import("../commands/topics-change.ts")).alterTopics(context, { names, ...options }),
      ),
    );
  withTraits(topics.command("add-partitions <topic>"), { hasDryRun: true, argument: "topic" })
    .addArgument(
      new Argument("<n>", "how many it has then, or +N more").argParser((text: string) =>
        asArgument(parsePartitionCount, text),
      ),
    )
    .description("give a topic more partitions; it never has fewer")
    .action((name: string, count: AddPartitionsRequest["count"], _options: unknown, command: Command) =>
      launch(command, async (context) =>
        (await import("../commands/topics-change.ts")).addPartitions(context, { name, count }),
      ),
    );
  withTraits(topics.command("offsets <topic...>"), { isWatchable: true, argument: "topic" })
    .description("first and last offsets, or the offsets of a time")
    .addOption(parsed("--at <position>", "earliest, latest, max-timestamp, @TIME, @-5m", parseOffsetsAt))
    .addOption(parsed("-p, --partitions <list>", "only these partitions, such as 0,1", parsePartitions))
    .action((names: string[], options: Omit<OffsetsRequest, "names">, command: Command) =>
      launch(command, async (context) =>
        (await import("../commands/topics-change.ts")).topicOffsets(context, { names, ...options }),
      ),
    );
  withTraits(topics.command("truncate <topic>"), { hasDryRun: true, argument: "topic" })
    .description("delete the oldest records")
    .addOption(
      parsed(
        "--before <position>",
        "first offset to keep, end (or -1) for all committed, @TIME",
        parseTruncateBefore,
      ).makeOptionMandatory(),
    )
    .addOption(parsed("-p, --partitions <list>", "only these partitions, such as 0,1 (default: all)", parsePartitions))
    .action((name: string, options: Omit<TruncateRequest, "name">, command: Command) =>
      launch(command, async (context) =>
        (await import("../commands/topics-change.ts")).truncateTopic(context, { name, ...options }),
      ),
    );
}

type CreateOptions = Omit<CreateTopicsRequest, "names"> & { readonly replicationFactor?: number };

function parseReplicas(text: string): number {
  return parseWholeNumber(text, { min: 1, max: 32_767 });
}
