/**
 * `raft recover --data-dir DIR`: the last resort of a cluster most of whose voters have lost their metadata for ever. A broker that still
 * has the cluster's becomes its only voter; the others join it anew. What it does not know of is lost, so it says what that may be, and
 * asks. The other brokers have to be stopped: it dials where they were found, names those that answer, and gives up where they could decide.
 */
import type { MetadataRecovery, PeerPlace } from "@tidemark/broker/tools";
import { type CommandContext, note, warn } from "../command-context.ts";
import { confirm } from "../confirm.ts";
import { ExitCode } from "../exit-codes.ts";
import { CliFailure } from "../failure.ts";
import { useNativeParts } from "../native-parts.ts";
import { type Column, printRows } from "../output/rows.ts";
import { plural } from "../output/units.ts";
import { requireDirectory } from "../platform/data-directory.ts";
import { isListening } from "../platform/listening.ts";
import type { RecoverRequest } from "./raft.ts";

export async function recoverMetadata(context: CommandContext, { dataDir }: RecoverRequest): Promise<ExitCode> {
  const directory = requireDirectory(dataDir);
  await useNativeParts();
  const { openStoppedMetadata } = await import("@tidemark/broker/tools");
  const metadata = await openStoppedMetadata(directory);
  try {
    const { plan, peers, apply } = metadata.recovery();
    const running = await runningOf(peers);
    warnOf(context, plan, running);
    if (!context.flags.isDryRun) refuseQuorum(plan, running);
    await confirm(context, `making node ${plan.nodeId} the only voter of cluster ${plan.clusterId}`, [
      {
        name: `node-${plan.nodeId}`,
        text: `Make node ${plan.nodeId} the only voter of cluster ${plan.clusterId}?`,
        declined: "nothing was changed",
      },
    ]);
    if (!context.flags.isDryRun) await apply();
    printRows(context, [{ ...plan, isDone: !context.flags.isDryRun }], COLUMNS);
    if (context.flags.isDryRun) note(context, "nothing was changed: run it without --dry-run to do this");
    else note(context, nextSteps(plan));
    return ExitCode.OK;
  } finally {
    await metadata.close();
  }
}

type Row = MetadataRecovery & { readonly isDone: boolean };

const COLUMNS: readonly Column<Row>[] = [
  { title: "node", cell: (row) => row.nodeId },
  { title: "cluster", cell: (row) => row.clusterId },
  { title: "last entry", cell: (row) => row.lastIndex },
  { title: "its term", cell: (row) => row.lastTerm },
  { title: "topics", cell: (row) => row.topics },
  { title: "partitions", cell: (row) => row.partitions },
  { title: "waiting", cell: (row) => row.partitionsWaiting },
  { title: "goes on at", cell: (row) => row.index },
  { title: "in term", cell: (row) => row.term },
  { title: "directory", cell: (row) => row.directoryId, isWide: true },
];

async function runningOf(peers: readonly PeerPlace[]): Promise<PeerPlace[]> {
  const answers = await Promise.all(peers.map((peer) => isListening(peer)));
  return peers.filter((_, slot) => answers[slot]);
}

const placesOf = (peers: readonly PeerPlace[]): string =>
  peers.map(({ nodeId, host, port }) => `broker ${nodeId} at ${host}:${port}`).join(", ");

/** Whoever listens may have lost its metadata; but where so many do, that is for the operator to find out first. */
function refuseQuorum({ votersBefore }: MetadataRecovery, running: readonly PeerPlace[]): void {
  const voters = running.filter(({ nodeId }) => votersBefore.includes(nodeId));
  if (voters.length <= votersBefore.length / 2) return;
  throw new CliFailure("BROKER_RUNNING", `a majority of the voters listens for its peers: ${placesOf(voters)}`, {
    hint:
      "if they have their metadata, start this broker as it is: they decide without it. If they have lost it, stop them (SIGTERM) " +
      "until this broker has started as the only voter",
    details: { running: voters.map(({ nodeId }) => nodeId) },
  });
}

function warnOf(context: CommandContext, plan: MetadataRecovery, running: readonly PeerPlace[]): void {
  const { nodeId, lastIndex, lastTerm, votersBefore } = plan;
  const others = votersBefore.filter((id) => id !== nodeId);
  const known = `entry ${lastIndex} of term ${lastTerm}`;
  warn(
    context,
    `what the cluster decided behind ${known} is lost: topics made, deleted or changed, settings, who was in sync. ` +
      "Run it on the broker whose last entry is the greatest, by term and then by index (--dry-run shows it)",
  );
  if (!votersBefore.includes(nodeId))
    warn(
      context,
      `node ${nodeId} had no vote: list it in controller.quorum.voters of every broker before any is started, or nobody finds it, ` +
        "and listed brokers that are all empty found another cluster",
    );
  if (running.length > 0)
    warn(
      context,
      `somebody listens where other brokers were found: ${placesOf(running)}. Stop them before this is done, and start them after this broker`,
    );
  if (others.length > 0)
    warn(
      context,
      `${others.length === 1 ? "node" : "nodes"} ${others.join(", ")} had a vote: make sure that a majority of ${votersBefore.join(", ")} never ` +
        "runs again with the metadata that it had, or there are two clusters of one name. Who does not answer from here may run all the same: " +
        "look at each of their machines, and keep whatever would start them there from doing so",
    );
}

function nextSteps({ nodeId, brokers, partitionsWaiting }: MetadataRecovery): string {
  const others = brokers.filter((id) => id !== nodeId);
  const lines = [`node ${nodeId} is the only voter now. Next:`, `  start broker ${nodeId}`];
  if (others.length > 0)
    lines.push(`  start brokers ${others.join(", ")}, and wait until \`tidemark cluster brokers\` shows them alive`);
  if (partitionsWaiting > 0)
    lines.push(
      `  tidemark partitions elect-leader unclean      ${plural(partitionsWaiting, "partition")}: the longest log of those alive leads`,
    );
  lines.push("  tidemark cluster health --exit-when-healthy --timeout 10m");
  return lines.join("\n");
}
