/** `raft status`: the replicated log of the metadata, as its leader and its nodes tell. */
import { callOptions, withClient } from "../client-session.ts";
import type { CommandContext } from "../command-context.ts";
import { ExitCode } from "../exit-codes.ts";
import { printRaft } from "../output/cluster-views.ts";

export async function raftStatus(context: CommandContext): Promise<ExitCode> {
  printRaft(context, await withClient(context, (client) => client.admin.raft.status(callOptions(context))));
  return ExitCode.OK;
}
