/**
 * How brokers reach one another: Raft messages, control calls and the bytes of replication, each on a connection of its own, so
 * that a heartbeat never waits behind records (performance 3.3(4)). Two adapters pass one suite: TCP, and the simulated network.
 *
 * The side that dials says who it is (`PeerIdentity`), and the other side answers with the same. A peer of another cluster, or one
 * that is not the node that was dialled, is refused on either side. Nothing here is kept for a peer that is away but what the
 * bounds below say; connections are made when something is to be sent, and again when they break.
 *
 * Ports of a process share no memory with their peers: what is handed out is theirs who got it.
 */
import { type ErrorName, PEER_MESSAGE_BYTES_MAX } from "@tidemark/proto";

/** Where a node's peer door stands. */
export interface PeerAddress {
  readonly nodeId: number;
  readonly host: string;
  readonly port: number;
}

/** Who a node says that it is. */
export interface PeerIdentity {
  /** Empty until a cluster was born or joined: then it meets every cluster. */
  readonly clusterId: string;
  readonly nodeId: number;
  readonly directoryId: string;
  /** Where its own peer door stands; an empty host is the address that it is seen at. */
  readonly door?: { readonly host: string; readonly port: number };
}

/**
 * `unreachable`: no connection. `refused`: the other side is not who it should be, or does not want us (`code` says why).
 * `timeout`: no answer in time; it may have been done. `closed`: the connection broke, or the transport was closed, before
 * the answer; it may have been done. `remote`: the other side answered with an error, `code`.
 */
export type PeerErrorKind = "unreachable" | "refused" | "timeout" | "closed" | "remote";

/** A call or stream failed. */
export class PeerError extends Error {
  readonly kind: PeerErrorKind;
  /** Of the error table; null where no error was answered. */
  readonly code: ErrorName | null;

  constructor(kind: PeerErrorKind, message: string, options: { code?: ErrorName | null; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "PeerError";
    this.kind = kind;
    this.code = options.code ?? null;
  }
}

/** What the other side of a replication stream does. None of them is called inside a call to the stream. */
export interface PeerStreamHandlers {
  /**
   * One frame, in the order in which it was sent. `release`, if there is one, may be called once when nobody looks at `frame` any
   * more: its memory is used again then. Whoever does not call it keeps the frame for as long as he likes.
   */
  onFrame(frame: Buffer, release: (() => void) | null): void;
  /** After a `send` that answered false: there is room again. */
  onDrain(): void;
  /** The stream is over, and nothing is called after this. Null: the other side has closed it, or this one has. */
  onClosed(error: PeerError | null): void;
}

/** One end of a replication stream: ordered, opaque frames both ways. */
export interface PeerStream {
  /**
   * Sends one frame, given whole or in pieces, of PEER_FRAME_BYTES_MAX at most. False: enough is waiting, and the next one should
   * wait for `onDrain`; this one is sent all the same. `onWritten` is called when the memory of the frame is free again; never when
   * the stream breaks off before. A stream that is over takes frames and drops them.
   */
  send(frame: Uint8Array | readonly Uint8Array[], onWritten?: () => void): boolean;
  /** Bytes sent and not taken by the network yet. */
  readonly bufferedBytes: number;
  /** Ends it, behind what was sent. `error` tells the other side why. */
  close(error?: { readonly code: ErrorName; readonly message: string }): void;
}

export interface PeerTransport {
  /** Best effort, in order on one connection; dropped when the peer is away, or when its queue is full. Never throws. */
  sendRaft(to: PeerAddress, frame: Uint8Array): void;
  /** One question and its answer on the control connection. Rejects with PeerError. */
  call(to: PeerAddress, method: string, body: Uint8Array, timeoutMs: number): Promise<Uint8Array>;
  /** On a connection of its own. When it cannot be made, `onClosed` says so; the caller decides when to try again. */
  openReplication(to: PeerAddress, handlers: PeerStreamHandlers): PeerStream;
  /**
   * Keeps a control connection to `to`, and calls `onLost` each time that it closes and each time that it cannot be made (10.4(6)):
   * while a peer is away about once a second. Answers the function that ends it.
   */
  watchControl(to: PeerAddress, onLost: () => void): () => void;
  /**
   * Plain dials: true only if every address that the host's name stands for answered that nobody listens there (ECONNREFUSED). A
   * reset, silence or a connection prove nothing: false.
   */
  isRefused(to: PeerAddress): Promise<boolean>;
  /** The node has made itself heard: what waits to dial it does so now. */
  onPeerHeard(nodeId: number): void;
  /** Peers that do not answer, or refuse this node, and what was heard of them last. */
  awayPeers(): { readonly to: PeerAddress; readonly error: PeerError }[];
  /** This broker stops, and so may the others: what becomes of them is not told any more. */
  leave(): void;
  /** Ends everything: calls reject, streams close, nothing is dialled any more. */
  close(): Promise<void>;
}

/** What a node does for its peers: the other side of PeerTransport, called by its peer door. */
export interface PeerService {
  onRaft(frame: Buffer, from: PeerIdentity): void;
  /** What it rejects with reaches the caller as PeerError `remote`, with its `code` if that is one of the error table. */
  onCall(method: string, body: Buffer, from: PeerIdentity): Promise<Uint8Array>;
  /** A peer has opened a stream to this node. */
  onReplication(stream: PeerStream, from: PeerIdentity): PeerStreamHandlers;
}

/** Largest frame, and largest body of a call: the peer door's limit less what is around it (security 5). */
export const PEER_FRAME_BYTES_MAX = PEER_MESSAGE_BYTES_MAX - 64;
/** Raft frames that wait for one peer; one may go beyond. */
export const PEER_RAFT_QUEUE_BYTES = 8 * 1024 * 1024;
/** A replication stream wants no more when this much waits for the network. */
export const PEER_STREAM_AHEAD_BYTES = 2 * 1024 * 1024;
