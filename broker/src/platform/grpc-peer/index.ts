/**
 * platform/grpc-peer: PeerTransport over gRPC, the dialling side; the other side is the peer door (listeners/grpc). Loaded where
 * there is more than one broker, and by its path: the platform's index does not know it.
 */
export { GrpcPeerTransport, type GrpcPeerTransportOptions } from "./grpc-peer-transport.ts";
