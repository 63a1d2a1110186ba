/** Memory that something keeps, without what waits to be collected: how much of that there is depends on the machine's haste. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

setFlagsFromString("--expose-gc");
const collect: unknown = runInNewContext("gc");

/** Bytes on the heap and in buffers. */
export async function keptBytes(): Promise<number> {
  // Twice, with turns between: what a first round lets go of goes with the second, and buffers are given back by other threads.
  for (let round = 0; round < 2; round += 1) {
    if (typeof collect === "function") collect();
    await new Promise((resolve) => setImmediate(resolve));
  }
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}
