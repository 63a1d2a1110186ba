/**
 * Failpoints of the lives of one simulated process: armed over all of them, met by the one that lives. A death there is what a kill
 * would be; `die` says what becomes of the process, and nothing of it runs behind the place.
 */
import { type ArmedFailpoint, type Failpoint, type FailpointName, FailpointRegistry } from "../ports/index.ts";
import type { SimProcess, SimWorld } from "./sim-world.ts";
import { SimulatedCrash } from "./simulated-crash.ts";

export class SimFailpoints {
  readonly #registry: FailpointRegistry;

  constructor(world: SimWorld, die: (name: FailpointName) => void) {
    this.#registry = new FailpointRegistry({
      crash: (name) => {
        die(name);
        throw new SimulatedCrash(name);
      },
      pause: (ms) => world.block(ms),
    });
  }

  arm(armed: ArmedFailpoint): void {
    this.#registry.arm(armed);
  }

  clear(): void {
    this.#registry.clear();
  }

  of(process: SimProcess): Failpoint {
    return (name) => {
      // What is left of a life does not spend what the next one is to meet.
      if (!process.isAlive) throw new SimulatedCrash(name);
      return this.#registry.failpoint(name);
    };
  }
}
