/** The cluster as applied here: who belongs to it, who decides, up to which metadata offset. */
import type { BrokerContext } from "./broker-context.ts";
import type { ClientContext } from "./client.ts";

export interface ClusterDescription {
  readonly clusterId: string;
  readonly controllerId: number;
  readonly metadataOffset: number;
  readonly version: string;
  readonly brokers: readonly ClusterBroker[];
}

export interface ClusterBroker {
  readonly id: number;
  readonly host: string;
  readonly port: number;
  readonly rack: string;
  readonly alive: boolean;
}

export function handleDescribeCluster(context: BrokerContext, client: ClientContext): ClusterDescription {
  const { clusterId, controllerId, metadataOffset, brokers } = context.image();
  return {
    clusterId,
    controllerId,
    metadataOffset,
    version: context.version,
    brokers: [...brokers.values()].map(({ brokerId, rack }): ClusterBroker => {
      const endpoint = context.grpcEndpointOf(brokerId, client.dialledHost);
      // One broker is one cluster so far: whoever answers this is alive, and there is nobody else.
      return {
        id: brokerId,
        host: endpoint?.host ?? "",
        port: endpoint?.port ?? 0,
        rack: rack ?? "",
        alive: brokerId === context.config.current.nodeId,
      };
    }),
  };
}
