/** BO3: a broker that has stopped leaves nothing behind in its process, which may go on without it. */
import type { SimNetwork } from "../network/index.ts";
import type { SimDisk } from "../sim-disk.ts";
import type { SimProcess } from "../sim-world.ts";
import { ensure } from "../violation.ts";

/** Looked at when its stop has ended. */
export function ensureNothingLeft(name: string, process: SimProcess, disk: SimDisk, network: SimNetwork): void {
  const timers = process.world.errandsOf(process);
  ensure(timers.length === 0, "BO3", () => `${name} has stopped, and timers go on: ${timers.join(" | ")}`);
  const { openFilesCount, pendingCount } = disk;
  ensure(openFilesCount === 0, "BO3", () => `${name} has stopped, and ${openFilesCount} files are open`);
  ensure(pendingCount === 0, "BO3", () => `${name} has stopped, and ${pendingCount} operations of its disk go on`);
  const places = network.placesOf(process);
  ensure(places.length === 0, "BO3", () => `${name} has stopped, and has in the network: ${places.join(", ")}`);
}
