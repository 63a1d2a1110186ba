/**
 * wire: the messages of the data service as Protocol Buffers bytes, written by hand for speed.
 *
 * Inputs: messages as plain objects, or bytes from a stranger. Outputs: exact buffers, or objects whose payloads are views
 * of the input; refusals are ProtoError INVALID_REQUEST. Invariant: the bytes are those that any protobuf library reads and
 * writes for tidemark/v1/data.proto and peer.proto; fields of those files are never renumbered. Not here: the admin service's
 * codec (control.ts, through proto-loader), HTTP/2, and what the messages mean.
 */
export type { DeferredMessage, MessageCodec } from "./codec.ts";
export type * from "./messages.ts";
export { Acks, Durability, Isolation, OffsetAt } from "./messages.ts";
export { CHUNK_OBJECT_BYTES, MessageReader, type MessageSlabs, type OnMessage } from "./message-reader.ts";
export { FrameReader, type OnFrame } from "./frame-reader.ts";
export {
  commonPeerVersion,
  decodePeerHello,
  encodePeerHello,
  foreignVersionsOf,
  mayPeersMeet,
  PEER_HELLO_BYTES_MAX,
  PEER_VERSIONS,
  type PeerFailure,
  PeerFrameKind,
  type PeerNames,
  PeerPurpose,
  type PeerVersions,
  peerFrameHead,
  peerWire,
} from "./peer.ts";
export { adminRequests } from "./admin-requests.ts";
export {
  watchEvents,
  type WatchEventsRequest,
  type WatchEventsResponse,
  type WireClusterEvent,
} from "./cluster-events.ts";
export { ADMIN_METHODS, type AdminMethod, DATA_SERVICE, type MethodDescription } from "./service.ts";
export { type FetchResponseCodec, type ReservedFetchResponse, wire } from "./tables.ts";
