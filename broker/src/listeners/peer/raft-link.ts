/**
 * Raft messages to one peer, on a connection that carries nothing else. Best effort: while the connection is made they wait, PEER_
 * RAFT_QUEUE_BYTES at most; while the peer is away, or does not read, they are dropped. Raft sends again what matters.
 */
import { PeerFrameKind, PeerPurpose, ProtoError } from "@tidemark/proto";
import { PEER_RAFT_QUEUE_BYTES, type PeerAddress, type PeerError } from "../../ports/index.ts";
import { PeerChannel } from "./channel.ts";
import type { LinkDeps } from "./link-deps.ts";

export class RaftLink {
  readonly channel: PeerChannel;
  readonly #deps: LinkDeps;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;

  constructor(to: PeerAddress, deps: LinkDeps) {
    this.#deps = deps;
    this.channel = new PeerChannel(to, PeerPurpose.RAFT, deps, {
      isWanted: false,
      onOpen: () => this.#onOpen(),
      onFrame: (kind) => {
        throw new ProtoError("INVALID_REQUEST", `a frame of kind ${kind} where nothing is answered`);
      },
      onLost: (error) => this.#onLost(error),
      onRenewed: () => undefined,
    });
  }

  send(frame: Uint8Array): void {
    const connection = this.channel.current();
    if (connection !== null) {
      const { aheadBytes } = connection;
      if (aheadBytes === 0 || aheadBytes + frame.length <= PEER_RAFT_QUEUE_BYTES)
        connection.send(PeerFrameKind.DATA, [frame]);
      return;
    }
    if (this.channel.isResting) return;
    if (this.#waiting.length > 0 && this.#waitingBytes + frame.length > PEER_RAFT_QUEUE_BYTES) return;
    this.#waiting.push(frame);
    this.#waitingBytes += frame.length;
    this.channel.want();
  }

  #onOpen(): void {
    const connection = this.channel.current();
    for (const frame of this.#waiting) connection?.send(PeerFrameKind.DATA, [frame]);
    this.#forget();
  }

  #onLost(error: PeerError): void {
    this.#forget();
    this.#deps.note(this.channel.to, error);
  }

  #forget(): void {
    this.#waiting = [];
    this.#waitingBytes = 0;
  }
}
