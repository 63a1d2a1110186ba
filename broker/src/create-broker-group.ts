/** Several brokers in the process of whoever embeds them. What makes a group of brokers is loaded when one is wanted. */
import type { BrokerGroup, BrokerGroupOptions } from "./broker-group.ts";
import { type ConfigKeys, createBroker } from "./create-broker.ts";

/** Makes the brokers of a group and starts none; see BrokerGroupOptions. */
export async function createBrokerGroup(options: BrokerGroupOptions): Promise<BrokerGroup> {
  const { makeBrokerGroup } = await import("./broker-group.ts");
  return makeBrokerGroup(options);
}

export interface StartBrokerGroupOptions {
  /** Default 3. */
  readonly brokers?: number;
  /** One directory for each broker is made in it; without one everything is in memory. */
  readonly dataDirectory?: string;
  /** Keys of docs/configuration.md for all of them, beside what makes them a cluster. */
  readonly config?: ConfigKeys;
}

/**
 * A cluster on free ports of this machine, up and ready; `stop` (or `await using`) ends it. The brokers of
 * `@tidemark/broker/testing` can be killed and cut off, too.
 *
 * @example
 * await using cluster = await startBrokerGroup({ brokers: 3 });
 * const client = new Client({ brokers: cluster.bootstrap });
 */
export async function startBrokerGroup(options: StartBrokerGroupOptions = {}): Promise<BrokerGroup> {
  const { brokers: count = 3, dataDirectory, config = {} } = options;
  const group = await createBrokerGroup({
    count,
    firstPeerPort: 0,
    make: ({ nodeId, keys, peerListener, peerServer }) =>
      createBroker({
        memory: dataDirectory === undefined,
        peerServer,
        config: {
          ...(dataDirectory === undefined ? {} : { "log.dirs": `${dataDirectory}/broker-${nodeId}` }),
          ...config,
          ...keys,
          listeners: ["GRPC://127.0.0.1:0", ...(peerListener === null ? [] : [peerListener])].join(","),
        },
      }),
  });
  await group.start();
  return group;
}
