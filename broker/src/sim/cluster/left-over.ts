/** BO3, and BO2 behind the stop: a broker that has stopped leaves nothing behind in its process, which may go on without it. */
import type { BrokerContext } from "../../api/index.ts";
import type { SimNetwork } from "../network/index.ts";
import type { SimDisk } from "../sim-disk.ts";
import type { SimProcess } from "../sim-world.ts";
import { heldAfterStop } from "./bounds.ts";
import { ensure } from "../violation.ts";

export interface Stopped {
  readonly name: string;
  readonly process: SimProcess;
  readonly disk: SimDisk;
  readonly network: SimNetwork;
  /** Null: it has not come as far as its logs. */
  readonly context: BrokerContext | null;
}

/** Looked at when its stop has ended. */
export function ensureNothingLeft({ name, process, disk, network, context }: Stopped): void {
  const timers = process.world.errandsOf(process);
  ensure(timers.length === 0, "BO3", () => `${name} has stopped, and timers go on: ${timers.join(" | ")}`);
  const { openFilesCount, pendingCount } = disk;
  ensure(openFilesCount === 0, "BO3", () => `${name} has stopped, and ${openFilesCount} files are open`);
  ensure(pendingCount === 0, "BO3", () => `${name} has stopped, and ${pendingCount} operations of its disk go on`);
  const held = context === null ? null : heldAfterStop(name, context);
  ensure(held === null, "BO2", () => `when it has stopped ${held}`);
  const places = network.placesOf(process);
  ensure(places.length === 0, "BO3", () => `${name} has stopped, and has in the network: ${places.join(", ")}`);
}
