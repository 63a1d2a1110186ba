/** A seed of the profile "store", and its verdict. */
import type { createRaftStore, openRaftStore } from "../../storage/index.ts";
import { guardRun } from "../run-guard.ts";
import { failureOf, type RunLimits, type SeedFailure, type SeedResult } from "../seed-run.ts";
import type { DirectoryMode } from "../sim-tree.ts";
import { StoreRun } from "./store-run.ts";

/** The shipping code that a run is made of. */
export interface RaftStoreRoom {
  readonly createRaftStore: typeof createRaftStore;
  readonly openRaftStore: typeof openRaftStore;
}

export interface RaftStoreOptions {
  readonly directoryMode: DirectoryMode;
  readonly lives: number;
  /** Bits flip and files vanish between lives, after clean stops too. */
  readonly hasRot: boolean;
}

export type RaftStoreResult = SeedResult<RaftStoreOptions>;

/** Never rejects for a failure that it finds. One run at a time in a process. */
export async function runRaftStore(
  seed: number,
  room: RaftStoreRoom,
  { stopAt = Number.POSITIVE_INFINITY }: RunLimits = {},
): Promise<RaftStoreResult> {
  const run = new StoreRun(seed, room);
  const { options, world, counts } = run;
  world.trace.stopAt = stopAt;
  const endGuard = guardRun((error) => run.fail(error));
  let failure: SeedFailure<RaftStoreOptions> | null = null;
  try {
    await run.run();
  } catch (error: unknown) {
    failure = failureOf(error, { options, trace: world.trace });
  } finally {
    endGuard();
  }
  return { seed, failure, events: world.trace.count, traceHash: world.trace.hash, counts };
}
