/**
 * One line of `tidemark doctor`: what was looked at, what was found, and what to do about it. A check never throws: what it
 * cannot find out is a finding too.
 */
export type CheckStatus = "OK" | "WARN" | "FAIL";

/** Keys are stable. */
export interface CheckResult {
  readonly area: "client" | "server";
  readonly check: string;
  readonly status: CheckStatus;
  readonly detail: string;
  /** What to do; empty when all is well. */
  readonly fix: string;
}

export type Say = (status: CheckStatus, check: string, detail: string, fix?: string) => void;

/** Collects the lines of one area. */
export function collector(area: CheckResult["area"], results: CheckResult[]): Say {
  return (status, check, detail, fix = "") => results.push({ area, check, status, detail, fix });
}

export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // fetch and connections to several addresses hide the reason one level down.
  if (error instanceof AggregateError && error.errors.length > 0) return reasonOf(error.errors[0]);
  return error.cause instanceof Error && error.message === "fetch failed" ? reasonOf(error.cause) : error.message;
}
