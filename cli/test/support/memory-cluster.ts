/**
 * Three brokers of one cluster in this process, in memory, with parts of the world in a test's hands: disks that fill up or hang, clocks
 * that are off, cut connections between them. Sessions end after two seconds instead of nine.
 */
import { createBroker, createBrokerGroup } from "@tidemark/broker";
import type { BrokerGroup, BrokerWorld, ConfigKeys } from "@tidemark/broker";
import { makeNetwork, type Network } from "../chaos/network.ts";

export interface MemoryClusterOptions {
  /** Of one broker, beside what makes them a cluster. */
  readonly configOf?: (nodeId: number) => ConfigKeys;
  readonly worldOf?: (nodeId: number) => Partial<BrokerWorld>;
}

export class MemoryCluster implements AsyncDisposable {
  readonly #group: BrokerGroup;
  /** Between the brokers. */
  readonly network: Network;

  private constructor(group: BrokerGroup, network: Network) {
    this.#group = group;
    this.network = network;
  }

  static async start({ configOf, worldOf }: MemoryClusterOptions = {}): Promise<MemoryCluster> {
    const network = makeNetwork("proxies", [1, 2, 3]);
    let isConnected = false;
    const group = await createBrokerGroup({
      count: 3,
      firstPeerPort: 0,
      make: async ({ nodeId, keys, peerListener, peerServer }) => {
        if (!isConnected) await network.connect(peerPorts(keys["controller.quorum.voters"] ?? ""));
        isConnected = true;
        const voters = [1, 2, 3].map((to) => `${to}@${network.peerAddress(nodeId, to)}`).join(",");
        const world = worldOf?.(nodeId);
        return createBroker({
          memory: true,
          peerServer,
          ...(world === undefined ? {} : { world }),
          config: {
            "log.level": "silent",
            "broker.session.timeout.ms": 2_000,
            "broker.heartbeat.interval.ms": 500,
            "tidemark.durability": "group-commit",
            ...keys,
            "controller.quorum.voters": voters,
            listeners: ["GRPC://127.0.0.1:0", ...(peerListener === null ? [] : [peerListener])].join(","),
            ...configOf?.(nodeId),
          },
        });
      },
    });
    await group.start();
    return new MemoryCluster(group, network);
  }

  get bootstrap(): string {
    return this.#group.bootstrap.join(",");
  }

  addressOf(nodeId: number): string {
    return this.#group.bootstrap[nodeId - 1] ?? "";
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.network.heal();
    await this.#group.stop();
    await this.network[Symbol.asyncDispose]();
  }
}

function peerPorts(voters: string): ReadonlyMap<number, number> {
  return new Map(
    voters.split(",").map((voter) => {
      const [, id, port] = /^(\d+)@.*:(\d+)$/.exec(voter) ?? [];
      return [Number(id), Number(port)];
    }),
  );
}

/** `target` with some of its methods replaced; the others, and its private fields, stay its own. */
export function overriding<T extends object>(target: T, overrides: Partial<T>): T {
  return new Proxy(target, {
    get: (_, key) => {
      if (key in overrides) return Reflect.get(overrides, key);
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}
