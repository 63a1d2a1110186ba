/**
 * One run: several lives of one log directory on one simulated disk, from one seed. Each life opens the directory, works,
 * and ends by a crash inside a disk operation, by a crash between two, or by a clean stop; then the process alone or the
 * whole machine is gone, and everything is checked before and after the next start.
 *
 * The result of a seed is a function of the seed, the code and the mutation only.
 */
import { SeededRandom } from "../../base/index.ts";
import type { FailpointName } from "../../ports/index.ts";
import type { OpenLogDirectory } from "../../storage/index.ts";
import type { RunLimits } from "../seed-run.ts";
import { SimDisk } from "../sim-disk.ts";
import { SimWorld } from "../sim-world.ts";
import { LIFE_END, Life } from "./life.ts";
import { guardRun } from "../run-guard.ts";
import type { MediumMutation } from "./medium-mutation.ts";
import { drawOptions } from "./run-options.ts";
import type { CrashRunOptions } from "./run-options.ts";
import { RunState } from "./run-state.ts";
import { checkMedium, damageFiles } from "./medium-checks.ts";
import { InvariantViolation } from "../violation.ts";

export interface CrashRunResult {
  readonly seed: number;
  readonly failure: CrashFailure | null;
  readonly lives: number;
  readonly operations: number;
  readonly events: number;
  readonly traceHash: string;
  /** Faults that fired and ways lives ended, by name. */
  readonly counts: ReadonlyMap<string, number>;
}

export interface CrashRunLimits extends RunLimits {
  /** Every life but the last is to end at this failpoint. */
  readonly dieAt?: FailpointName | null;
}

export interface CrashFailure {
  /** Invariant that broke, `assertion` for one of the log's own, `error` for anything else that was thrown. */
  readonly invariant: string;
  readonly message: string;
  readonly life: number;
  readonly operation: number;
  readonly options: CrashRunOptions;
  readonly lastEvents: readonly string[];
  readonly stack: string;
}

export async function runLogCrash(
  seed: number,
  open: OpenLogDirectory,
  mutation: MediumMutation | null = null,
  { stopAt = Number.POSITIVE_INFINITY, dieAt = null }: CrashRunLimits = {},
): Promise<CrashRunResult> {
  const random = new SeededRandom(seed);
  const options = drawOptions(random.fork("options"));
  const world = new SimWorld(random);
  world.trace.stopAt = stopAt;
  const medium = new SimDisk({ random, mode: options.diskMode, openFilesMax: options.openFilesMax });
  medium.slowWriteMs = options.slowWriteMs;
  const state = new RunState({ random: random.fork("workload"), options, world, medium, mutation, dieAt });
  let failure: CrashFailure | null = null;
  const release = guardRun((error) => {
    state.unhandled ??= error;
  });
  try {
    await runLives(state, open);
  } catch (error: unknown) {
    failure = toFailure(error, state);
  } finally {
    release();
  }
  for (const [what, count] of medium.faults.fired) state.count(what, count);
  return {
    seed,
    failure,
    lives: state.life,
    operations: medium.operationsCount,
    events: world.trace.count,
    traceHash: world.trace.hash,
    counts: state.counts,
  };
}

async function runLives(state: RunState, open: OpenLogDirectory): Promise<void> {
  const { options, medium, random } = state;
  while (state.life < options.lives) {
    state.life += 1;
    const life = new Life(state, open);
    const end = await life.run();
    state.count(`life ${end}`, 1);
    const kind = random.chance(0.5) ? "process" : "power";
    if (life.leftNoMark && kind === "process") {
      state.count("run ended: a failed sync is not marked");
      return;
    }
    state.world.note(`restart after ${kind}`, end, state.life);
    medium.faults.removeAll();
    medium.observer = null;
    medium.capacityBytes = Number.POSITIVE_INFINITY;
    state.mutation?.beforeRestart?.(medium);
    medium.restart(kind);
    state.count(`restart after ${kind}`, 1);
    checkMedium(state, kind, end === LIFE_END.CLEAN);
    if (options.hasDamage) damageFiles(state);
    state.maybeRemakeTopic();
  }
  // The last start must succeed, whatever came before: nothing is injected and nothing crashes.
  state.life += 1;
  const last = new Life(state, open, { isLast: true });
  await last.run();
  medium.observer = null;
}

function toFailure(error: unknown, state: RunState): CrashFailure {
  const known = error instanceof InvariantViolation ? error : null;
  return {
    invariant: known?.invariant ?? (error instanceof Error && error.name === "AssertionError" ? "assertion" : "error"),
    message: error instanceof Error ? `${known === null ? `${error.name}: ` : ""}${error.message}` : String(error),
    life: state.life,
    operation: state.medium.operationsCount,
    options: state.options,
    lastEvents: state.world.trace.lastLines(),
    stack: error instanceof Error ? (error.stack ?? "") : "",
  };
}
