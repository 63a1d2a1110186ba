/** Options of the commands behind `npm run`: what is asked for with --help, and what cannot be meant, is answered in words. */
import { parseArgs, type ParseArgsConfig } from "node:util";

/** Ends the process: 0 behind --help, 2 behind a command line that cannot be read. `usage` is all of it, without an LF at its end. */
export function readCommandLine<Config extends Omit<ParseArgsConfig, "args">>(
  usage: string,
  config: Config,
): ReturnType<typeof parseArgs<Config>> {
  const args = process.argv.slice(2);
  if (args.includes("--help") || args.includes("-h")) {
    process.stdout.write(`${usage}\n`);
    process.exit(0);
  }
  try {
    return parseArgs(config);
  } catch (error: unknown) {
    // The rest of its message is advice for another problem.
    const [what = ""] = (error instanceof Error ? error.message : String(error)).split(". ");
    process.stderr.write(`error: ${what}\n${usage}\n`);
    process.exit(2);
  }
}
