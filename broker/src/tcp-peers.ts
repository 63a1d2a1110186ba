/** The way to other brokers over TCP, and their door. Loaded by who has peers. */
import { PeerDoor, TcpPeerTransport } from "./listeners/peer/index.ts";
import { SlabPool } from "./runtime/index.ts";
import type { Peers, PeersOptions } from "./broker-world.ts";

export function tcpPeers({ host, port, limits, bound, ...deps }: PeersOptions): Peers {
  const slabs = new SlabPool();
  const { identity, logger } = deps;
  return {
    transport: new TcpPeerTransport({ identity, slabs, logger }),
    door: new PeerDoor({ host, port, limits, bound }, { ...deps, slabs }),
  };
}
