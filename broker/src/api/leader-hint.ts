/** Who leads a partition, told to a client that asked the wrong broker or with an old epoch (semantics 8.2, 12.1(5)). */
import type { BrokerContext } from "./broker-context.ts";
import type { ClientContext } from "./client.ts";

export interface LeaderHint {
  readonly leaderId: number;
  readonly leaderEpoch: number;
  readonly host: string;
  readonly port: number;
}

/** Null when there is no leader to name, or its address is not known. */
export function leaderHint(
  context: BrokerContext,
  client: ClientContext,
  topic: string,
  partition: number,
): LeaderHint | null {
  const image = context.image().topics.get(topic)?.partitions[partition];
  if (image === undefined || image.leaderId < 0) return null;
  const endpoint = context.grpcEndpointOf(image.leaderId, client);
  if (endpoint === null) return null;
  return { leaderId: image.leaderId, leaderEpoch: image.leaderEpoch, host: endpoint.host, port: endpoint.port };
}
