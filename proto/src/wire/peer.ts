/**
 * What brokers say to each other (tidemark/v1/peer.proto): the kinds of frames, the messages in them, and who may meet whom. The
 * bytes of a frame are taken apart by `FrameReader`; `peerFrameHead` stands before its payload, which is never copied.
 */
import { message } from "./codec.ts";
import { bytes, string, uint32 } from "./scalars.ts";

/** First byte of what a frame is about; numbers are never used again. */
export const PeerFrameKind = {
  HELLO: 1,
  REFUSED: 2,
  DATA: 3,
  CALL: 4,
  ANSWER: 5,
  FAILURE: 6,
  END: 7,
  ALIVE: 8,
} as const;

/** What a connection is for. */
export const PeerPurpose = { NONE: 0, RAFT: 1, CALLS: 2, REPLICATION: 3 } as const;
export type PeerPurpose = (typeof PeerPurpose)[keyof typeof PeerPurpose];

export interface PeerHello {
  magic: string;
  version: number;
  clusterId: string;
  nodeId: number;
  directoryId: string;
  doorHost: string;
  doorPort: number;
  to: number;
  purpose: number;
  oldestVersion: number;
}

export interface PeerCall {
  id: number;
  method: string;
  body: Buffer;
}

export interface PeerAnswer {
  id: number;
  body: Buffer;
}

export interface PeerFailure {
  id: number;
  code: string;
  message: string;
}

export const peerWire = {
  hello: message<PeerHello>({
    magic: string(1),
    version: uint32(2),
    clusterId: string(3),
    nodeId: uint32(4),
    directoryId: string(5),
    doorHost: string(6),
    doorPort: uint32(7),
    to: uint32(8),
    purpose: uint32(9),
    oldestVersion: uint32(10),
  }),
  call: message<PeerCall>({ id: uint32(1), method: string(2), body: bytes(3) }),
  answer: message<PeerAnswer>({ id: uint32(1), body: bytes(2) }),
  failure: message<PeerFailure>({ id: uint32(1), code: string(2), message: string(3) }),
};

/** Payload of a first frame, at most. */
export const PEER_HELLO_BYTES_MAX = 4096;
/** u32 length of what follows, u8 kind. */
export const PEER_HEAD_BYTES = 5;

/** What stands before `payloadBytes` of payload. */
export function peerFrameHead(kind: number, payloadBytes: number): Buffer {
  const head = Buffer.allocUnsafe(PEER_HEAD_BYTES);
  head.writeUInt32BE(1 + payloadBytes, 0);
  head.writeUInt8(kind, 4);
  return head;
}

// ---- who is there ----

const MAGIC = "tidemark peer";
/**
 * Versions that this broker speaks. Two brokers speak the newest that both know, and refuse each other where there is none: so brokers
 * of two releases stand in one cluster while it is upgraded, one broker after the other. Both ends compute it from both hellos.
 */
export const PEER_VERSIONS: PeerVersions = { oldest: 1, newest: 1 };

export interface PeerVersions {
  readonly oldest: number;
  readonly newest: number;
}

/** What both speak: the newest version that both know; null: there is none. */
export function commonPeerVersion(one: PeerVersions, other: PeerVersions): number | null {
  const version = Math.min(one.newest, other.newest);
  return version < Math.max(one.oldest, other.oldest) ? null : version;
}

/** Who a broker says that it is; `clusterId` empty: it belongs to none yet. */
export interface PeerNames {
  readonly clusterId: string;
  readonly nodeId: number;
  readonly directoryId: string;
  /** Where its own door stands; an empty host is the address that it is seen at. Absent: nowhere that it says. */
  readonly door?: { readonly host: string; readonly port: number };
}

/** What a broker says first. `dialled`: to whom, and what for, where it is the one who dials. */
export function encodePeerHello(
  { clusterId, nodeId, directoryId, door }: PeerNames,
  dialled: { readonly to: number; readonly purpose: PeerPurpose } = { to: 0, purpose: PeerPurpose.NONE },
  versions = PEER_VERSIONS,
): Buffer {
  const [doorHost, doorPort] = door === undefined ? ["", 0] : [door.host, door.port];
  return peerWire.hello.encode({
    magic: MAGIC,
    version: versions.newest,
    oldestVersion: versions.oldest,
    clusterId,
    nodeId,
    directoryId,
    doorHost,
    doorPort,
    ...dialled,
  });
}

/** Who said so, what he dialled for, and the version for both; null: nobody who speaks any of ours. Throws ProtoError INVALID_REQUEST. */
export function decodePeerHello(
  payload: Buffer,
  versions = PEER_VERSIONS,
): { readonly names: PeerNames; readonly to: number; readonly purpose: number; readonly version: number } | null {
  const {
    magic,
    version: newest,
    oldestVersion,
    clusterId,
    nodeId,
    directoryId,
    doorHost,
    doorPort,
    to,
    purpose,
  } = peerWire.hello.decode(payload);
  // Who names no oldest one speaks one alone.
  const oldest = oldestVersion === 0 ? newest : oldestVersion;
  const version = commonPeerVersion(versions, { oldest, newest });
  if (magic !== MAGIC || nodeId > NODE_ID_MAX) return null;
  if (oldest > newest || version === null) return null;
  if (clusterId.length > ID_CHARACTERS_MAX || directoryId.length > ID_CHARACTERS_MAX) return null;
  const isDoor = doorPort >= 1 && doorPort <= 65_535 && doorHost.length <= HOST_CHARACTERS_MAX;
  const door = isDoor ? { door: { host: doorHost, port: doorPort } } : {};
  return { names: { clusterId, nodeId, directoryId, ...door }, to, purpose, version };
}

/** What a broker with whom none is common says that it speaks; null: it is no broker, or there is one. Throws as `decodePeerHello`. */
export function foreignVersionsOf(payload: Buffer, versions = PEER_VERSIONS): PeerVersions | null {
  const { magic, version: newest, oldestVersion } = peerWire.hello.decode(payload);
  const oldest = oldestVersion === 0 ? newest : oldestVersion;
  if (magic !== MAGIC || oldest > newest || (oldest <= versions.newest && newest >= versions.oldest)) return null;
  return { oldest, newest };
}

/** Whether two brokers may meet: of one cluster, or one of them of none yet. */
export function mayPeersMeet(one: PeerNames, other: PeerNames): boolean {
  return one.clusterId === other.clusterId || one.clusterId === "" || other.clusterId === "";
}

const NODE_ID_MAX = 2 ** 31 - 1;
const ID_CHARACTERS_MAX = 64;
const HOST_CHARACTERS_MAX = 300;
