/**
 * Why a broker did not start, as a failure of the command line. Codes of the broker's own errors are kept; a busy port is
 * looked into, because "in use" helps nobody who does not know by whom.
 */
import { CliFailure, toFailure } from "../failure.ts";
import { findPortOwner } from "./port-owner.ts";

/**
 * `portHint` says which setting moves the port that was busy. `ports`: all that are wanted; doors open side by side, and whoever clears
 * the one that was met first is not to meet the next.
 */
export function explainStartFailure(
  error: unknown,
  { portHint, ports }: { readonly portHint: (port: number) => string; readonly ports: readonly number[] },
  ownerOf: typeof findPortOwner = findPortOwner,
): CliFailure {
  const port = busyPort(error);
  if (port === null || !(error instanceof Error)) return toFailure(error);
  const owner = ownerOf(port);
  const who = owner === null ? "by a process that cannot be seen from here" : `by pid ${owner.pid} (${owner.command})`;
  const others = ports
    .filter((other) => other !== 0 && other !== port)
    .flatMap((other) => {
      const holder = ownerOf(other);
      return holder === null || holder.pid === process.pid ? [] : [{ port: other, pid: holder.pid }];
    });
  const told = others.map((other) => (other.pid === owner?.pid ? `${other.port}` : `${other.port} (pid ${other.pid})`));
  const rest = told.length === 0 ? "" : `; and so ${told.length === 1 ? "is" : "are"} ${told.join(", ")}`;
  return new CliFailure("PORT_IN_USE", `${error.message}, ${who}${rest}`, {
    hint: portHint(port),
    details: { port, pid: owner?.pid ?? null, others },
    cause: error,
  });
}

function busyPort(error: unknown): number | null {
  if (!(error instanceof Error) || !("code" in error) || error.code !== "EADDRINUSE") return null;
  return "port" in error && typeof error.port === "number" ? error.port : null;
}
