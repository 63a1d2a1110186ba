/** Whether a mutation is caught, and by which seed. */
import { Mutants } from "./mutant.ts";
import type { Mutation } from "./mutation.ts";
import { type Failure, PROFILES } from "./profiles.ts";

export interface Catch {
  /** Null: it survived. */
  readonly failure: Failure | null;
  readonly seed: number;
  /** Runs that it took. */
  readonly seeds: number;
}

/**
 * The seeds from the mutation's first on, one after the other, until one fails. `isKnownFirst`: before all others the seed that failed
 * when the mutation was written; a change of the modules may move it to another.
 */
export async function searchMutation(
  mutation: Mutation,
  { isKnownFirst }: { readonly isKnownFirst: boolean },
): Promise<Catch> {
  const { profile, from = 1, seedsMax, seed: knownSeed } = mutation;
  const mutants = new Mutants();
  try {
    const run = await PROFILES[profile](mutation, mutants);
    const known = isKnownFirst ? await run(knownSeed) : null;
    if (known !== null) return { failure: known, seed: knownSeed, seeds: 1 };
    for (let seed = from; seed < from + seedsMax; seed++) {
      // One run is a stretch of simulated time.
      // oxlint-disable-next-line no-await-in-loop
      const failure = await run(seed);
      if (failure !== null) return { failure, seed, seeds: seed - from + 1 };
    }
    return { failure: null, seed: from + seedsMax - 1, seeds: seedsMax };
  } finally {
    mutants.remove();
  }
}

/** An exception that is no invariant's proves nothing about the checks. */
export function isCaught({ failure }: Catch): boolean {
  return failure !== null && failure.invariant !== "error";
}
