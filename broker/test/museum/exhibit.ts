/** A bug that was found after its code was merged: what it did, why, who found it, what mended it, and what shows that it stays dead. */
import type { ClusterRunOptions } from "../../src/sim/index.ts";

export interface Exhibit {
  readonly id: string;
  readonly symptom: string;
  /** Where the fix tells it. */
  readonly cause?: string;
  /** `review`: by somebody who read the code or tried it. */
  readonly foundBy: "simulator" | "crash runner" | "chaos" | "formal model" | "bit rot runs" | "review";
  /** The commit that mended it; the code before it is `<fix>^`. */
  readonly fix: string;
  /** A seed that failed; a later change may have made it harmless, which its story, the test, is not. */
  readonly seed?: KeptSeed;
  /** Fails on the code before the fix. */
  readonly test?: NamedTest;
  /**
   * What the seed, or without one the test, said on the code before the fix, the invariant first: built from `<fix>^` and run there, by
   * the runner or with the test of the fix; where those are younger, by theirs with the fix, or its part of it, taken back.
   */
  readonly failedBefore: string;
}

export type KeptSeed =
  | { readonly profile: "raft" | "log"; readonly seed: number }
  | { readonly profile: "replication"; readonly seed: number; readonly wanted: Partial<ClusterRunOptions> };

export interface NamedTest {
  /** From the root of the repository. */
  readonly file: string;
  readonly title: string;
}
