/** `partitions`: where they are, where they are to be, and who leads them. */
import { Argument, type Command, Option } from "commander";
import type { ElectLeaderRequest, ListPartitionsRequest } from "../commands/partitions.ts";
import type { BalanceRequest, ReassignmentsRequest, ReassignRequest } from "../commands/reassign.ts";
import { parseBrokerIds } from "../parse/numbers.ts";
import { parseTopicPartition, type TopicPartitionName } from "../parse/topic-partition.ts";
import { parseTopics, rollbackOption, throttleOption, WAIT_FLAG } from "./move-options.ts";
import { asArgument, type Launch, parsed, withTraits } from "./options.ts";

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
  withTraits(partitions.command("verify [topic...]"), { argument: "topic" })
    .description("whether replicas hold the same, read by each broker from its disk; exit code 9 if not")
    .addHelpText("after", VERIFY_HELP)
    .action((named: string[], _options: unknown, command: Command) =>
      launch(command, async (context) =>
        (await import("../commands/partitions-verify.ts")).verifyPartitions(context, { named }),
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
  withTraits(partitions.command("reassign"), { hasDryRun: true })
    .description("move partitions to other brokers, while they are used")
    .option("--plan <file>", "where each goes, as Kafka's tool writes it; - is standard input")
    .addOption(new Option("--reassignment-json-file <file>", "--plan, as Kafka's tool calls it").hideHelp())
    .addOption(parsed("--topics <list>", "spread the partitions of these topics ...", parseTopics))
    .addOption(parsed("--brokers <list>", "... over these brokers, such as 1,2,3", parseBrokerIds))
    .addOption(throttleOption())
    .option(WAIT_FLAG, "return when all have moved, and take the throttle away")
    .addOption(rollbackOption())
    .addHelpText("after", REASSIGN_HELP)
    .action((options: ReassignRequest & { readonly reassignmentJsonFile?: string }, command: Command) =>
      launch(command, async (context) => {
        const { reassignmentJsonFile, ...own } = options;
        const plan = own.plan ?? reassignmentJsonFile;
        const request = { ...own, ...(plan === undefined ? {} : { plan }) };
        return (await import("../commands/reassign.ts")).reassignPartitions(context, request);
      }),
    );
  withTraits(partitions.command("reassignments"), {
    isWatchable: true,
    hasDryRun: true,
    argument: "partition",
  })
    .addArgument(
      new Argument("[topic:partition...]", "such as orders:0; none: all that move").argParser(
        (text: string, before: readonly TopicPartitionName[] | undefined) => [
          ...(before ?? []),
          asArgument(parseTopicPartition, text),
        ],
      ),
    )
    .description("moves under way, and how much each has copied")
    .option("--cancel", "take them back: the replicas are those from before again")
    .option(WAIT_FLAG, "return when they have ended, and take the throttle away")
    .addHelpText("after", REASSIGNMENTS_HELP)
    .action(
      (named: TopicPartitionName[] | undefined, options: Omit<ReassignmentsRequest, "partitions">, command: Command) =>
        launch(command, async (context) =>
          (await import("../commands/reassign.ts")).listReassignments(context, { partitions: named ?? [], ...options }),
        ),
    );
  withTraits(partitions.command("balance"), { hasDryRun: true })
    .description("give every broker as many replicas and leaders as the others, with few moves")
    .addOption(parsed("--topics <list>", "only the partitions of these", parseTopics))
    .addOption(throttleOption())
    .option(WAIT_FLAG, "return when all have moved, and take the throttle away")
    .addOption(rollbackOption())
    .addHelpText("after", BALANCE_HELP)
    .action((options: BalanceRequest, command: Command) =>
      launch(command, async (context) => (await import("../commands/reassign.ts")).balancePartitions(context, options)),
    );
}

const ELECT_HELP = `
preferred  the first replica of the assignment leads, if it is in sync; else PREFERRED_LEADER_NOT_AVAILABLE
unclean    a partition without a leader is led by the living replica with the longest log, a damaged one last. What that
           lacks is lost, so it asks, or needs --yes; ELIGIBLE_LEADERS_NOT_AVAILABLE: no replica lives
`;

const REASSIGN_HELP = `
--plan reads {"version":1,"partitions":[{"topic":"orders","partition":0,"replicas":[1,2,3]}]}, the preferred leader first; --dry-run
-o json writes one. A partition that is on its way already goes to the new place instead. Without --dry-run -o json is the way
back: the assignment from before, for --plan; --rollback keeps it in a file.

New replicas copy first, in the background; those that they replace leave when all are in sync. --throttle bounds what each broker
sends and takes for that, and must be above what is being written, or it never ends. Ctrl-C stops the waiting, not the moves.

Examples:
  tidemark partitions reassign --topics orders --brokers 2,3,4 --dry-run
  tidemark partitions reassign --topics orders --brokers 2,3,4 --dry-run -o json > plan.json
  tidemark partitions reassign --plan plan.json --throttle 50MB/s --rollback back.json --wait
  tidemark partitions reassignments --cancel                the ones that have not ended
  tidemark partitions reassign --plan back.json             the others back again
`;

const REASSIGNMENTS_HELP = `
COPIED is what the added replicas have on their disks, LEFT what they lack of the fullest other replica.

Examples:
  tidemark partitions reassignments --watch
  tidemark partitions reassignments --wait                  also takes a throttle away that was left behind
  tidemark partitions reassignments --cancel orders:0       that one alone
  tidemark partitions reassignments --cancel --dry-run
`;

const BALANCE_HELP = `
Counts replicas, racks kept apart; of those that could move, the ones that even out the bytes do. Then leaders, which moves no
data. Brokers that are down or drained are left alone. --dry-run -o json is a plan for \`partitions reassign --plan\`.

Examples:
  tidemark partitions balance --dry-run
  tidemark partitions balance --throttle 50MB/s --wait      after a broker was added
`;

const TROUBLES_HELP = `
leaderless        nobody can read or write it
leader-silent     its leader did not answer, or has its log not open
under-min-isr     fewer replicas in sync than min.insync.replicas: acks=all is refused
under-replicated  a replica is not in sync
damaged           bytes of a replica are bad; it is repaired from the others, where there are any
recovering        its leader may have lacked records when it was chosen, and has not recovered yet
`;

const VERIFY_HELP = `
Names topics, or partitions such as orders:0; none: every partition. Each broker checks its own bytes and digests them, batch by batch,
16 MiB at a time; the digests are compared. Verdicts: same; behind (the same as far as it goes); damaged, from OFFSET on, which its
broker repairs from the leader; different from the leader though whole; silent. Beside a stopped broker: \`tidemark logs verify DIR\`.
`;
