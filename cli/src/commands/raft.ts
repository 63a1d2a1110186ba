/**
 * `raft status | log | transfer-leader | snapshot | add-voter | remove-voter`: the replicated log of the metadata, as its leader and its
 * nodes tell, and what an operator does about who leads and votes.
 */
import type { Client, RaftLogPage } from "@tidemark/client";
import { callOptions, withClient } from "../client-session.ts";
import { type CommandContext, note } from "../command-context.ts";
import { ExitCode } from "../exit-codes.ts";
import { toFailure } from "../failure.ts";
import { printRaft } from "../output/cluster-views.ts";
import { LOG_COLUMNS, logShape } from "../output/raft-views.ts";
import { printRows } from "../output/rows.ts";
import { formatBytes } from "../output/units.ts";
import { requireBroker } from "./cluster-members.ts";

export interface RaftLogRequest {
  /** Negative: so many before the end. */
  readonly from?: number;
  readonly count?: number;
  readonly node?: number;
  readonly dataDir?: string;
}

export interface RecoverRequest {
  readonly dataDir: string;
}

const LAST_SHOWN = 20;

export async function raftStatus(context: CommandContext): Promise<ExitCode> {
  printRaft(context, await withClient(context, (client) => client.admin.raft.status(callOptions(context))));
  return ExitCode.OK;
}

export async function raftLog(context: CommandContext, request: RaftLogRequest): Promise<ExitCode> {
  const { dataDir } = request;
  if (dataDir === undefined) {
    await withClient(context, (client) => showLog(context, request, (from, limit) => page(client, from, limit)));
    return ExitCode.OK;
  }
  const { openStoppedLog } = await import("../platform/metadata-directory.ts");
  await using log = await openStoppedLog(dataDir);
  await showLog(context, request, (from, limit) => Promise.resolve(log.page(from, limit)));
  return ExitCode.OK;

  function page(client: Client, from: number, limit: number): Promise<RaftLogPage> {
    const { node } = request;
    const asked = { ...callOptions(context), from, limit, ...(node === undefined ? {} : { broker: node }) };
    return ofKnown(context, client, node === undefined ? [] : [node], () => client.admin.raft.log(asked));
  }
}

/** Page by page, and no further than the log reached when it was begun. */
async function showLog(
  context: CommandContext,
  { count: max = Number.POSITIVE_INFINITY, from = -Math.min(LAST_SHOWN, max) }: RaftLogRequest,
  pageFrom: (from: number, limit: number) => Promise<RaftLogPage>,
): Promise<void> {
  const { firstIndex, lastIndex, snapshot } = await pageFrom(Number.MAX_SAFE_INTEGER, 1);
  const wanted = from < 0 ? lastIndex + from + 1 : from;
  const first = Math.max(wanted, firstIndex);
  if (from > 0 && wanted < firstIndex && firstIndex <= lastIndex)
    note(
      context,
      `entries below ${firstIndex} are no longer kept: they are in the snapshot of entry ${snapshot.index}`,
    );
  const rows = [];
  for (let next = first; next <= lastIndex && rows.length < max; ) {
    const limit = Math.min(max - rows.length, lastIndex - next + 1);
    // Each page begins where the one before has ended.
    // oxlint-disable-next-line no-await-in-loop
    const { entries } = await pageFrom(next, Number.isFinite(limit) ? limit : 0);
    const last = entries.at(-1);
    if (last === undefined) break;
    rows.push(...entries.map(logShape));
    next = last.index + 1;
  }
  printRows(context, rows, LOG_COLUMNS);
  if (rows.length === 0 && wanted > lastIndex) note(context, `the last entry is ${lastIndex}`);
}

export async function transferLeader(context: CommandContext, node: number): Promise<ExitCode> {
  const done = await withClient(context, (client) => client.admin.raft.transferLeader(node, callOptions(context)));
  printRows(
    context,
    [done],
    [
      { title: "leader", cell: (row) => row.leader },
      { title: "term", cell: (row) => row.term },
    ],
  );
  return ExitCode.OK;
}

export async function takeSnapshots(context: CommandContext, nodes: readonly number[]): Promise<ExitCode> {
  const brokers = nodes.length === 0 ? {} : { brokers: [...new Set(nodes)] };
  const written = await withClient(context, (client) =>
    ofKnown(context, client, nodes, () => client.admin.raft.snapshot({ ...callOptions(context), ...brokers })),
  );
  printRows(context, written, [
    { title: "broker", cell: (row) => row.broker },
    { title: "index", cell: (row) => row.index },
    { title: "term", cell: (row) => row.term },
    { title: "size", cell: (row) => formatBytes(row.bytes), value: (row) => row.bytes },
  ]);
  return ExitCode.OK;
}

export async function changeVoter(
  context: CommandContext,
  { node, isVoter }: { readonly node: number; readonly isVoter: boolean },
): Promise<ExitCode> {
  const voters = await withClient(context, ({ admin: { raft } }) =>
    isVoter ? raft.addVoter(node, callOptions(context)) : raft.removeVoter(node, callOptions(context)),
  );
  printRows(
    context,
    [{ node, voter: isVoter, voters }],
    [
      { title: "node", cell: (row) => row.node },
      { title: "voter", cell: (row) => (row.voter ? "yes" : "no"), value: (row) => row.voter },
      { title: "voters", cell: (row) => row.voters.join(", ") },
    ],
  );
  if (voters.length % 2 === 0)
    note(
      context,
      `${voters.length} voters bear the loss of ${lossesOf(voters.length)}, as ${voters.length - 1} would: have an odd number`,
    );
  return ExitCode.OK;
}

function lossesOf(voters: number): string {
  const most = Math.ceil(voters / 2) - 1;
  return most === 0 ? "none" : String(most);
}

/** Where the call fails: BROKER_ID_NOT_REGISTERED for a broker that there is not, rather than that it cannot be reached. */
async function ofKnown<T>(
  context: CommandContext,
  client: Client,
  brokers: readonly number[],
  call: () => Promise<T>,
): Promise<T> {
  try {
    return await call();
  } catch (error: unknown) {
    if (toFailure(error).code !== "CONNECTION_LOST") throw error;
    await Promise.all([...new Set(brokers)].map((id) => requireBroker(context, client, id)));
    throw error;
  }
}
