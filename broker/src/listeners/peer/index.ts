/**
 * listeners/peer: what brokers speak among themselves, both ends of it: the peer door, and the transport that dials the doors of
 * others. Loaded where there are others.
 *
 * Inputs: frames and calls for peers, and TCP connections from whoever finds the port. Outputs: calls to the PeerService, answers,
 * streams, PeerErrors. Invariants: Raft, calls and each stream of replication have connections of their own; nothing is handed on
 * before both ends have said who they are; a frame's length is judged before anything is taken for it.
 *
 * Not here: what frames and calls mean (runtime, runtime/cluster), the bytes of a frame (@tidemark/proto), the simulated twin (sim).
 */
export { PeerDoor, type PeerDoorDeps, type PeerDoorOptions } from "./peer-door.ts";
export { TcpPeerTransport, type TcpPeerTransportOptions } from "./tcp-peer-transport.ts";
