/**
 * Why a broker did not start, as a failure of the command line. Codes of the broker's own errors are kept; a busy port is
 * looked into, because "in use" helps nobody who does not know by whom.
 */
import { CliFailure, toFailure } from "../failure.ts";
import { findPortOwner } from "./port-owner.ts";

/** `portHint` says which setting moves the port that was busy. */
export function explainStartFailure(error: unknown, portHint: (port: number) => string): CliFailure {
  const port = busyPort(error);
  if (port === null || !(error instanceof Error)) return toFailure(error);
  const owner = findPortOwner(port);
  const who = owner === null ? "by a process that cannot be seen from here" : `by pid ${owner.pid} (${owner.command})`;
  return new CliFailure("PORT_IN_USE", `${error.message}, ${who}`, {
    hint: portHint(port),
    details: { port, pid: owner?.pid ?? null },
    cause: error,
  });
}

function busyPort(error: unknown): number | null {
  if (!(error instanceof Error) || !("code" in error) || error.code !== "EADDRINUSE") return null;
  return "port" in error && typeof error.port === "number" ? error.port : null;
}
