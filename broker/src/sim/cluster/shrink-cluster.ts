/**
 * A run that failed, made small (testing.md 3.5): first its plan, then its options, while it fails in the same way. The failure is
 * known by its invariant, and where that is no more than "assertion", "error" or "not in time" by what it says as well.
 */
import { PEER_STREAM_AHEAD_BYTES } from "../../ports/index.ts";
import type { SeedFailure } from "../seed-run.ts";
import { shrinkList } from "../shrink.ts";
import { CALM_NETWORK } from "../network/index.ts";
import type { PlanStep } from "./plan.ts";
import type { ClusterSeedResult } from "./run-cluster.ts";
import type { ClusterOptions, ClusterTopic } from "./run-options.ts";

/** All that a run depends on beside the code. */
export interface ClusterCase {
  readonly seed: number;
  readonly options: ClusterOptions;
  readonly plan: readonly PlanStep[];
}

export interface ShrinkOptions {
  /** Runs that may be made. */
  readonly runsMax: number;
  /** A smaller case was found. */
  readonly onSmaller?: (smaller: ShrunkCase) => void;
}

export interface ShrunkCase {
  readonly found: ClusterCase;
  /** Of `found`. */
  readonly result: ClusterSeedResult;
  readonly runs: number;
}

/** Names that say only what kind of thing went wrong. */
const VAGUE = new Set(["assertion", "error", "RE15", "BO2"]);

/** Equal for failures that pass for the same. */
export function kindOfFailure({ invariant, message }: Pick<SeedFailure<unknown>, "invariant" | "message">): string {
  if (!VAGUE.has(invariant)) return invariant;
  // What is missing in the end is told in brackets, and which record or broker it was says nothing.
  return `${invariant}: ${message.replace(/ \(.*/su, "").replaceAll(/\d+/gu, "#")}`;
}

/** Null: the case does not fail when it is run. */
export async function shrinkCluster(
  given: ClusterCase,
  run: (tried: ClusterCase) => Promise<ClusterSeedResult>,
  { runsMax, onSmaller = () => undefined }: ShrinkOptions,
): Promise<ShrunkCase | null> {
  const first = await run(given);
  if (first.failure === null) return null;
  const kind = kindOfFailure(first.failure);
  const spent = { runs: 1 };
  let found = given;
  let result = first;
  const isSpent = (): boolean => spent.runs >= runsMax;
  const fails = async (tried: ClusterCase): Promise<boolean> => {
    spent.runs += 1;
    const now = await run(tried);
    if (now.failure === null || kindOfFailure(now.failure) !== kind) return false;
    [found, result] = [tried, now];
    onSmaller({ found, result, runs: spent.runs });
    return true;
  };
  const shrinkSteps = async (isMeant: (step: PlanStep) => boolean): Promise<void> => {
    const { plan } = found;
    await shrinkList(
      plan.filter(isMeant),
      (steps) => {
        const kept = new Set(steps);
        return fails({ ...found, plan: plan.filter((step) => !isMeant(step) || kept.has(step)) });
      },
      { isSpent },
    );
  };
  const isSend = (step: PlanStep): boolean => "send" in step;
  await shrinkSteps((step) => !isSend(step));
  await shrinkSteps(isSend);
  for (const reset of RESETS) {
    const options = { ...found.options, ...reset(found) };
    if (isSpent() || JSON.stringify(options) === JSON.stringify(found.options)) continue;
    // One after the other: each builds on the last.
    // oxlint-disable-next-line no-await-in-loop
    await fails({ ...found, options });
  }
  // What an option had made necessary.
  await shrinkSteps((step) => !isSend(step));
  return { found, result, runs: spent.runs };
}

/** The plainest value of each option, what a run of it takes least of first. */
const RESETS: readonly ((found: ClusterCase) => Partial<ClusterOptions>)[] = [
  // A plan has what was drawn of them.
  () => ({ faults: {}, changes: {} }),
  () => ({ healsCoreFirst: false }),
  () => ({ losesMost: false }),
  ({ plan, options }) => ({ chaosMs: Math.min(options.chaosMs, Math.ceil(plan.at(-1)?.atMs ?? 0) + 2_000) }),
  () => ({ network: { ...CALM_NETWORK, delayMs: { min: 0.1, max: 1 } } }),
  ({ options }) => ({ topics: options.topics.slice(0, 1) }),
  ({ options }) => ({ topics: options.topics.slice(-1) }),
  ({ options }) => ({ topics: options.topics.map((topic) => ({ ...topic, partitions: 1 })) }),
  ({ options }) => ({
    topics: options.topics.map((topic): ClusterTopic => ({ ...topic, durability: "group-commit" })),
  }),
  ({ options }) => ({ topics: options.topics.map((topic): ClusterTopic => ({ ...topic, retentionBytes: -1 })) }),
  () => ({ brokersCount: 3 }),
  () => ({ racksCount: 1 }),
  () => ({ scrubIntervalMs: 0 }),
  () => ({ moreReaders: 0 }),
  () => ({ streamAheadBytes: PEER_STREAM_AHEAD_BYTES }),
  ({ options }) => ({ producers: options.producers.slice(0, 1) }),
  ({ options }) => ({ producers: options.producers.map((kind) => ({ ...kind, codec: 0 })) }),
  () => ({ recordIntervalMs: 150 }),
  () => ({ valueBytesMax: 20 }),
  () => ({ maxInFlight: 1 }),
  () => ({ isTiny: false, segmentBytes: 131_072 }),
  () => ({ scrubIntervalMs: 0 }),
  () => ({ directoryMode: "journal" }),
  () => ({ deliveryTimeoutMs: 30_000 }),
  () => ({ sessionTimeoutMs: 3_000 }),
];
