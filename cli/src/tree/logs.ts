/** `logs`: commands that look at the files of a data directory. */
import type { Command } from "commander";
import type { DumpSegmentRequest } from "../commands/logs.ts";
import { parseWholeNumber } from "../parse/numbers.ts";
import { type Launch, parsed, withTraits } from "./options.ts";

export function addLogs(program: Command, launch: Launch): void {
  const logs = program.command("logs").description("look inside the files of a data directory");
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
}
