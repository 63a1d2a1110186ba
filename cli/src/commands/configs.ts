/**
 * `configs get | set | delete | diff | edit`: settings of a topic, a broker or the cluster, each with the layer it comes
 * from. A value is set as people write it, `6MiB`, `7d`, and shown as the broker keeps it.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ConfigEntry } from "@tidemark/client";
import { callOptions, withClient } from "../client-session.ts";
import { type CommandContext, note } from "../command-context.ts";
import { openEditor, requireEditor } from "../editor.ts";
import { ExitCode } from "../exit-codes.ts";
import { outputFormat, type Pair } from "../global-flags.ts";
import { configShape, explainShape, renderExplanation } from "../output/config-views.ts";
import { type Column, printRows } from "../output/rows.ts";
import type { Resource } from "../parse/resource.ts";
import { changesBetween, renderSettings } from "../records/settings-text.ts";
import { type ChangedSetting, changeSettings, printChanges, resourceName } from "./config-changes.ts";

export interface GetConfigsRequest {
  readonly resource: Resource;
  readonly keys: readonly string[];
  readonly all?: boolean;
  readonly explain?: readonly string[];
}

const COLUMNS: readonly Column<ReturnType<typeof configShape>>[] = [
  { title: "setting", cell: (row) => row.name },
  { title: "value", cell: (row) => (row.sensitive && row.value === null ? "[secret]" : row.value) },
  { title: "source", cell: (row) => row.source },
  { title: "type", cell: (row) => row.type, isWide: true },
  { title: "changes", cell: (row) => row.updateMode, isWide: true },
];

export async function getConfigs(context: CommandContext, request: GetConfigsRequest): Promise<ExitCode> {
  const { resource, explain = [] } = request;
  const keys = [...request.keys, ...explain];
  const entries = await withClient(context, ({ admin }) =>
    admin.configs.get(resource, { ...callOptions(context), ...(keys.length === 0 ? {} : { keys }) }),
  );
  if (explain.length > 0) {
    const format = outputFormat(context.flags);
    if (format === "table" || format === "wide")
      context.stdout.write(entries.map((entry) => renderExplanation(resourceName(resource), entry)).join("\n"));
    else printRows(context, entries.map(explainShape), []);
    return ExitCode.OK;
  }
  const isAll = request.all === true || keys.length > 0;
  // What the file of the broker that answers says is no setting of the cluster.
  const isCluster = resource.type === "cluster";
  const isSet = ({ source }: ConfigEntry): boolean => (isCluster ? source === "cluster" : source !== "default");
  const shown = isAll ? entries : entries.filter(isSet);
  printRows(context, shown.map(configShape), COLUMNS);
  const hidden = entries.length - shown.length;
  const why = isCluster
    ? "are not set for the cluster; --all shows what the broker asked has"
    : "have their default; --all shows them";
  if (hidden > 0) note(context, `${hidden} more ${why}`);
  return ExitCode.OK;
}

export async function setConfigs(
  context: CommandContext,
  { resource, pairs }: { readonly resource: Resource; readonly pairs: readonly Pair[] },
): Promise<ExitCode> {
  printChanges(context, await withClient(context, (client) => changeSettings(context, client, resource, pairs, [])));
  return ExitCode.OK;
}

export async function deleteConfigs(
  context: CommandContext,
  { resource, keys }: { readonly resource: Resource; readonly keys: readonly string[] },
): Promise<ExitCode> {
  printChanges(context, await withClient(context, (client) => changeSettings(context, client, resource, [], keys)));
  return ExitCode.OK;
}

// ---- diff

interface DiffRow {
  readonly name: string;
  readonly left: string | null;
  readonly leftSource: string | null;
  readonly right: string | null;
  readonly rightSource: string | null;
}

export async function diffConfigs(
  context: CommandContext,
  { left, right }: { readonly left: Resource; readonly right: Resource },
): Promise<ExitCode> {
  const [ofLeft, ofRight] = await withClient(context, ({ admin }) =>
    Promise.all([left, right].map((resource) => admin.configs.get(resource, callOptions(context)))),
  );
  const rows = differences(...(await comparable([left, ofLeft ?? []], [right, ofRight ?? []])));
  const columns: readonly Column<DiffRow>[] = [
    { title: "setting", cell: (row) => row.name },
    { title: resourceName(left), cell: (row) => row.left },
    { title: "left source", cell: (row) => row.leftSource },
    { title: resourceName(right), cell: (row) => row.right },
    { title: "right source", cell: (row) => row.rightSource },
  ];
  printRows(context, rows, columns);
  if (rows.length === 0) note(context, "no difference");
  return ExitCode.OK;
}

type Side = readonly [resource: Resource, entries: readonly ConfigEntry[]];

/**
 * A topic and a broker have other keys for the same (`retention.ms`, `log.retention.ms`): the broker's are then told by the
 * topic's names, and those that no topic has are left out.
 */
async function comparable(left: Side, right: Side): Promise<[readonly ConfigEntry[], readonly ConfigEntry[]]> {
  const isMixed = (left[0].type === "topic") !== (right[0].type === "topic");
  if (!isMixed) return [left[1], right[1]];
  const { configTable } = await import("@tidemark/broker/config");
  const topicKeys = new Map(
    configTable.filter(({ scope }) => scope === "topic").map(({ brokerKey, key }) => [brokerKey, key]),
  );
  const asTopic = ([{ type }, entries]: Side): readonly ConfigEntry[] => {
    if (type === "topic") return entries;
    return entries.flatMap((entry) => {
      const name = topicKeys.get(entry.name);
      return name === undefined ? [] : { ...entry, name };
    });
  };
  return [asTopic(left), asTopic(right)];
}

/** Settings whose values differ, or that one side does not have. */
function differences(left: readonly ConfigEntry[], right: readonly ConfigEntry[]): DiffRow[] {
  const others = new Map(right.map((entry) => [entry.name, entry]));
  const names = new Set([...left, ...right].map(({ name }) => name));
  const own = new Map(left.map((entry) => [entry.name, entry]));
  return [...names].flatMap((name) => {
    const [one, other] = [own.get(name), others.get(name)];
    if (one !== undefined && other !== undefined && one.value === other.value) return [];
    return {
      name,
      left: one?.value ?? null,
      leftSource: one?.source ?? null,
      right: other?.value ?? null,
      rightSource: other?.source ?? null,
    };
  });
}

// ---- edit

export async function editConfigs(
  context: CommandContext,
  { resource }: { readonly resource: Resource },
): Promise<ExitCode> {
  requireEditor(context);
  await withClient(context, async (client) => {
    const entries = await client.admin.configs.get(resource, callOptions(context));
    const directory = mkdtempSync(join(tmpdir(), "tidemark-edit-"));
    const path = join(directory, `${resourceName(resource).replace("/", "-")}.properties`);
    const before = renderSettings(resource.type, resourceName(resource), entries);
    writeFileSync(path, before, { mode: 0o600 });
    let isKept = true;
    try {
      await openEditor(context, path);
      const { set, gone } = changesBetween(before, readFileSync(path, "utf8"));
      let changed: readonly ChangedSetting[] = [];
      if (set.length + gone.length === 0) note(context, "nothing was changed");
      else changed = await changeSettings(context, client, resource, set, gone);
      if (changed.length > 0) printChanges(context, changed);
      isKept = false;
    } finally {
      // What was typed is not lost; a text that is still ours is.
      if (isKept && existsSync(path) && readFileSync(path, "utf8") !== before)
        note(context, `your text is kept in ${path}`);
      else rmSync(directory, { recursive: true, force: true });
    }
  });
  return ExitCode.OK;
}
