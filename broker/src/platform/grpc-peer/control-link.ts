/**
 * Control calls to one peer, many at a time on one connection. A call that comes while the peer rests between dials waits for the next
 * dial and fails with it: whoever tries again and again is slowed down by that.
 */
import type { ClientHttp2Session } from "node:http2";
import { PEER_METHODS, peerWire } from "@tidemark/proto";
import { type PeerAddress, PeerError } from "../../ports/index.ts";
import { PeerChannel } from "./channel.ts";
import { ClientCall } from "./client-call.ts";
import { nameOf } from "./connection.ts";
import type { LinkDeps } from "./link-deps.ts";

/** Below what the peer door takes on one connection: the others wait here, and none is refused for want of a place. */
const IN_FLIGHT_MAX = 48;

/** A method that nobody serves, and need not. */
const HELLO = "peer/hello";
const HELLO_TIMEOUT_MS = 5_000;

interface Question {
  readonly message: Buffer;
  /** Null until it is sent. */
  call: ClientCall | null;
  /** Once. */
  readonly settle: (outcome: Buffer | PeerError) => void;
}

export class ControlLink {
  readonly channel: PeerChannel;
  readonly #deps: LinkDeps;
  /** Not sent yet. */
  readonly #waiting = new Set<Question>();
  readonly #watchers = new Set<() => void>();
  #inFlight = 0;

  constructor(to: PeerAddress, deps: LinkDeps) {
    this.#deps = deps;
    const isWanted = (): boolean => this.#waiting.size > 0 || this.#watchers.size > 0;
    this.channel = new PeerChannel(to, {
      get isWanted() {
        return isWanted();
      },
      onOpen: () => this.#onOpen(),
      onLost: (error) => this.#onLost(error),
    });
  }

  call(method: string, body: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        const late = new PeerError(
          "timeout",
          `${nameOf(this.channel.to)} did not answer ${method} within ${timeoutMs} ms`,
        );
        question.settle(late);
        question.call?.cancel(late);
      }, timeoutMs);
      timer.unref();
      let isSettled = false;
      const question: Question = {
        message: peerWire.callRequest.encode({ method, body: asBuffer(body) }),
        call: null,
        settle: (outcome) => {
          if (isSettled) return;
          isSettled = true;
          clearTimeout(timer);
          this.#waiting.delete(question);
          if (outcome instanceof PeerError) reject(outcome);
          else resolve(outcome);
        },
      };
      this.#waiting.add(question);
      if (this.channel.session === null) this.channel.want();
      else this.#askWaiting();
    });
  }

  watch(onLost: () => void): () => void {
    // Of its own, so that one function may watch twice.
    const watcher = (): void => onLost();
    this.#watchers.add(watcher);
    this.channel.want();
    return () => void this.#watchers.delete(watcher);
  }

  /**
   * A connection that is only watched carries no call, and its peer waits in vain for a name: it would take us for a stranger, close it, and
   * be dialled as if it had gone. So the first word is ours; any answer will do.
   */
  #onOpen(): void {
    if (this.#waiting.size === 0) void this.call(HELLO, Buffer.alloc(0), HELLO_TIMEOUT_MS).catch(() => undefined);
    else this.#askWaiting();
  }

  #askWaiting(): void {
    const { session } = this.channel;
    if (session === null) return;
    for (const question of this.#waiting) {
      if (this.#inFlight >= IN_FLIGHT_MAX) return;
      this.#waiting.delete(question);
      this.#ask(session, question);
    }
  }

  #ask(session: ClientHttp2Session, question: Question): void {
    const { to } = this.channel;
    let answer: Buffer | null = null;
    const call = new ClientCall(session, this.#deps.callOptions(PEER_METHODS.call, to), {
      onAnswered: (headers) => this.#deps.meet(to, headers),
      onMessage: (message) => {
        answer = peerWire.callResponse.decode(message).body;
      },
      onWritten: () => undefined,
      onClosed: (error) => {
        this.#inFlight--;
        question.settle(error ?? answer ?? new PeerError("closed", `${nameOf(to)} ended a call without an answer`));
        // It will not want the next one either.
        if (error?.kind === "refused") this.channel.drop(error);
        else this.#askWaiting();
      },
    });
    this.#inFlight++;
    question.call = call;
    call.send([question.message]);
    call.end();
  }

  #onLost(error: PeerError): void {
    for (const question of this.#waiting) question.settle(error);
    this.#deps.note(this.channel.to, error);
    for (const watcher of this.#watchers) watcher();
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}
