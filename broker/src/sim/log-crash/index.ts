/**
 * log-crash: the runner that crashes the log. One seed is one run of several lives; what must hold is testing.md section 4
 * (ST rows) and the storage rows of semantics 16. `runLogCrash` answers with a verdict and never throws for a failure it
 * found.
 */
export { runLogCrash } from "./crash-run.ts";
export type { CrashFailure, CrashRunResult } from "./crash-run.ts";
export type { MediumMutation } from "./medium-mutation.ts";
