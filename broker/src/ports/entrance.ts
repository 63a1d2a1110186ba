/** Where others reach a broker: a door as its life cycle sees it. What comes in there is the affair of its adapter. */
import type { CountedDoor } from "./metrics.ts";

export interface Entrance extends CountedDoor {
  /** Where it stands, the port as bound. Only between `listen` and `close`. */
  readonly address: { readonly host: string; readonly port: number };
  /** Rejects with BusyAddressError when the address is taken, or not ours to take. */
  listen(): Promise<void>;
  /** What was taken in is finished, as far as that does not take long. Any number of calls. */
  close(): Promise<void>;
}

/** That of clients: it stands before the broker is ready, so that its address can be registered, and refuses them until `open`. */
export interface ClientEntrance extends Entrance {
  open(): void;
  /** `drainMs`: how long what was taken in may take; its own bound where nobody says. */
  close(drainMs?: number): Promise<void>;
}
