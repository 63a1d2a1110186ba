/**
 * Around `server start`, without a broker:
 *
 * `check-config`: what the broker would run with, key by key with its source, or every problem at once (exit code 2).
 * `format`: gives an empty data directory its identity, so that a node id that is wrong or a disk that is not mounted shows
 * before the first start. A start does the same by itself; formatting is for those who want to choose the cluster's id.
 * `print-defaults`: a configuration file to begin with.
 */
import type { TableEntry } from "@tidemark/broker/config";
import type { ClusterIdentity } from "@tidemark/broker/storage";
import type { CommandContext } from "../command-context.ts";
import { ExitCode } from "../exit-codes.ts";
import { CliFailure, toFailure, usageFailure } from "../failure.ts";
import { outputFormat } from "../global-flags.ts";
import { printRows } from "../output/rows.ts";
import { loadServerConfig, type ServerStartRequest } from "./server.ts";

export interface FormatRequest extends ServerStartRequest {
  readonly clusterId?: string;
  readonly ignoreFormatted?: boolean;
}

export interface PrintDefaultsRequest {
  readonly all?: boolean;
}

export async function checkConfig(context: CommandContext, request: ServerStartRequest): Promise<ExitCode> {
  const { sources } = await loadServerConfig(context, request);
  const rows = [...sources].map(([key, { value, source }]) => ({ key, value, source }));
  printRows(context, rows, [
    { title: "key", cell: (row) => row.key },
    { title: "value", cell: (row) => row.value },
    { title: "source", cell: (row) => row.source },
  ]);
  return ExitCode.OK;
}

export async function format(context: CommandContext, request: FormatRequest): Promise<ExitCode> {
  const { uuidFromText } = await import("@tidemark/proto");
  const { clusterId } = request;
  if (clusterId !== undefined) {
    try {
      uuidFromText(clusterId);
    } catch {
      throw usageFailure(`--cluster-id ${clusterId} is no id`, "22 characters of A-Z a-z 0-9 _ -, or leave it out");
    }
  }
  const { config } = await loadServerConfig(context, request);
  const path = config.dataDirectory;
  const found = await identityIn(path);
  if (found !== null) return alreadyFormatted(context, path, found, request);
  const { claimDirectory } = await import("@tidemark/broker/storage");
  const { FileDirectoryLocks, FileDisk, randomBytes } = await import("@tidemark/broker/platform");
  const { identity, lock } = await claimDirectory({
    path,
    disk: new FileDisk(),
    locks: new FileDirectoryLocks(),
    random: randomBytes,
    nodeId: config.nodeId,
    ...(clusterId === undefined ? {} : { newClusterId: clusterId }),
  });
  await lock.release();
  printIdentity(context, path, identity);
  return ExitCode.OK;
}

async function identityIn(path: string): Promise<ClusterIdentity | null> {
  const { readIdentity } = await import("@tidemark/broker/storage");
  const { FileDisk } = await import("@tidemark/broker/platform");
  const disk = new FileDisk();
  if (!disk.isDirectory(path)) return null;
  try {
    return readIdentity(disk, path);
  } catch (error: unknown) {
    const { code, message } = toFailure(error);
    if (code !== "DIRECTORY_NOT_EMPTY") throw error;
    throw new CliFailure(code, message, { exitCode: ExitCode.CONFLICT, cause: error });
  }
}

/** @throws CliFailure ALREADY_FORMATTED, unless that is no error */
function alreadyFormatted(
  context: CommandContext,
  path: string,
  found: ClusterIdentity,
  request: FormatRequest,
): ExitCode {
  const isOther = request.clusterId !== undefined && request.clusterId !== (found.clusterId ?? found.newClusterId);
  if (request.ignoreFormatted === true && !isOther) {
    printIdentity(context, path, found);
    return ExitCode.OK;
  }
  const cluster = found.clusterId === null ? "no cluster yet" : `cluster ${found.clusterId}`;
  throw new CliFailure("ALREADY_FORMATTED", `${path} belongs to node ${found.nodeId} of ${cluster}`, {
    exitCode: ExitCode.CONFLICT,
    hint: isOther
      ? "a directory keeps its cluster for ever; use another one"
      : "add --ignore-formatted to leave it as it is",
    details: { path, nodeId: found.nodeId, clusterId: found.clusterId },
  });
}

function printIdentity(context: CommandContext, path: string, identity: ClusterIdentity): void {
  const { nodeId, directoryId, clusterId, newClusterId } = identity;
  printRows(
    context,
    [{ path, nodeId, directoryId, clusterId: clusterId ?? newClusterId, isBorn: clusterId !== null }],
    [
      { title: "path", cell: (row) => row.path },
      { title: "node", cell: (row) => row.nodeId },
      { title: "directory id", cell: (row) => row.directoryId },
      { title: "cluster id", cell: (row) => row.clusterId ?? "(chosen at the first start)" },
    ],
  );
}

export async function printDefaults(context: CommandContext, request: PrintDefaultsRequest): Promise<ExitCode> {
  const { configTable } = await import("@tidemark/broker/config");
  const entries = configTable.filter((entry) => request.all === true || entry.withoutEffect !== true);
  if (context.flags.output === null || outputFormat(context.flags) === "table") {
    context.stdout.write(await propertiesText(entries));
    return ExitCode.OK;
  }
  const rows = entries.map(
    ({ key, brokerKey, type, default: standard, derived, min, max, values, unit, scope, doc }) => ({
      key: brokerKey,
      topicKey: scope === "topic" ? key : null,
      type,
      default: standard,
      derived: derived ?? null,
      min: min ?? null,
      max: max ?? null,
      values: values ?? null,
      unit: unit ?? null,
      scope,
      doc,
    }),
  );
  printRows(context, rows, [
    { title: "key", cell: (row) => row.key },
    { title: "default", cell: (row) => row.default },
    { title: "scope", cell: (row) => row.scope },
    { title: "doc", cell: (row) => row.doc },
  ]);
  return ExitCode.OK;
}

/** Commented out, so that what is uncommented is what somebody wanted. */
async function propertiesText(entries: readonly TableEntry[]): Promise<string> {
  const { allowedRange, formatProperty } = await import("@tidemark/broker/config");
  const isNumber = ({ type }: TableEntry): boolean => type === "int" || type === "long" || type === "double";
  const allowed = (entry: TableEntry): string[] => {
    if (isNumber(entry)) return [`# ${allowedRange(entry, "server")}`];
    if (entry.type === "boolean") return ["# true or false"];
    return entry.values === undefined ? [] : [`# ${entry.values.join(", ")}`];
  };
  const blocks = entries.map((entry) => {
    const { brokerKey, default: standard, derived, example, doc } = entry;
    const unset = derived === undefined ? [] : [`# unset: ${derived}`];
    const lines = [`# ${doc}`, ...allowed(entry), ...(standard === null ? unset : [])];
    lines.push(`#${formatProperty(brokerKey, standard ?? example ?? "")}`);
    return lines.join("\n");
  });
  const head =
    "# Every key of a Tidemark broker with its default. Uncomment what you change; sizes and times may have units\n# (256MiB, 7d). `tidemark server check-config --config FILE` says what a file amounts to.";
  return `${[head, ...blocks].join("\n\n")}\n`;
}
