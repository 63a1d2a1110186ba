/** `version`: the one version number of all packages, and the Node and platform it runs on. */
import { readFileSync } from "node:fs";
import type { CommandContext } from "../command-context.ts";
import { ExitCode } from "../exit-codes.ts";
import { outputFormat } from "../global-flags.ts";
import { printRows } from "../output/rows.ts";

export async function version(context: CommandContext): Promise<ExitCode> {
  const row = { tidemark: readVersion(), node: process.versions.node, platform: `${process.platform}-${process.arch}` };
  if (outputFormat(context.flags) === "table") {
    context.stdout.write(`tidemark ${row.tidemark} (node ${row.node}, ${row.platform})\n`);
  } else {
    printRows(context, [row], []);
  }
  return ExitCode.OK;
}

/** From package.json, which stands three levels above the compiled file. */
export function readVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL("../../../package.json", import.meta.url), "utf8"));
  if (typeof manifest === "object" && manifest !== null && "version" in manifest) return String(manifest.version);
  return "unknown";
}
