/**
 * One line of `tidemark doctor`: what was looked at, what was found, and what to do about it. A check never throws: what it
 * cannot find out is a finding too.
 */
export type CheckStatus = "OK" | "WARN" | "FAIL";

/** Keys are stable. */
export interface CheckResult {
  /** The way to the brokers; this machine and its data directory; what running brokers say of themselves; the cluster as a whole. */
  readonly area: "client" | "server" | "broker" | "cluster";
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

/** Names of checks, causes before what follows from them; those that stand nowhere come last, as they were found. */
const CAUSES: readonly RegExp[] = [
  /^settings$/,
  /^configuration$/,
  /^quorum-lost$/,
  /^metadata-full$/,
  /disk space$|free space$/,
  /^disk-full$/,
  /^directory-offline$/,
  /fsync$/,
  /advertised/,
  /^start$/,
  /^broker (name|port)$/,
  /controller$/,
  /^no-controller$/,
  /damage/,
  /^broker-/,
  /clock$/,
  /last stop$/,
  /open files$/,
  /event loop$/,
  /min\.insync\.replicas$/,
  /^log-not-open$/,
  /^leaderless$/,
  /^under-min-isr$/,
  /^under-replicated$/,
];

const STATUSES: readonly CheckStatus[] = ["FAIL", "WARN", "OK"];

/** What fails first, then what is doubtful; of both what explains the rest. */
export function worstFirst(results: readonly CheckResult[]): CheckResult[] {
  const rank = ({ status, check }: CheckResult): number => {
    const slot = CAUSES.findIndex((name) => name.test(check));
    const cause = slot < 0 ? CAUSES.length : slot;
    return STATUSES.indexOf(status) * (CAUSES.length + 1) + (status === "OK" ? 0 : cause);
  };
  return results.toSorted((a, b) => rank(a) - rank(b));
}
