/**
 * `logs dirs [DIR]`: how much each replica takes of which disk. Without an argument the brokers are asked; with one that
 * directory is looked at, whether a broker runs or not.
 */
import { callOptions, withClient } from "../client-session.ts";
import { type CommandContext, warn } from "../command-context.ts";
import { ExitCode } from "../exit-codes.ts";
import { CliFailure, toFailure } from "../failure.ts";
import { printRows } from "../output/rows.ts";
import { formatBytes } from "../output/units.ts";
import { openDirectory } from "../platform/data-directory.ts";

export interface LogDirsRequest {
  readonly directory?: string | undefined;
}

/** One replica; keys are stable. What only one of the two ways knows is null in the other. */
interface DirRow {
  readonly broker: number | null;
  readonly path: string;
  readonly topic: string;
  readonly partition: number;
  readonly bytes: number;
  readonly lag: number | null;
}

export async function logDirs(context: CommandContext, request: LogDirsRequest): Promise<ExitCode> {
  const rows = request.directory === undefined ? await askBrokers(context) : await look(context, request.directory);
  print(context, rows);
  return ExitCode.OK;
}

function print(context: CommandContext, rows: readonly DirRow[]): void {
  printRows(context, rows, [
    { title: "broker", cell: (row) => row.broker },
    { title: "topic", cell: (row) => row.topic },
    { title: "partition", cell: (row) => row.partition },
    { title: "size", cell: (row) => formatBytes(row.bytes), value: (row) => row.bytes },
    { title: "lag", cell: (row) => row.lag },
    { title: "path", cell: (row) => row.path },
  ]);
}

function askBrokers(context: CommandContext): Promise<DirRow[]> {
  return withClient(context, async (client) => {
    for await (const { broker, path, error } of client.admin.logs.disks(callOptions(context))) {
      if (error !== null) warn(context, `broker ${broker}: ${path === null ? "" : `${path}: `}${error.message}`);
    }
    const rows: DirRow[] = [];
    try {
      for await (const { broker, path, topic, partition, bytes, lag } of client.admin.logs.dirs(callOptions(context)))
        rows.push({ broker, path, topic, partition, bytes, lag });
    } catch (error: unknown) {
      const { code, message } = toFailure(error);
      // Of one broker of several: what the others have is worth seeing, and the exit code says that it is not all.
      if (rows.length === 0 || context.signal.aborted) throw error;
      print(context, rows);
      throw new CliFailure("PARTIAL", `not every broker told of its disks: ${message}`, {
        details: { code },
        cause: error,
      });
    }
    return rows;
  });
}

async function look(context: CommandContext, directory: string): Promise<DirRow[]> {
  const { survey } = await openDirectory(context, directory);
  return survey.partitions.map(({ name, bytes }): DirRow => {
    const dash = name.lastIndexOf("-");
    return {
      broker: survey.identity?.nodeId ?? null,
      path: survey.path,
      topic: name.slice(0, dash),
      partition: Number(name.slice(dash + 1)),
      bytes,
      lag: null,
    };
  });
}
