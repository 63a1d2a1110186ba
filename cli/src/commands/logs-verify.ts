/**
 * `logs verify DIR`: whether what lies in a data directory, or in the directory of one partition, is whole. Every batch,
 * index, snapshot and checkpoint is read; nothing is written and no lock is taken.
 *
 * For people one line for each finding and a summary, with -v also one for each partition; with -o json or ndjson one object
 * a line, of kind `finding`, `partition` and, last, `summary`. Ends with 9 when something is damaged; a torn tail, which the
 * next start cuts, is none.
 */
import type { Finding, PartitionVerdict } from "@tidemark/broker/tools";
import type { CommandContext } from "../command-context.ts";
import { ExitCode } from "../exit-codes.ts";
import { CliFailure } from "../failure.ts";
import { requireOutput } from "../global-flags.ts";
import { ChunkWriter } from "../output/chunk-writer.ts";
import { Progress } from "../output/progress.ts";
import { formatBytes, plural } from "../output/units.ts";
import { openDirectory, walkHost } from "../platform/data-directory.ts";

export interface VerifyLogsRequest {
  readonly directory: string;
  readonly deep?: boolean;
}

/** Keys are stable. */
interface Summary {
  readonly kind: "summary";
  readonly directory: string;
  readonly isClean: boolean;
  readonly isHealthy: boolean;
  readonly brokerPid: number | null;
  readonly partitions: number;
  readonly segments: number;
  readonly batches: number;
  readonly records: number;
  readonly bytes: number;
  readonly damage: number;
  readonly warnings: number;
  readonly notes: number;
}

export async function verifyLogs(context: CommandContext, request: VerifyLogsRequest): Promise<ExitCode> {
  const asJson = requireOutput(context.flags, ["table", "json", "ndjson"], "table") !== "table";
  const { survey, brokerPid } = await openDirectory(context, request.directory);
  const { verifyDirectory } = await import("@tidemark/broker/tools");
  const isLive = brokerPid !== null;
  let doneBytes = 0;
  const totalBytes = survey.partitions.reduce((sum, { bytes }) => sum + bytes, 0);
  const host = await walkHost(context, (bytes) => {
    doneBytes += bytes;
  });
  const report = new Report(context, asJson);
  const progress = new Progress(context, () => ({ doneBytes, totalBytes, records: null }), { isTyped: false });
  const count = { partitions: 0, segments: 0, batches: 0, records: 0, bytes: 0 };
  try {
    for (const finding of survey.findings) await report.finding(finding);
    for await (const verdict of verifyDirectory(host, survey, { isDeep: request.deep === true, isLive })) {
      await report.partition(verdict);
      count.partitions += 1;
      for (const key of ["segments", "batches", "records", "bytes"] as const) count[key] += verdict[key];
    }
  } finally {
    progress.stop();
    await report.flush();
  }
  const summary: Summary = {
    kind: "summary",
    directory: request.directory,
    isClean: survey.isClean,
    isHealthy: report.damage === 0,
    brokerPid,
    ...count,
    damage: report.damage,
    warnings: report.warnings,
    notes: report.notes,
  };
  await report.summary(summary);
  if (report.damage === 0) return ExitCode.OK;
  throw new CliFailure("DATA_DAMAGED", `${plural(report.damage, "finding")} of damage in ${request.directory}`, {
    exitCode: ExitCode.UNHEALTHY,
    hint: "change nothing there before a copy is made; `tidemark logs recover DIR --dry-run` says what a start would do",
    details: { damage: report.damage },
  });
}

class Report {
  readonly #context: CommandContext;
  readonly #writer: ChunkWriter;
  readonly #asJson: boolean;
  damage = 0;
  warnings = 0;
  notes = 0;

  constructor(context: CommandContext, asJson: boolean) {
    this.#context = context;
    this.#writer = new ChunkWriter(context.stdout);
    this.#asJson = asJson;
  }

  async finding(finding: Finding): Promise<void> {
    if (finding.severity === "damage") this.damage += 1;
    else if (finding.severity === "warning") this.warnings += 1;
    else this.notes += 1;
    const { kind: what, ...rest } = finding;
    await this.#line(this.#asJson ? JSON.stringify({ kind: "finding", what, ...rest }) : findingLine(finding));
  }

  async partition(verdict: PartitionVerdict): Promise<void> {
    const { findings, ...rest } = verdict;
    for (const finding of findings) await this.finding(finding);
    if (this.#asJson) await this.#line(JSON.stringify({ kind: "partition", ...rest, findings: findings.length }));
    else if (this.#context.flags.isVerbose) await this.#line(partitionLine(verdict));
  }

  async summary(summary: Summary): Promise<void> {
    await this.#line(this.#asJson ? JSON.stringify(summary) : summaryLine(summary));
    await this.flush();
  }

  flush(): Promise<void> {
    return this.#writer.end();
  }

  async #line(text: string): Promise<void> {
    if (!this.#writer.appendLine(Buffer.from(text))) await this.#writer.ready();
  }
}

export function findingLine({ severity, kind, path, position, offset, message }: Finding): string {
  const place = [position === null ? "" : `byte ${position}`, offset === null ? "" : `offset ${offset}`].filter(
    (text) => text !== "",
  );
  return `${severity.padEnd(7)}  ${kind}  ${path}${place.length === 0 ? "" : ` (${place.join(", ")})`}: ${message}`;
}

function partitionLine(verdict: PartitionVerdict): string {
  const { directory, segments, batches, records, bytes, startOffset, endOffset, findings } = verdict;
  const worst = findings.some(({ severity }) => severity === "damage") ? "DAMAGED" : "whole";
  const content = `${plural(segments, "segment")}, ${plural(batches, "batch")}, ${plural(records, "record")}, ${formatBytes(bytes)}`;
  return `${worst.padEnd(7)}  ${directory}: offsets ${startOffset} to ${endOffset}, ${content}`;
}

function summaryLine(summary: Summary): string {
  const { partitions, segments, batches, records, bytes, damage, warnings, notes, isHealthy } = summary;
  const content = `${plural(partitions, "partition")}, ${plural(segments, "segment")}, ${plural(batches, "batch")}, ${plural(records, "record")}, ${formatBytes(bytes)}`;
  return `${isHealthy ? "healthy" : "DAMAGED"}: ${content}; ${damage} damage, ${plural(warnings, "warning")}, ${plural(notes, "note")}`;
}
