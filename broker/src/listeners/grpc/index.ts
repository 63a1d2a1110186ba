/**
 * listeners/grpc: the gRPC door: our SDK, and any client generated from proto/tidemark/v1.
 *
 * Inputs: HTTP/2 connections from peers nobody vouches for. Outputs: calls to the use cases of api, and their answers as
 * messages, statuses and coded errors. Invariants: whatever arrives ends in an answer, a status or a closed connection, never
 * in a fault of the process; what clients have not read, and what they may still send, is bounded in bytes.
 *
 * Not here: what a request means (api); TLS and logins; what brokers speak among themselves (listeners/peer).
 */
export type { GrpcDoorOptions } from "./grpc-door.ts";
export { GrpcDoor } from "./grpc-door.ts";
