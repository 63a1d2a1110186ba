/**
 * Several brokers of one cluster in one process: for development and for tests. Their peer doors are bound before any of them starts, so
 * that each knows where the others are even where all ports are any free ones.
 */
import { once } from "node:events";
import net from "node:net";
import type { AddressInfo, Server } from "node:net";
import { BusyAddressError } from "./ports/index.ts";
import type { Broker } from "./broker.ts";
import { codeOf } from "./start-error.ts";

/** What one broker of the group is given beside its own settings. */
export interface GroupMember {
  readonly nodeId: number;
  /** Keys of the configuration; none for a broker alone, which keeps its own id. */
  readonly keys: Readonly<Record<string, string>>;
  /** "PEER://…" for `listeners`; null for a broker alone. */
  readonly peerListener: string | null;
  readonly peerServer: Server | undefined;
}

export interface BrokerGroupOptions {
  /** They are 1 to `count`. */
  readonly count: number;
  /** Of the peer doors, on the loopback address; 0 = any free ones. */
  readonly firstPeerPort: number;
  /** Makes the broker; it is started later. */
  readonly make: (member: GroupMember) => Promise<Broker>;
}

const HOST = "127.0.0.1";

/** Makes the brokers and starts none. Rejects with BusyAddressError, and as `make` does. */
export async function makeBrokerGroup({ count, firstPeerPort, make }: BrokerGroupOptions): Promise<BrokerGroup> {
  const servers: Server[] = [];
  try {
    for (let slot = 0; count > 1 && slot < count; slot++) {
      // oxlint-disable-next-line no-await-in-loop
      servers.push(await bound(firstPeerPort === 0 ? 0 : firstPeerPort + slot));
    }
    const ports = servers.map((server) => (server.address() as AddressInfo).port);
    const voters = ports.map((port, slot) => `${slot + 1}@${HOST}:${port}`).join(",");
    const brokers: Broker[] = [];
    for (let nodeId = 1; nodeId <= count; nodeId++) {
      const isAlone = count === 1;
      const member: GroupMember = {
        nodeId,
        keys: isAlone ? {} : { "node.id": String(nodeId), "controller.quorum.voters": voters },
        peerListener: isAlone ? null : `PEER://${HOST}:${ports[nodeId - 1]}`,
        peerServer: servers[nodeId - 1],
      };
      // oxlint-disable-next-line no-await-in-loop
      brokers.push(await make(member));
    }
    return new BrokerGroup(brokers, servers);
  } catch (error: unknown) {
    for (const server of servers) server.close();
    throw error;
  }
}

export class BrokerGroup {
  /** By id, from 1 on. */
  readonly brokers: readonly Broker[];
  readonly #servers: readonly Server[];

  constructor(brokers: readonly Broker[], servers: readonly Server[]) {
    this.brokers = brokers;
    this.#servers = servers;
  }

  /** What a client is given: "host:port" of every gRPC door. */
  get bootstrap(): readonly string[] {
    return this.brokers.map(({ grpcAddress }) => grpcAddress);
  }

  /** Resolves when all of them serve. One that cannot start ends the others too. */
  async start(): Promise<void> {
    let failure: { readonly cause: unknown } | null = null;
    await Promise.all(
      this.brokers.map((broker) =>
        broker.start().catch((cause: unknown) => {
          failure ??= { cause };
          return this.stop();
        }),
      ),
    );
    if (failure !== null) throw (failure as { readonly cause: unknown }).cause;
  }

  /** Clean stop of all of them. Any number of calls. Rejects with the first failure when all have stopped. */
  async stop(): Promise<void> {
    const outcomes = await Promise.allSettled(this.brokers.map((broker) => broker.stop()));
    // Those of brokers that were never started.
    for (const server of this.#servers) server.close();
    const failed = outcomes.find((outcome) => outcome.status === "rejected");
    if (failed !== undefined) throw failed.reason;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}

async function bound(port: number): Promise<Server> {
  // Until its broker serves it whoever comes is sent away, and comes again.
  const server = net.createServer({ highWaterMark: 64 * 1024 }, (socket) => socket.destroy());
  try {
    server.listen({ host: HOST, port, backlog: 511 });
    await once(server, "listening");
  } catch (cause: unknown) {
    throw new BusyAddressError({ door: "PEER", host: HOST, port, code: codeOf(cause) ?? "EUNKNOWN", cause });
  }
  return server;
}
