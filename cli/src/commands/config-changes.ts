/** Changing settings, for `topics alter` and `configs set | delete | edit`: what was before and what is after. */
import type { Client, ConfigEntry, ConfigResource } from "@tidemark/client";
import { callOptions } from "../client-session.ts";
import { type CommandContext, note, warn } from "../command-context.ts";
import { usageFailure } from "../failure.ts";
import type { Pair } from "../global-flags.ts";
import { type Column, printRows } from "../output/rows.ts";
import { plural } from "../output/units.ts";

export interface ChangedSetting {
  readonly resource: string;
  readonly name: string;
  readonly before: string | null;
  readonly after: string | null;
  /** The layer that `after` comes from. */
  readonly source: string;
}

const CHANGE_COLUMNS: readonly Column<ChangedSetting>[] = [
  { title: "resource", cell: (row) => row.resource },
  { title: "setting", cell: (row) => row.name },
  { title: "before", cell: (row) => row.before },
  { title: "after", cell: (row) => row.after },
  { title: "source", cell: (row) => row.source },
];

export function resourceName(resource: ConfigResource): string {
  switch (resource.type) {
    case "topic":
      return `topic/${resource.name}`;
    case "broker":
      return `broker/${resource.id}`;
    case "cluster":
      return "cluster";
  }
}

/**
 * All of it or nothing. With --dry-run the broker checks it, and `after` is what it would show.
 * @throws what the SDK says; INVALID_ARGUMENT with the nearest key
 */
export async function changeSettings(
  context: CommandContext,
  client: Client,
  resource: ConfigResource,
  set: readonly Pair[],
  gone: readonly string[],
): Promise<ChangedSetting[]> {
  const keys = [...set.map(([key]) => key), ...gone];
  const twice = keys.find((key, slot) => keys.indexOf(key) !== slot);
  if (twice !== undefined) throw usageFailure(`${twice} is changed twice`);
  const { configs } = client.admin;
  const { isDryRun } = context.flags;
  const before = byName(await configs.get(resource, { ...callOptions(context), keys }));
  const changes = { set: Object.fromEntries(set), delete: gone };
  await configs.alter(resource, changes, { ...callOptions(context), validateOnly: isDryRun });
  const asked = isDryRun ? await asShown(resource, set) : new Map<string, string>();
  const after = isDryRun ? before : byName(await configs.get(resource, { ...callOptions(context), keys }));
  if (isDryRun) note(context, "nothing was changed (--dry-run)");
  else noteSettings(context, [...after.values()]);
  const changed = keys.map((name): ChangedSetting => {
    const now = after.get(name);
    return {
      resource: resourceName(resource),
      name,
      before: before.get(name)?.value ?? null,
      after: isDryRun ? (asked.get(name) ?? nextLayer(now)) : (now?.value ?? null),
      source: isDryRun && asked.has(name) ? resource.type : (now?.source ?? "default"),
    };
  });
  const minIsr = changed.find(({ name, source }) => name === MIN_ISR && source === "topic")?.after ?? null;
  if (resource.type === "topic" && minIsr !== null) {
    const { replicas } = await client.admin.topics.describe(resource.name, callOptions(context));
    warnOfMinIsr(context, { topic: resource.name, minIsr, replicas });
  }
  return changed;
}

const MIN_ISR = "min.insync.replicas";

/** More than there are replicas is allowed, as in Kafka, and never what was meant: then all of them count, and none may be missing. */
export function warnOfMinIsr(
  context: CommandContext,
  { topic, minIsr, replicas }: { readonly topic: string; readonly minIsr: string; readonly replicas: number },
): void {
  if (!(Number(minIsr) > replicas)) return;
  const consequence =
    replicas === 1
      ? "the one counts as all"
      : `writes with acks=all are refused as soon as one of the ${replicas} is not in sync`;
  warn(context, `${MIN_ISR} of ${topic} is ${minIsr}, and it has ${plural(replicas, "replica")}: ${consequence}`);
}

export function printChanges(context: CommandContext, changed: readonly ChangedSetting[]): void {
  printRows(context, changed, CHANGE_COLUMNS);
}

/** Says of settings just made what the broker notes on them: who sets what has no effect yet shall not believe it has. */
export function noteSettings(context: CommandContext, entries: readonly ConfigEntry[]): void {
  for (const entry of entries) if (entry.note !== undefined) note(context, entry.note);
}

/** The values as a broker keeps and shows them, without units; one that this version does not know as it was given. */
async function asShown(resource: ConfigResource, set: readonly Pair[]): Promise<ReadonlyMap<string, string>> {
  const { canonicalText, configTable } = await import("@tidemark/broker/config");
  const isOfTopic = resource.type === "topic";
  return new Map(
    set.map(([key, text]) => {
      const row = configTable.find((one) =>
        isOfTopic ? one.scope === "topic" && one.key === key : one.brokerKey === key,
      );
      // The wider bounds of the dev profile: the broker has said already whether it takes it.
      return [key, row === undefined ? text : (canonicalText(row, text, "dev") ?? text)];
    }),
  );
}

/** What holds when the layer in force is gone. */
function nextLayer(entry: ConfigEntry | undefined): string | null {
  const [, below] = entry?.synonyms ?? [];
  return below?.value ?? null;
}

function byName(entries: readonly ConfigEntry[]): ReadonlyMap<string, ConfigEntry> {
  return new Map(entries.map((entry) => [entry.name, entry]));
}
