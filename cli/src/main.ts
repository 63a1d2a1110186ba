/**
 * The process: hands its words, streams and signals to runCli and ends with its exit code. The only file that reads `process`
 * as a whole and the only one that ends it.
 */
import { ExitCode } from "./exit-codes.ts";
import { reportEarlyEnd, reportLostOutput, runCli } from "./run-cli.ts";
import { watchStopSignals } from "./signals.ts";

// A reader that went away shows as an error event of the stream; who writes much asks the ChunkWriter.
process.stdout.on("error", () => undefined);
process.stderr.on("error", () => undefined);

void main();

/** The command line of this process, to its end. */
async function main(): Promise<never> {
  const { env, stdin, stdout, stderr } = process;
  const stop = watchStopSignals(
    process,
    () => performance.now(),
    // The terminal has written ^C where the cursor stood; what is said next, a prompt above all, begins a line.
    () => void (stdin.isTTY && stderr.isTTY && stderr.write("\n")),
  );
  const args = process.argv.slice(2);
  // With nothing left to wait for, Node ends without getting to the end.
  process.exitCode = ExitCode.FAILED;
  process.once("beforeExit", () => {
    process.exitCode = reportEarlyEnd(args, stderr);
  });
  process.exitCode = await runCli(args, { env, stdin, stdout, stderr, stop });
  await drained(process.stdout);
  // A full disk behind it must not end as a success; a reader that went away (`| head`) may.
  const lost: NodeJS.ErrnoException | null = process.stdout.errored;
  if (lost !== null && lost.code !== "EPIPE" && process.exitCode === ExitCode.OK)
    process.exitCode = reportLostOutput(lost, args, stderr);
  await drained(process.stderr);
  // Standard input may still be open, and nothing else may keep a finished command alive.
  process.exit();
}

/** Resolves when the stream has handed on what was written to it, or cannot any more. */
function drained(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    if (stream.destroyed || !stream.writable) resolve();
    else stream.write("", () => resolve());
  });
}
