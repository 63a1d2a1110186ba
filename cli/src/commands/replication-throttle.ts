/**
 * The throttle of moves: how many bytes a second each broker sends and takes for replicas that are not in sync (semantics 13.6), as dynamic
 * settings of the brokers concerned. Whoever sets it takes it away; what an operator had set for good comes back.
 */
import type { Client } from "@tidemark/client";
import { callOptions } from "../client-session.ts";
import type { CommandContext } from "../command-context.ts";
import { formatBytes } from "../output/units.ts";

const KEYS = ["leader.replication.throttled.rate", "follower.replication.throttled.rate"] as const;

export interface Throttle {
  readonly bytesPerSecond: number;
  /** What each broker had of its own before. */
  readonly before: ReadonlyMap<number, Readonly<Record<string, string>>>;
}

export async function setThrottle(
  context: CommandContext,
  client: Client,
  brokers: Iterable<number>,
  bytesPerSecond: number,
): Promise<Throttle> {
  const before = new Map<number, Readonly<Record<string, string>>>();
  const set = Object.fromEntries(KEYS.map((key) => [key, String(bytesPerSecond)]));
  for (const id of [...new Set(brokers)].sort((a, b) => a - b)) {
    before.set(id, await ownRates(context, client, id));
    await client.admin.configs.alter({ type: "broker", id }, { set }, callOptions(context));
  }
  return { bytesPerSecond, before };
}

export async function liftThrottle(context: CommandContext, client: Client, { before }: Throttle): Promise<void> {
  for (const [id, rates] of before) {
    const gone = KEYS.filter((key) => rates[key] === undefined);
    const changes = { set: { ...rates }, delete: gone };
    await client.admin.configs.alter({ type: "broker", id }, changes, callOptions(context));
  }
}

/** Of every broker: for whoever did not set it, and finds it in force when nothing moves any more. Resolves with those that had one. */
export async function liftEveryThrottle(context: CommandContext, client: Client): Promise<number[]> {
  const { brokers } = await client.admin.cluster(callOptions(context));
  const lifted: number[] = [];
  for (const { id } of brokers) {
    const set = Object.keys(await ownRates(context, client, id));
    if (set.length === 0) continue;
    await client.admin.configs.alter({ type: "broker", id }, { delete: set }, callOptions(context));
    lifted.push(id);
  }
  return lifted;
}

export function throttleText({ bytesPerSecond, before }: Throttle): string {
  return `${formatBytes(bytesPerSecond)}/s on ${brokersText(before.keys())}`;
}

export function brokersText(ids: Iterable<number>): string {
  const list = [...ids];
  return `${list.length === 1 ? "broker" : "brokers"} ${list.join(", ")}`;
}

/** A broker that does not answer is asked nothing: it has what it is given now when it is back. */
async function ownRates(context: CommandContext, client: Client, id: number): Promise<Record<string, string>> {
  const { BrokerError } = await import("@tidemark/client");
  try {
    const entries = await client.admin.configs.get({ type: "broker", id }, { ...callOptions(context), keys: KEYS });
    const own = entries.filter(({ source, value }) => source === "broker" && value !== null);
    return Object.fromEntries(own.map(({ name, value }) => [name, value ?? ""]));
  } catch (error: unknown) {
    const isSilence = BrokerError.is(error, "CONNECTION_LOST") || BrokerError.is(error, "TIMEOUT");
    if (!isSilence || context.signal.aborted) throw error;
    return {};
  }
}
