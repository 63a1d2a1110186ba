/** Failpoints of a real process, which takes itself what they say: it ends as by `kill -9`, or stands still. */
import process from "node:process";
import { type ArmedFailpoint, type Failpoint, FailpointRegistry } from "../ports/index.ts";

export function processFailpoints(armed: readonly ArmedFailpoint[]): Failpoint {
  const world = {
    crash: () => {
      // Nothing runs behind it: the kernel ends this very thread.
      process.kill(process.pid, "SIGKILL");
      standStill(60_000);
    },
    pause: standStill,
  };
  return new FailpointRegistry(world, armed).failpoint;
}

/** The whole event loop, as a stopped process would. */
function standStill(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
