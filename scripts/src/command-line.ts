/** Options of the commands behind `npm run`: what is asked for with --help, and what cannot be meant, is answered in words. */
import { nearest } from "@tidemark/broker/config";
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
    const [, unknown] = /^Unknown option '--([^']+)'/u.exec(what) ?? [];
    const known = Object.keys(config.options ?? {}).filter((name) => usage.includes(`--${name}`));
    process.stderr.write(`error: ${what}${didYouMean(unknown, known, "--")}\n${usage}\n`);
    process.exit(2);
  }
}

/** Empty: nothing that is known comes near to `name`. */
export function didYouMean(name: string | undefined, known: readonly string[], prefix = ""): string {
  const near = name === undefined ? null : nearest(name, known);
  return near === null ? "" : `; did you mean ${prefix}${near}?`;
}
