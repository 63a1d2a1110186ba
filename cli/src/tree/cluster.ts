/** `cluster`: what an operator looks at, and brokers that come and go. */
import { Argument, type Command } from "commander";
import type { HealthRequest } from "../commands/cluster.ts";
import type { DrainRequest } from "../commands/cluster-members.ts";
import type { EventsRequest } from "../commands/events.ts";
import { parseDurationMs } from "../parse/duration.ts";
import { parseBrokerId, parseWholeNumber } from "../parse/numbers.ts";
import { rollbackOption, throttleOption, WAIT_FLAG } from "./move-options.ts";
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
  withTraits(cluster.command("features"), { isWatchable: true })
    .description("which versions of formats and protocols the brokers know, and use with each other")
    .addHelpText("after", FEATURES_HELP)
    .action((_options: unknown, command: Command) =>
      launch(command, async (context) => (await import("../commands/cluster.ts")).clusterFeatures(context)),
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
  withTraits(cluster.command("drain"), { hasDryRun: true, argument: "broker" })
    .addArgument(brokerArgument())
    .description("empty a broker: its replicas move to the others, and it gets no new ones")
    .addOption(throttleOption())
    .option(WAIT_FLAG, "return when it has no replica any more")
    .addOption(rollbackOption())
    .addHelpText("after", DRAIN_HELP)
    .action((broker: number, options: Omit<DrainRequest, "broker">, command: Command) =>
      launch(command, async (context) =>
        (await import("../commands/cluster-members.ts")).drainBroker(context, { broker, ...options }),
      ),
    );
  withTraits(cluster.command("undrain"), { hasDryRun: true, argument: "broker" })
    .addArgument(brokerArgument())
    .description("let a broker that was drained have replicas again")
    .action((broker: number, _options: unknown, command: Command) =>
      launch(command, async (context) =>
        (await import("../commands/cluster-members.ts")).undrainBroker(context, { broker }),
      ),
    );
  withTraits(cluster.command("remove"), { hasDryRun: true, argument: "broker" })
    .addArgument(brokerArgument())
    .description("forget a broker that was drained and stopped, for good")
    .addHelpText("after", REMOVE_HELP)
    .action((broker: number, _options: unknown, command: Command) =>
      launch(command, async (context) =>
        (await import("../commands/cluster-members.ts")).removeBroker(context, { broker }),
      ),
    );
}

function brokerArgument(): Argument {
  return new Argument("<broker>", "its id").argParser((text: string) => asArgument(parseBrokerId, text));
}

const DRAIN_HELP = `
The plan is that of \`partitions reassign\`: what need not move stays, racks are kept apart. Ctrl-C stops the waiting, not the moves.

Examples:
  tidemark cluster drain 1 --dry-run                       which replicas would go where
  tidemark cluster drain 1 --throttle 50MB/s --wait        and return when it is empty
  tidemark cluster undrain 1                               it may have replicas again
`;

const REMOVE_HELP = `
Refused, with BROKER_IN_USE and what to do, while the broker has replicas, is a voter of the metadata log, or runs:

  tidemark cluster drain 1 --wait
  tidemark raft remove-voter 1                             if \`raft status\` names it as a voter
  kill -TERM ...                                           its process
  tidemark cluster remove 1
`;

const HEALTH_HELP = `
Exit codes: 0 healthy, 9 unhealthy, 6 no broker answers. With --watch it goes on, healthy or not, also while no broker answers: a page on
a terminal, elsewhere a line with each change. --exit-when-healthy --timeout 60s is for scripts: 0 when nothing is wrong any more, 7 when
the time is over; what it waits for stands on standard error, a line with each change, unless -q.
`;

const FEATURES_HELP = `
While a cluster is upgraded, one broker after the other, they know different versions, and use the newest that all of them know. IN USE -:
there is none, and brokers of the two sorts refuse each other. A broker that is down, or does not answer, is not counted.
`;

const EVENTS_HELP = `
Without --since and --from all that the brokers still have: each keeps the last some thousand events since it started, and what one lacks
another may have; one that does not answer is named on standard error. With --follow alone what happens from now on. Events come from the
metadata log: OFFSET is their place in it, the same at every broker, and --from OFFSET goes on there. TIME is by the clock of the
controller. A gap is an event too: what happened there is not known any more.
`;
