/** `cluster`, `partitions`: what an operator looks at. */
import { Argument, type Command } from "commander";
import type { HealthRequest } from "../commands/cluster.ts";
import type { EventsRequest } from "../commands/events.ts";
import type { ElectLeaderRequest, ListPartitionsRequest } from "../commands/partitions.ts";
import { parseDurationMs } from "../parse/duration.ts";
import { parseWholeNumber } from "../parse/numbers.ts";
import { parseTopicPartition, type TopicPartitionName } from "../parse/topic-partition.ts";
import { asArgument, type Launch, parsed, withTraits } from "./options.ts";

export function buildCluster(cluster: Command, launch: Launch): void {
  withTraits(cluster.command("info"), { isWatchable: true })
    .description("which cluster this is, who decides, and the state of its brokers")
    .action((_options: unknown, command: Command) =>
      launch(command, async (context) => (await import("../commands/cluster.ts")).clusterInfo(context)),
    );
  withTraits(cluster.command("health"), { isWatchable: true, watchesItself: true })
    .description("what is wrong with the cluster, asked of every broker; exit code 9 if anything is")
    .option("--exit-when-healthy", "wait until nothing is wrong, at most --timeout")
    .addHelpText("after", HEALTH_HELP)
    .action((options: HealthRequest, command: Command) =>
      launch(command, async (context) => (await import("../commands/cluster.ts")).clusterHealth(context, options)),
    );
  withTraits(cluster.command("brokers"), { isWatchable: true })
    .description("every broker with its state, what it leads and hosts, and its version")
    .action((_options: unknown, command: Command) =>
      launch(command, async (context) => (await import("../commands/cluster.ts")).clusterBrokers(context)),
    );
  withTraits(cluster.command("events"), {})
    .description("what happened to brokers, leaders, ISRs, topics and settings, and why")
    .option("--follow", "go on with what happens")
    .addOption(parsed("--since <duration>", "what is not older, such as 10m", parseDurationMs))
    .addOption(
      parsed("--from <offset>", "from this metadata offset on", (text) => parseWholeNumber(text, { min: 0 })).conflicts(
        "since",
      ),
    )
    .addHelpText("after", EVENTS_HELP)
    .action((options: EventsRequest, command: Command) =>
      launch(command, async (context) => (await import("../commands/events.ts")).clusterEvents(context, options)),
    );
}

export function buildPartitions(partitions: Command, launch: Launch): void {
  withTraits(partitions.command("list [topic...]"), { isWatchable: true, argument: "topic" })
    .description("partitions of these topics, or of all")
    .option("--unhealthy", "only those with troubles, the broker's own topics among them")
    .option("--internal", "also those of the broker's own topics")
    .addHelpText("after", TROUBLES_HELP)
    .action((topics: string[], options: Omit<ListPartitionsRequest, "topics">, command: Command) =>
      launch(command, async (context) =>
        (await import("../commands/partitions.ts")).listPartitions(context, { topics, ...options }),
      ),
    );
  withTraits(partitions.command("describe"), { isWatchable: true, argument: "partition" })
    .addArgument(
      new Argument("<topic:partition...>", "such as orders:0").argParser(
        (text: string, before: readonly TopicPartitionName[] | undefined) => [
          ...(before ?? []),
          asArgument(parseTopicPartition, text),
        ],
      ),
    )
    .description("one partition closely: its leader, and each replica with its size and lag")
    .action((named: TopicPartitionName[], _options: unknown, command: Command) =>
      launch(command, async (context) =>
        (await import("../commands/partitions.ts")).describePartitions(context, { partitions: named }),
      ),
    );
  withTraits(partitions.command("elect-leader"), { hasDryRun: true, argument: "partition" })
    .addArgument(new Argument("<kind>", "who is to lead").choices(["preferred", "unclean"]))
    .addArgument(
      new Argument("[topic:partition...]", "such as orders:0; none: all of them").argParser(
        (text: string, before: readonly TopicPartitionName[] | undefined) => [
          ...(before ?? []),
          asArgument(parseTopicPartition, text),
        ],
      ),
    )
    .description("give leadership back to the preferred replicas, or to whoever lives where nobody leads")
    .addHelpText("after", ELECT_HELP)
    .action(
      (
        kind: ElectLeaderRequest["kind"],
        named: TopicPartitionName[] | undefined,
        _options: unknown,
        command: Command,
      ) =>
        launch(command, async (context) =>
          (await import("../commands/partitions.ts")).electLeader(context, { kind, partitions: named ?? [] }),
        ),
    );
}

const ELECT_HELP = `
preferred  the first replica of the assignment leads, if it is in sync; else PREFERRED_LEADER_NOT_AVAILABLE
unclean    a partition without a leader is led by the living replica with the longest log, a damaged one last. What that
           lacks is lost, so it asks, or needs --yes; ELIGIBLE_LEADERS_NOT_AVAILABLE: no replica lives
`;

const HEALTH_HELP = `
With --watch it goes on, healthy or not, also while no broker answers. --exit-when-healthy --timeout 60s is for scripts: 0 when
nothing is wrong any more, 7 when the time is over.
`;

const EVENTS_HELP = `
Without --since and --from all that the broker that answers still has: it keeps the last some thousand events since it started. With
--follow alone what happens from now on. Events come from the metadata log: OFFSET is their place in it, the same at every broker, and
--from OFFSET goes on there. TIME is by the clock of the controller. A gap is an event too: what happened there is not known any more.
`;

const TROUBLES_HELP = `
leaderless        nobody can read or write it
leader-silent     its leader did not answer, or has its log not open
under-min-isr     fewer replicas in sync than min.insync.replicas: acks=all is refused
under-replicated  a replica is not in sync
recovering        its leader may have lacked records when it was chosen, and has not recovered yet
`;
