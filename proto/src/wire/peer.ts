/**
 * The messages of tidemark/v1/peer.proto, and the metadata by which brokers name themselves to each other. Payloads are opaque
 * here, and copied neither on the way in (views) nor on the way out (`frameHead` goes before them).
 */
import { unsignedVarintBytes, writeUnsignedVarint } from "../varint.ts";
import { message } from "./codec.ts";
import { bytes, string } from "./scalars.ts";

export interface PeerFrame {
  payload: Buffer;
}

export interface PeerCallRequest {
  method: string;
  body: Buffer;
}

export interface PeerCallResponse {
  body: Buffer;
}

export const peerWire = {
  frame: message<PeerFrame>({ payload: bytes(1) }),
  callRequest: message<PeerCallRequest>({ method: string(1), body: bytes(2) }),
  callResponse: message<PeerCallResponse>({ body: bytes(1) }),
};

/** HTTP/2 paths of the peer service. */
export const PEER_METHODS = {
  raft: "/tidemark.v1.Peer/Raft",
  call: "/tidemark.v1.Peer/Call",
  replicate: "/tidemark.v1.Peer/Replicate",
} as const;

const LENGTH_OF_FIELD_1 = 0x0a;

/** What stands before `payloadBytes` of payload in a Frame. */
export function peerFrameHead(payloadBytes: number): Buffer {
  const head = Buffer.allocUnsafe(1 + unsignedVarintBytes(payloadBytes));
  head.writeUInt8(LENGTH_OF_FIELD_1, 0);
  writeUnsignedVarint(head, 1, payloadBytes);
  return head;
}

// ---- who is there ----

/** Another one is refused: brokers of different versions of this service do not understand each other. */
const PEER_VERSION = "1";

/** Who a broker says that it is; `clusterId` empty: it belongs to none yet. */
export interface PeerNames {
  readonly clusterId: string;
  readonly nodeId: number;
  readonly directoryId: string;
  /** Where its own door stands; an empty host is the address that it is seen at. Absent: nowhere that it says. */
  readonly door?: { readonly host: string; readonly port: number };
}

type Headers = Readonly<Record<string, string | string[] | undefined>>;

/** `to`: the node that a request is meant for. */
export function peerHeaders({ clusterId, nodeId, directoryId, door }: PeerNames, to?: number): Record<string, string> {
  return {
    "tidemark-peer-version": PEER_VERSION,
    "tidemark-cluster-id": clusterId,
    "tidemark-node-id": String(nodeId),
    "tidemark-directory-id": directoryId,
    ...(door === undefined ? {} : { "tidemark-peer-door": `${door.host}:${door.port}` }),
    ...(to === undefined ? {} : { "tidemark-peer-to": String(to) }),
  };
}

/** Whose headers these are; null: nobody who speaks this version of the service. */
export function peerNamesFrom(headers: Headers): PeerNames | null {
  const nodeId = nodeIdOf(headers["tidemark-node-id"]);
  const clusterId = headers["tidemark-cluster-id"];
  const directoryId = headers["tidemark-directory-id"];
  if (headers["tidemark-peer-version"] !== PEER_VERSION || nodeId === null) return null;
  if (typeof clusterId !== "string" || clusterId.length > ID_CHARACTERS_MAX) return null;
  if (typeof directoryId !== "string" || directoryId.length > ID_CHARACTERS_MAX) return null;
  const door = doorOf(headers["tidemark-peer-door"]);
  return { clusterId, nodeId, directoryId, ...(door === null ? {} : { door }) };
}

/** The node that a request is meant for; null: it names none. */
export function peerMeantBy(headers: Headers): number | null {
  return nodeIdOf(headers["tidemark-peer-to"]);
}

/** Whether two brokers may meet: of one cluster, or one of them of none yet. */
export function mayPeersMeet(one: PeerNames, other: PeerNames): boolean {
  return one.clusterId === other.clusterId || one.clusterId === "" || other.clusterId === "";
}

const ID_CHARACTERS_MAX = 64;
const DOOR_CHARACTERS_MAX = 300;

/** The port stands behind the last colon: hosts may be IPv6 addresses. */
function doorOf(text: string | string[] | undefined): { host: string; port: number } | null {
  if (typeof text !== "string" || text.length > DOOR_CHARACTERS_MAX) return null;
  const colon = text.lastIndexOf(":");
  const port = Number(text.slice(colon + 1));
  if (colon < 0 || !Number.isInteger(port) || port < 1 || port > 65_535) return null;
  return { host: text.slice(0, colon), port };
}

function nodeIdOf(text: string | string[] | undefined): number | null {
  if (typeof text !== "string" || !/^\d{1,10}$/u.test(text)) return null;
  const nodeId = Number(text);
  return nodeId < 2 ** 31 ? nodeId : null;
}
