/** `logs`: commands that look at the files of a data directory. */
import type { Command } from "commander";
import type { DumpSegmentRequest } from "../commands/logs.ts";
import type { VerifyLogsRequest } from "../commands/logs-verify.ts";
import { usageFailure } from "../failure.ts";
import { parseWholeNumber } from "../parse/numbers.ts";
import { type Launch, parsed, withTraits } from "./options.ts";

export function buildLogs(logs: Command, launch: Launch): void {
  logs
    .command("dirs [directory]")
    .description("how much each replica takes of which disk: asks the brokers, or looks into a directory")
    .action((directory: string | undefined, _options: unknown, command: Command) =>
      launch(command, async (context) => (await import("../commands/logs-dirs.ts")).logDirs(context, { directory })),
    );
  withTraits(logs.command("verify [directory]"), { outputs: ["table", "json", "ndjson"] })
    .description("whether a directory is whole, or without one the brokers' replicas are alike; 9 if not")
    .option("--deep", "of a directory: decompress every batch and check every record")
    .addHelpText("after", VERIFY_HELP)
    .action((directory: string | undefined, options: Omit<VerifyLogsRequest, "directory">, command: Command) =>
      launch(command, async (context) => {
        if (directory !== undefined)
          return (await import("../commands/logs-verify.ts")).verifyLogs(context, { directory, ...options });
        if (options.deep === true) throw usageFailure("--deep is for a directory: name one");
        return (await import("../commands/partitions-verify.ts")).verifyPartitions(context, { named: [] });
      }),
    );
  withTraits(logs.command("dump-segment <file...>"), { outputs: ["table", "json", "ndjson"] })
    .description("the batches of segment files, as they lie on disk")
    .option("--records", "also each record")
    .option("--deep", "decompress batches to count and check their records")
    .option("--verify", "check every CRC; exit code 9 if one is wrong")
    .addOption(
      parsed("--offset <n>", "begin at the batch with this offset", (text) => parseWholeNumber(text, { min: 0 })),
    )
    .action((files: string[], options: Omit<DumpSegmentRequest, "files">, command: Command) =>
      launch(command, async (context) =>
        (await import("../commands/logs.ts")).dumpSegment(context, { files, ...options }),
      ),
    );
  withTraits(logs.command("index <file...>"), { outputs: ["table", "json", "ndjson"] })
    .description("the entries of indexes, producer snapshots and checkpoints, held against their segments")
    .action((files: string[], _options: unknown, command: Command) =>
      launch(command, async (context) => (await import("../commands/logs-index.ts")).dumpIndexes(context, { files })),
    );
  withTraits(logs.command("recover <directory>"), { outputs: ["table", "json", "ndjson"], hasDryRun: true })
    .description("with --dry-run: what a start would cut, make anew, remove and rename")
    .action((directory: string, _options: unknown, command: Command) =>
      launch(command, async (context) =>
        (await import("../commands/logs-recover.ts")).recoverLogs(context, { directory }),
      ),
    );
}

const VERIFY_HELP = `
A directory is only read, without a lock, also beside a broker. A torn tail above the recovery point is a note: the next start cuts
it. -v also says what each partition holds. Findings: damage (exit code 9), warning, note.

Without one each broker checks its own bytes, and they are held against those of the other replicas, as \`partitions verify\` does.
`;
