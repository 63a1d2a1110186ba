/** listeners/grpc/peer: the peer door, by which other brokers reach this one. Loaded where there are others. */
export { PeerDoor, type PeerDoorDeps, type PeerDoorOptions } from "./peer-door.ts";
