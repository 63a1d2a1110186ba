/**
 * SIGINT and SIGTERM, seen once for the whole process: the first asks the running command to stop cleanly (through the
 * AbortSignal it was given), a second ends the process at once. The exit code is the shell's: 130 and 143.
 */
import { ExitCode } from "./exit-codes.ts";

export interface StopSignals {
  readonly signal: AbortSignal;
  /** The exit code of the signal that came first, or null while none has. */
  exitCode(): ExitCode | null;
}

export function watchStopSignals(target: NodeJS.Process): StopSignals {
  const controller = new AbortController();
  let firstCode: ExitCode | null = null;
  const onSignal = (name: NodeJS.Signals): void => {
    const code = name === "SIGINT" ? ExitCode.INTERRUPTED : ExitCode.TERMINATED;
    if (firstCode !== null) target.exit(code);
    firstCode = code;
    controller.abort(new Error(`stopped by ${name}`));
  };
  target.on("SIGINT", onSignal);
  target.on("SIGTERM", onSignal);
  return { signal: controller.signal, exitCode: () => firstCode };
}
