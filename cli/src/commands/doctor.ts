/**
 * `doctor`: what stands in the way of a client or a broker on this machine, one line a check: OK, WARN or FAIL with the fix.
 * The client's side goes to the brokers that -b, the environment or a profile names, and asks each what it finds out about itself;
 * without one it says so and goes on. The server's side looks at the machine, and at the data directory of --data-dir or of the configuration, where there is one; of
 * `dev`'s brokers at each.
 *
 * For people the first line is the main cause, then what failed, what is doubtful, what is well. Ends with 9 when something failed.
 */
import { existsSync } from "node:fs";
import type { CommandContext } from "../command-context.ts";
import { ExitCode } from "../exit-codes.ts";
import { CliFailure, toFailure } from "../failure.ts";
import { type CheckResult, collector, worstFirst } from "../doctor/check.ts";
import { layoutOf } from "../platform/data-layout.ts";
import type { DirectoryToCheck } from "../doctor/server-checks.ts";
import { outputFormat } from "../global-flags.ts";
import { printRows } from "../output/rows.ts";
import { plural } from "../output/units.ts";
import { loadServerConfig, type ServerStartRequest, STANDARD_FILE } from "./server.ts";

export interface DoctorRequest extends ServerStartRequest {
  readonly dataDir?: string;
  /** Write a record there and read it back. */
  readonly topic?: string;
  readonly client?: boolean;
  readonly server?: boolean;
}

/** Where `dev` keeps its data. */
const DEV_DIRECTORY = ".tidemark";

export async function doctor(context: CommandContext, request: DoctorRequest): Promise<ExitCode> {
  // Asked for one side, the other is left out.
  const isOne = request.client === true || request.server === true;
  const results: CheckResult[] = [];
  if (!isOne || request.client === true) {
    const { checkClient } = await import("../doctor/client-checks.ts");
    await checkClient(context, results, request.topic);
  }
  if (!isOne || request.server === true) await checkServer(context, request, results);
  const isPage = outputFormat(context.flags) === "table" || outputFormat(context.flags) === "wide";
  const shown = isPage ? worstFirst(results) : results;
  if (isPage && context.flags.columns === null) context.stdout.write(`${verdict(shown)}\n`);
  printRows(context, shown, [
    { title: "status", cell: (row) => row.status },
    { title: "check", cell: (row) => row.check },
    {
      title: "detail",
      cell: (row) => (row.fix === "" ? row.detail : `${row.detail} -> ${row.fix}`),
      value: (row) => row.detail,
    },
    { title: "fix", cell: (row) => row.fix, isWide: true },
    { title: "area", cell: (row) => row.area, isWide: true },
  ]);
  const failed = results.filter(({ status }) => status === "FAIL");
  if (failed.length === 0) return ExitCode.OK;
  throw new CliFailure(
    "UNHEALTHY",
    `${plural(failed.length, "check")} failed: ${failed.map(({ check }) => check).join(", ")}`,
    {
      hint: "each FAIL line says what to do",
      details: { failed },
    },
  );
}

/** The main cause, for whoever reads one line. */
function verdict(results: readonly CheckResult[]): string {
  const [worst] = results;
  if (worst === undefined || worst.status === "OK")
    return `OK: nothing stands in the way, by ${plural(results.length, "check")}`;
  const count = (status: CheckResult["status"]): number => results.filter((one) => one.status === status).length;
  const others = [
    ...(count("FAIL") === 0 ? [] : [`${count("FAIL")} failed`]),
    ...(count("WARN") === 0 ? [] : [`${count("WARN")} doubtful`]),
  ];
  return `${worst.status}: ${worst.check}: ${worst.detail} (${others.join(", ")} of ${plural(results.length, "check")})`;
}

async function checkServer(context: CommandContext, request: DoctorRequest, results: CheckResult[]): Promise<void> {
  const { checkDirectory, checkGroup, checkMachine } = await import("../doctor/server-checks.ts");
  const say = collector("server", results);
  await checkMachine(say);
  try {
    const directory = await directoryOf(context, request);
    if (directory === null) say("OK", "data directory", "none is named; --data-dir DIR or --config FILE looks at one");
    else if (directory.nodeId === null && layoutOf(directory.path).ids.length > 0)
      await checkGroup(say, directory.path, layoutOf(directory.path));
    else await checkDirectory(say, directory);
  } catch (error: unknown) {
    const { code, message, hint } = toFailure(error);
    say("FAIL", "configuration", `${code}: ${message}`, hint ?? `tidemark explain ${code}`);
  }
}

async function directoryOf(context: CommandContext, request: DoctorRequest): Promise<DirectoryToCheck | null> {
  if (request.dataDir !== undefined) return { path: request.dataDir, nodeId: null, hosts: [] };
  const isConfigured = request.config !== undefined || request.set !== undefined || existsSync(STANDARD_FILE);
  if (isConfigured) {
    const { config } = await loadServerConfig(context, request);
    const hosts = config.listeners.map(({ host }) => host);
    return { path: config.dataDirectory, nodeId: config.nodeId, hosts };
  }
  return existsSync(DEV_DIRECTORY) ? { path: DEV_DIRECTORY, nodeId: null, hosts: [] } : null;
}
