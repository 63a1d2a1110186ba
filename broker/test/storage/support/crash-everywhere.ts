/** One piece of work on a log directory, cut off at each of its changes of the disk in turn. */
import { SimulatedCrash } from "../../../src/sim/index.ts";
import { StorageMachine } from "./storage-machine.ts";

/** Runs `work` into a crash at its n-th change of the disk, for every n (or each `every`-th) until it comes through. */
export async function crashEverywhere(
  prepare: (machine: StorageMachine) => Promise<(machine: StorageMachine) => Promise<unknown>>,
  check: (machine: StorageMachine, kind: "process" | "power") => Promise<void>,
  every = 1,
): Promise<void> {
  for (const kind of ["process", "power"] as const) {
    for (let operation = 1; operation < 200; operation += every) {
      const machine = new StorageMachine({ seed: operation });
      const work = await prepare(machine);
      machine.medium.crashAfterOperations(operation);
      let isDone = false;
      let failure: unknown = null;
      work(machine).then(
        () => {
          isDone = true;
        },
        (error: unknown) => {
          if (!(error instanceof SimulatedCrash)) failure = error;
        },
      );
      await machine.letPass(200);
      if (failure !== null) throw failure;
      machine.restart(kind);
      await check(machine, kind);
      if (isDone) break;
    }
  }
}
