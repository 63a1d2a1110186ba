/**
 * SIGINT and SIGTERM, seen once for the whole process: the first asks the running command to stop cleanly (through the
 * AbortSignal it was given), a second ends the process at once. The exit code is the shell's: 130 and 143.
 *
 * One Ctrl-C under npm arrives twice: the terminal signals the whole process group, and npm hands its own copy on. What
 * follows the first signal within a second is therefore taken as the same wish, or `npm start` would never stop cleanly.
 */
import { ExitCode } from "./exit-codes.ts";

export interface StopSignals {
  readonly signal: AbortSignal;
  /** The exit code of the signal that came first, or null while none has. */
  exitCode(): ExitCode | null;
}

/** The part of `process` that is used here. */
export interface SignalTarget {
  on(name: "SIGINT" | "SIGTERM", listener: (name: NodeJS.Signals) => void): unknown;
  exit(code: ExitCode): void;
}

const SAME_WISH_MS = 1000;

/** `now`: milliseconds of a clock that never goes back. `onInterrupt`: told of the first signal, if it is a SIGINT. */
export function watchStopSignals(
  target: SignalTarget,
  now: () => number,
  onInterrupt: () => void = () => undefined,
): StopSignals {
  const controller = new AbortController();
  let first: { readonly code: ExitCode; readonly at: number } | null = null;
  const onSignal = (name: NodeJS.Signals): void => {
    const code = name === "SIGINT" ? ExitCode.INTERRUPTED : ExitCode.TERMINATED;
    if (first !== null) {
      if (now() - first.at >= SAME_WISH_MS) target.exit(code);
      return;
    }
    first = { code, at: now() };
    if (name === "SIGINT") onInterrupt();
    controller.abort(new Error(`stopped by ${name}`));
  };
  target.on("SIGINT", onSignal);
  target.on("SIGTERM", onSignal);
  return { signal: controller.signal, exitCode: () => first?.code ?? null };
}
