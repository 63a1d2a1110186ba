/**
 * `logs index FILE...`: the entries of files that stand beside segments (`.index`, `.timeindex`, `.txnindex`, `.snapshot`) and
 * of checkpoints. An index whose segment stands beside it is held against that: every entry must lead to the batch it names.
 * Ends with 9 when a file is not whole or an entry leads astray.
 */
import { resolve } from "node:path";
import { type CommandContext, note } from "../command-context.ts";
import { ExitCode } from "../exit-codes.ts";
import { CliFailure, usageFailure } from "../failure.ts";
import { plural } from "../output/units.ts";
import { walkHost } from "../platform/data-directory.ts";
import { requireFile } from "../platform/text-file.ts";
import { dumpSegment } from "./logs.ts";
import { findingLine } from "./logs-verify.ts";

export interface IndexRequest {
  readonly files: readonly string[];
}

export async function dumpIndexes(context: CommandContext, request: IndexRequest): Promise<ExitCode> {
  for (const file of request.files) {
    requireFile(file);
    if (file.endsWith(".log")) throw usageFailure(`${file} is a segment`, "`tidemark logs dump-segment` shows it");
  }
  await dumpSegment(context, { files: request.files });
  const { dumpFile, verifyIndexFile } = await import("@tidemark/broker/tools");
  const host = await walkHost(context, () => undefined);
  const bad: string[] = [];
  for (const file of request.files) {
    try {
      const { entries } = dumpFile(host.disk, file);
      const findings = await verifyIndexFile(host, resolve(file));
      if (findings === null) note(context, `${file}: ${plural(entries.length, "entry")}, whole`);
      else if (findings.length === 0)
        note(context, `${file}: ${plural(entries.length, "entry")}, all lead to their batches`);
      else bad.push(...findings.map(findingLine));
    } catch (error: unknown) {
      if (!(error instanceof Error && "code" in error && error.code === "CORRUPT_MESSAGE")) throw error;
      bad.push(error.message);
    }
  }
  if (bad.length === 0) return ExitCode.OK;
  throw new CliFailure("DATA_DAMAGED", bad.join("\n       "), {
    exitCode: ExitCode.UNHEALTHY,
    hint: "an index is made anew from its segment when it is moved away while no broker runs",
  });
}
