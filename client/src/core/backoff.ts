/** How long to wait before the next attempt: doubling from the first delay to the longest, with a share left to chance. */

export interface BackoffPolicy {
  readonly initialMs: number;
  readonly maxMs: number;
  /** Share of a delay, 0 to 1, by which it may be shorter or longer, so that clients do not come back together. */
  readonly jitter: number;
}

/** The delay in ms after `failures` failed attempts in a row (1 or more). `random` is in [0, 1). */
export function backoffMs(policy: BackoffPolicy, failures: number, random: number): number {
  const doublings = Math.min(Math.max(failures - 1, 0), 30);
  const delay = Math.min(policy.initialMs * 2 ** doublings, policy.maxMs);
  return delay * (1 + policy.jitter * (2 * random - 1));
}
