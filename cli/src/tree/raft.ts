/** `raft`: the metadata quorum and its log. */
import { Argument, type Command } from "commander";
import type { RaftLogRequest, RecoverRequest } from "../commands/raft.ts";
import { parseWholeNumber } from "../parse/numbers.ts";
import { parseRaftIndex } from "../parse/position.ts";
import { asArgument, type Launch, parsed, withTraits } from "./options.ts";

const NODE_MAX = 2 ** 31 - 1;

export function buildRaft(raft: Command, launch: Launch): void {
  withTraits(raft.command("status"), { isWatchable: true })
    .description("who leads the metadata log, and how far each node is")
    .addHelpText("after", STATUS_HELP)
    .action((_options: unknown, command: Command) =>
      launch(command, async (context) => (await import("../commands/raft.ts")).raftStatus(context)),
    );
  withTraits(raft.command("log"), {})
    .description("what stands in the metadata log: every change of the cluster, in order")
    .addOption(
      parsed("--from <index>", "the first entry to show; -N: the last N (default: the last 20)", parseRaftIndex),
    )
    .addOption(parsed("-n, --count <n>", "how many entries at most", (text) => parseWholeNumber(text, { min: 1 })))
    .addOption(parsed("--node <id>", "whose log (default: of any broker)", parseNode).conflicts("dataDir"))
    .option("--data-dir <dir>", "the log of a stopped broker, from its data directory")
    .addHelpText("after", LOG_HELP)
    .action((options: RaftLogRequest, command: Command) =>
      launch(command, async (context) => (await import("../commands/raft.ts")).raftLog(context, options)),
    );
  withTraits(raft.command("transfer-leader"), {})
    .addArgument(nodeArgument("the voter that is to lead"))
    .description("hand the lead of the metadata quorum to another voter; ends when that one leads")
    .action((node: number, _options: unknown, command: Command) =>
      launch(command, async (context) => (await import("../commands/raft.ts")).transferLeader(context, node)),
    );
  withTraits(raft.command("snapshot"), {})
    .addArgument(
      new Argument("[id...]", "brokers; none: every one that is alive").argParser(
        (text: string, before: readonly number[] | undefined) => [...(before ?? []), asArgument(parseNode, text)],
      ),
    )
    .description("have brokers write a snapshot of the metadata now")
    .action((nodes: number[] | undefined, _options: unknown, command: Command) =>
      launch(command, async (context) => (await import("../commands/raft.ts")).takeSnapshots(context, nodes ?? [])),
    );
  withTraits(raft.command("add-voter"), {})
    .addArgument(nodeArgument("a running broker"))
    .description("let a broker vote on the metadata; ends when it does")
    .addHelpText("after", VOTER_HELP)
    .action((node: number, _options: unknown, command: Command) =>
      launch(command, async (context) =>
        (await import("../commands/raft.ts")).changeVoter(context, { node, isVoter: true }),
      ),
    );
  withTraits(raft.command("remove-voter"), {})
    .addArgument(nodeArgument("a voter, running or lost"))
    .description("take a node's vote on the metadata; refused where the others would be no majority")
    .addHelpText("after", VOTER_HELP)
    .action((node: number, _options: unknown, command: Command) =>
      launch(command, async (context) =>
        (await import("../commands/raft.ts")).changeVoter(context, { node, isVoter: false }),
      ),
    );
  withTraits(raft.command("recover"), { hasDryRun: true })
    .description("when a majority of the voters' metadata is lost for ever: make one of the rest the only voter")
    .requiredOption("--data-dir <dir>", "of a stopped broker of the cluster; the one with the longest log")
    .addHelpText("after", RECOVER_HELP)
    .action((options: RecoverRequest, command: Command) =>
      launch(command, async (context) =>
        (await import("../commands/raft-recover.ts")).recoverMetadata(context, options),
      ),
    );
}

function parseNode(text: string): number {
  return parseWholeNumber(text, { min: 0, max: NODE_MAX });
}

function nodeArgument(description: string): Argument {
  return new Argument("<id>", description).argParser((text: string) => asArgument(parseNode, text));
}

const STATUS_HELP = `
MATCH is what a node holds on its disk as the leader knows it, LAG how many entries it lacks, CONTACT when the leader last heard of
it. What nobody could be asked for is -. Brokers that are no voters follow the log as learners.
`;

const LOG_HELP = `
A \`command\` carries records, a \`leaderStart\` is the first entry of a leader, \`voters\` the complete list of who votes from there on. An
entry marked * is not committed, and may still be replaced. -o json shows the records themselves. Entries below the oldest that is
kept are in the snapshot. --data-dir reads a copy of a stopped broker's store and changes nothing.
`;

const VOTER_HELP = `
Voters change one at a time; asked again for what is so already, the command changes nothing and ends with 0. What was chosen here
stands above controller.quorum.voters, which the brokers that were never named go by, and outlives restarts. A voter that comes back
with an emptied disk gets its seat again by itself. Have an odd number of voters: of four two may not be away, as of three.
`;

const RECOVER_HELP = `
The last resort. While a majority of the voters can still be started with its metadata, start it instead: nothing is lost then. Two
parts of a cluster must never both go on: make sure that the voters that are gone do not come back with what they had.

It changes nothing without --yes; --dry-run says what it would do. Afterwards: start this broker, then the others, one after the
other, with their partitions left where they are (their own metadata is replaced by itself, once it is missing or older); when
\`cluster brokers\` shows them alive, \`partitions elect-leader unclean\` lets the longest log of each partition lead.

Lost for certain is what this broker had not heard of: topics made, deleted or changed, settings, and who was in sync.
`;
