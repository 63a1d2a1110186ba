/** The way to other brokers by gRPC, and their door. Loaded by who has peers. */
import { PeerDoor } from "./listeners/grpc/peer/index.ts";
import { GrpcPeerTransport } from "./platform/grpc-peer/index.ts";
import { SlabPool } from "./runtime/index.ts";
import type { Peers, PeersOptions } from "./broker-world.ts";

export function grpcPeers({ host, port, limits, bound, ...deps }: PeersOptions): Peers {
  const slabs = new SlabPool();
  const { identity, logger } = deps;
  return {
    transport: new GrpcPeerTransport({ identity, slabs, logger }),
    door: new PeerDoor({ host, port, limits, bound }, { ...deps, slabs }),
  };
}
