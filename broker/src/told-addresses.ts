/**
 * What a start finds out about the addresses that this broker has others told (15.4(3)): each is dialled once, from here. One that
 * nobody answers at is a warning with the key to set; the doctor does the same from where clients are.
 */
import type { Listener } from "./config/index.ts";
import type { Logger } from "./ports/index.ts";
import type { BrokerWorld } from "./broker-world.ts";
import { messageOf } from "./start-error.ts";

/** Of one dial: a host that is there answers sooner. */
const PATIENCE_MS = 3_000;

export interface ToldAddress extends Listener {
  /** By `advertised.listeners`; else the broker has found it by itself. */
  readonly isExplicit: boolean;
}

/** Never rejects. `isOver`: nobody is told any more. */
export async function dialTold(
  addresses: readonly ToldAddress[],
  world: Pick<BrokerWorld, "dial">,
  { logger, isOver }: { readonly logger: Logger; readonly isOver: () => boolean },
): Promise<void> {
  const look = async ({ name: listener, host, port, isExplicit }: ToldAddress): Promise<void> => {
    const address = `${host.includes(":") ? `[${host}]` : host}:${port}`;
    const source = isExplicit ? "advertised.listeners" : "auto";
    try {
      await world.dial({ host, port }, PATIENCE_MS);
      if (!isOver()) logger.info("others are told this address, and it answers", { listener, address, source });
    } catch (error: unknown) {
      if (!isOver())
        logger.warn("others are told an address that does not answer from here: set the key", {
          key: "advertised.listeners",
          listener,
          address,
          source,
          reason: messageOf(error),
        });
    }
  };
  await Promise.all(addresses.map(look));
}
