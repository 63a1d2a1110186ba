/**
 * A known mistake: what the simulator must find within a stated number of seeds. One that survives is a gap of the simulator.
 *
 * The mistake is made in the compiled text of the modules (mutant.ts), so that the product carries no switch for it; a line that
 * is not found exactly once is an error. What the log asks of its disk, the disk can leave undone instead (`medium`).
 */
import type { ClusterOptions, ClusterRunOptions, MediumMutation } from "../../src/sim/index.ts";

/** Profiles of `npm run sim` that have mutations. */
export type Profile = "raft" | "replication" | "log" | "store" | "cluster";

export interface Edit {
  /** Below the compiled sources. */
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

export interface Mutation {
  /** Unique among all. */
  readonly id: string;
  readonly profile: Profile;
  /** What is done wrongly; the rule of the specification in brackets. */
  readonly what: string;
  readonly edits: readonly Edit[];
  /** Profile log: promises that the disk breaks. */
  readonly medium?: MediumMutation;
  /** Profile replication: instead of what the seed would draw. */
  readonly wanted?: Partial<ClusterRunOptions>;
  /** Profile cluster: the same. */
  readonly given?: Partial<ClusterOptions>;
  /** Where the search begins; default 1. What shows itself rarely is found sooner behind a seed that is known to fail. */
  readonly from?: number;
  /** Seeds within which a run must fail. */
  readonly seedsMax: number;
  /** One that failed when this was written; tests try it first. */
  readonly seed: number;
  /** A run that fails takes many seconds: `npm run sim -- --mutations` has it, `npm test` has not. */
  readonly isDear?: true;
}
