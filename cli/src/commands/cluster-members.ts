/** `cluster drain | undrain | remove`: how a broker is emptied, and leaves for good. */
import type { BrokerDescription, Client } from "@tidemark/client";
import { callOptions, withClient } from "../client-session.ts";
import { type CommandContext, note } from "../command-context.ts";
import { confirm } from "../confirm.ts";
import { ExitCode } from "../exit-codes.ts";
import { CliFailure } from "../failure.ts";
import { plural } from "../output/units.ts";
import { moveAll, type MoveOptions, planned } from "./moves.ts";

export interface DrainRequest extends MoveOptions {
  readonly broker: number;
}

const TOO_FEW_LEFT =
  "start another broker first, or give the partition fewer replicas (`partitions reassign --plan`); a restart needs no drain";

export async function drainBroker(context: CommandContext, request: DrainRequest): Promise<ExitCode> {
  const { broker: id, wait = false } = request;
  const { isDryRun } = context.flags;
  await withClient(context, async (client) => {
    const { partitions, brokers } = client.admin;
    await requireBroker(context, client, id);
    const goal = { drain: id };
    const moves = await planned(partitions.planReassignment(goal, callOptions(context)), TOO_FEW_LEFT);
    await moveAll(context, client, moves, {
      ...request,
      name: String(id),
      doing: `draining broker ${id}`,
      // From here on it gets nothing new.
      before: () => brokers.drain(id, callOptions(context)),
    });
    if (isDryRun || !wait) return;
    // What was placed on it between the look and the mark.
    const late = await partitions.planReassignment(goal, callOptions(context));
    if (late.length > 0) {
      await partitions.reassign(late, callOptions(context));
      await partitions.untilReassigned(late, callOptions(context));
    }
    note(context, `broker ${id} has no replicas; \`tidemark cluster remove ${id}\` says what is left to do`);
  });
  return ExitCode.OK;
}

export async function undrainBroker(
  context: CommandContext,
  { broker: id }: { readonly broker: number },
): Promise<ExitCode> {
  await withClient(context, async (client) => {
    await requireBroker(context, client, id);
    if (context.flags.isDryRun) return note(context, `broker ${id} would take replicas again (--dry-run)`);
    await client.admin.brokers.undrain(id, callOptions(context));
    let leaving = 0;
    for await (const { removing } of client.admin.partitions.reassignments(callOptions(context)))
      if (removing.includes(id)) leaving += 1;
    const still =
      leaving === 0 ? "" : `; ${plural(leaving, "partition")} still leave it: partitions reassignments --cancel`;
    note(context, `broker ${id} takes replicas again${still}; partitions balance gives it some`);
  });
  return ExitCode.OK;
}

export async function removeBroker(
  context: CommandContext,
  { broker: id }: { readonly broker: number },
): Promise<ExitCode> {
  await withClient(context, async (client) => {
    const broker = await requireBroker(context, client, id);
    const { nodes } = await client.admin.raft.status(callOptions(context));
    refuseInUse(
      broker,
      nodes.some((node) => node.voter && node.id === id),
    );
    const text = `Forget broker ${id} for good?`;
    await confirm(context, `removing broker ${id}`, [
      { name: String(id), text, prompt: `Type ${id} to go on`, declined: `broker ${id} was kept` },
    ]);
    if (context.flags.isDryRun) return note(context, `broker ${id} would be removed (--dry-run)`);
    await client.admin.brokers.unregister(id, callOptions(context));
    note(context, `broker ${id} is removed; its directory may be deleted`);
  });
  return ExitCode.OK;
}

/** In the order in which an operator gets rid of it. */
function refuseInUse({ id, alive, replicas }: BrokerDescription, isVoter: boolean): void {
  const refuse = (what: string, hint: string): CliFailure =>
    new CliFailure("BROKER_IN_USE", `broker ${id} ${what}`, { hint });
  if (replicas > 0) throw refuse(`has ${plural(replicas, "replica")}`, `tidemark cluster drain ${id} --wait`);
  if (isVoter) throw refuse("is a voter of the metadata log", `tidemark raft remove-voter ${id}`);
  if (alive) throw refuse("is running", "stop its process (SIGTERM), then run this again");
}

/** Throws BROKER_ID_NOT_REGISTERED. */
export async function requireBroker(context: CommandContext, client: Client, id: number): Promise<BrokerDescription> {
  const { brokers } = await client.admin.cluster(callOptions(context));
  const broker = brokers.find((one) => one.id === id);
  if (broker !== undefined) return broker;
  const known = brokers.map((one) => one.id).sort((a, b) => a - b);
  throw new CliFailure("BROKER_ID_NOT_REGISTERED", `there is no broker ${id}`, {
    hint: `there are ${known.join(", ")}`,
  });
}
