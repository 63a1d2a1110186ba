/**
 * `logs recover DIR --dry-run`: what a start on this directory would do, file by file, and where each log would end. The
 * code of a start itself runs, on a disk that only pretends to change (storage/rehearsal.ts), so nothing is written.
 *
 * Recovery for good needs no command: any start does it. Ends with 9 when a log is damaged, and as a start would end when it
 * would be refused.
 */
import type { OpenReport } from "@tidemark/broker/storage";
import type { DiskChange, RehearsedLog } from "@tidemark/broker/tools";
import type { CommandContext } from "../command-context.ts";
import { ExitCode } from "../exit-codes.ts";
import { CliFailure, usageFailure } from "../failure.ts";
import { requireOutput } from "../global-flags.ts";
import { Progress } from "../output/progress.ts";
import { formatBytes, plural } from "../output/units.ts";
import { openDirectory } from "../platform/data-directory.ts";
import { useNativeParts } from "../native-parts.ts";

export interface RecoverLogsRequest {
  readonly directory: string;
}

interface Said {
  readonly level: "warn" | "error";
  readonly message: string;
  readonly fields: object;
}

export async function recoverLogs(context: CommandContext, request: RecoverLogsRequest): Promise<ExitCode> {
  const asJson = requireOutput(context.flags, ["table", "json", "ndjson"], "table") !== "table";
  if (!context.flags.isDryRun) {
    throw usageFailure("a start recovers by itself; this command only says what it would do", "add --dry-run");
  }
  const { survey } = await openDirectory(context, request.directory);
  if (survey.identity === null && survey.isAlone)
    throw usageFailure(
      `${request.directory} is the directory of one partition`,
      "name the data directory it stands in",
    );
  const { OverlayDisk, rehearseStart } = await import("@tidemark/broker/tools");
  const { FileDisk, SystemClock, SystemTimers } = await import("@tidemark/broker/platform");
  await useNativeParts();
  const disk = new OverlayDisk(new FileDisk(), survey.path);
  const said: Said[] = [];
  let doneBytes = 0;
  const totalBytes = survey.partitions.reduce((sum, { bytes }) => sum + bytes, 0);
  const progress = new Progress(context, () => ({ doneBytes, totalBytes, records: null }), { isTyped: false });
  try {
    const rehearsal = await rehearseStart({
      path: survey.path,
      disk,
      clock: new SystemClock(),
      timers: new SystemTimers(),
      logger: listener(said),
      config: await standardLogConfig(),
      onBytes: (bytes) => {
        context.signal.throwIfAborted();
        doneBytes = bytes;
      },
    });
    const changes = disk.changes();
    await rehearsal.release();
    progress.stop();
    const text = asJson
      ? jsonText(rehearsal.report, rehearsal.logs, changes, said)
      : tableText(survey.path, rehearsal.report, rehearsal.logs, changes, said);
    context.stdout.write(text);
    return verdictOf(rehearsal.logs);
  } finally {
    progress.stop();
  }
}

/** Settings of single topics stand in the metadata, which is not opened: their indexes may come out denser or sparser. */
async function standardLogConfig() {
  const { loadConfig, topicConfig } = await import("@tidemark/broker/config");
  const loaded = loadConfig({ profile: "server", env: {}, flags: { "node.id": "0" } });
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  return topicConfig(loaded.config, new Map()).log;
}

function listener(said: Said[]) {
  const logger = {
    debug: () => undefined,
    info: () => undefined,
    warn: (message: string, fields: object = {}) => void said.push({ level: "warn", message, fields }),
    error: (message: string, fields: object = {}) => void said.push({ level: "error", message, fields }),
    child: () => logger,
  };
  return logger;
}

function verdictOf(logs: readonly RehearsedLog[]): ExitCode {
  const damaged = logs.filter(({ isDamaged }) => isDamaged);
  if (damaged.length === 0) return ExitCode.OK;
  const names = damaged.map(({ name }) => name);
  throw new CliFailure(
    "DATA_DAMAGED",
    `a start would find ${plural(names.length, "log")} damaged: ${names.join(", ")}`,
    {
      exitCode: ExitCode.UNHEALTHY,
      hint: "their bytes stay as they are, and they take no records until an operator decides",
      details: { damaged: names },
    },
  );
}

function jsonText(
  report: OpenReport,
  logs: readonly RehearsedLog[],
  changes: readonly DiskChange[],
  said: readonly Said[],
): string {
  const rows = [
    ...said.map((row) => ({ kind: "said", ...row })),
    ...changes.map(({ kind: change, ...rest }) => ({ kind: "change", change, ...rest })),
    ...logs.map((log) => ({ kind: "log", ...log })),
    { kind: "summary", ...report, changes: changes.length },
  ];
  return rows.map((row) => `${JSON.stringify(row)}\n`).join("");
}

function tableText(
  root: string,
  report: OpenReport,
  logs: readonly RehearsedLog[],
  changes: readonly DiskChange[],
  said: readonly Said[],
): string {
  const short = (path: string): string => (path.startsWith(`${root}/`) ? path.slice(root.length + 1) : path);
  const lines = [
    ...said.map(
      ({ level, message, fields }) => `${level === "warn" ? "warning" : "error"}: ${message} ${JSON.stringify(fields)}`,
    ),
    ...changes.map((change) => changeLine(change, short)),
    ...logs.map(
      (log) =>
        `log ${log.name}: offsets ${log.logStartOffset} to ${log.endOffset}, high watermark ${log.highWatermark}, epoch ${log.latestEpoch}${log.isDamaged ? ", DAMAGED" : ""}`,
    ),
    `${report.clean ? "stopped cleanly" : "not stopped cleanly"}: ${formatBytes(report.bytesScanned)} looked through, ${plural(report.logsRecovered, "log")} recovered, ${formatBytes(report.bytesCut)} cut, ${plural(changes.length, "file")} changed; nothing was written now`,
  ];
  return lines.map((line) => `${line}\n`).join("");
}

function changeLine(change: DiskChange, short: (path: string) => string): string {
  const path = short(change.path);
  switch (change.kind) {
    case "created":
      return `make    ${path} (${change.bytes} bytes)`;
    case "removed":
      return `remove  ${path} (${change.bytes} bytes)`;
    case "renamed":
      return `rename  ${short(change.from)} to ${path}`;
    case "cut":
      return `cut     ${path} from ${change.bytesBefore} to ${change.bytesAfter} bytes`;
    case "rewritten":
      return `rewrite ${path} (${change.bytesBefore} to ${change.bytesAfter} bytes)`;
  }
}
