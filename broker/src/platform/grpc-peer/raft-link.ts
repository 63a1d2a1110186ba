/**
 * Raft messages to one peer, on a connection that carries nothing else. Best effort: while the connection is made they wait, PEER_
 * RAFT_QUEUE_BYTES at most; while the peer is away, or does not read, they are dropped. Raft sends again what matters.
 */
import type { ClientHttp2Session } from "node:http2";
import { PEER_METHODS, peerFrameHead } from "@tidemark/proto";
import { PEER_RAFT_QUEUE_BYTES, type PeerAddress, PeerError } from "../../ports/index.ts";
import { PeerChannel } from "./channel.ts";
import { ClientCall } from "./client-call.ts";
import type { LinkDeps } from "./link-deps.ts";

export class RaftLink {
  readonly channel: PeerChannel;
  readonly #deps: LinkDeps;
  #call: ClientCall | null = null;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;

  constructor(to: PeerAddress, deps: LinkDeps) {
    this.#deps = deps;
    this.channel = new PeerChannel(to, {
      isWanted: false,
      onOpen: (session) => this.#onOpen(session),
      onLost: (error) => this.#onLost(error),
    });
  }

  send(frame: Uint8Array): void {
    const call = this.#call;
    if (call !== null) {
      if (call.aheadBytes === 0 || call.aheadBytes + frame.length <= PEER_RAFT_QUEUE_BYTES) sendFrame(call, frame);
      return;
    }
    if (this.channel.isResting) return;
    if (this.#waiting.length > 0 && this.#waitingBytes + frame.length > PEER_RAFT_QUEUE_BYTES) return;
    this.#waiting.push(frame);
    this.#waitingBytes += frame.length;
    this.channel.want();
  }

  #onOpen(session: ClientHttp2Session): void {
    const call = new ClientCall(session, this.#deps.callOptions(PEER_METHODS.raft, this.channel.to), {
      onAnswered: (headers) => this.#deps.meet(this.channel.to, headers),
      onMessage: () => undefined,
      onWritten: () => undefined,
      onClosed: (error) => {
        if (this.#call !== call) return;
        this.#call = null;
        this.channel.drop(error ?? new PeerError("closed", "the other side ended the stream"));
      },
    });
    this.#call = call;
    for (const frame of this.#waiting) sendFrame(call, frame);
    this.#forget();
  }

  #onLost(error: PeerError): void {
    this.#call = null;
    this.#forget();
    this.#deps.note(this.channel.to, error);
  }

  #forget(): void {
    this.#waiting = [];
    this.#waitingBytes = 0;
  }
}

function sendFrame(call: ClientCall, frame: Uint8Array): void {
  call.send([peerFrameHead(frame.length), frame]);
}
