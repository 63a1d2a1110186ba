/**
 * Control calls to one peer, all at a time on one connection: none waits for the answer to another one, for a heartbeat must not wait
 * behind what clients wait for. A call that comes while the peer rests between dials waits for the next dial and fails with it:
 * whoever tries again and again is slowed down by that.
 */
import { PeerFrameKind, PeerPurpose, peerWire, ProtoError } from "@tidemark/proto";
import { type PeerAddress, PeerError } from "../../ports/index.ts";
import { PeerChannel } from "./channel.ts";
import { failureOf, nameOf } from "./connection.ts";
import type { LinkDeps } from "./link-deps.ts";

interface Question {
  readonly id: number;
  readonly message: Buffer;
  /** Once. */
  readonly settle: (outcome: Buffer | PeerError) => void;
}

export class CallLink {
  readonly channel: PeerChannel;
  readonly #deps: LinkDeps;
  /** Not sent yet. */
  readonly #waiting = new Set<Question>();
  /** Sent, and not answered yet; by id. */
  readonly #asked = new Map<number, Question>();
  readonly #watchers = new Set<() => void>();
  #lastId = 0;

  constructor(to: PeerAddress, deps: LinkDeps) {
    this.#deps = deps;
    const isWanted = (): boolean => this.#waiting.size > 0 || this.#watchers.size > 0;
    this.channel = new PeerChannel(to, PeerPurpose.CALLS, deps, {
      get isWanted() {
        return isWanted();
      },
      onOpen: () => this.#askWaiting(),
      onFrame: (kind, payload) => this.#onFrame(kind, payload),
      onLost: (error) => this.#onLost(error),
      onRenewed: (error) => this.#breakOff(error),
    });
  }

  call(method: string, body: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      this.#lastId = (this.#lastId + 1) >>> 0;
      const id = this.#lastId;
      const timer = setTimeout(() => {
        const late = `${nameOf(this.channel.to)} did not answer ${method} within ${timeoutMs} ms`;
        question.settle(new PeerError("timeout", late));
      }, timeoutMs);
      timer.unref();
      const question: Question = {
        id,
        message: peerWire.call.encode({ id, method, body: Buffer.from(body.buffer, body.byteOffset, body.length) }),
        settle: (outcome) => {
          clearTimeout(timer);
          this.#waiting.delete(question);
          this.#asked.delete(id);
          if (outcome instanceof PeerError) reject(outcome);
          else resolve(outcome);
        },
      };
      this.#waiting.add(question);
      this.#askWaiting();
    });
  }

  watch(onLost: () => void): () => void {
    // Of its own, so that one function may watch twice.
    const watcher = (): void => onLost();
    this.#watchers.add(watcher);
    this.channel.want();
    return () => void this.#watchers.delete(watcher);
  }

  #askWaiting(): void {
    if (this.#waiting.size === 0) return;
    const connection = this.channel.current();
    if (connection === null) return this.channel.want();
    for (const question of this.#waiting) {
      this.#waiting.delete(question);
      this.#asked.set(question.id, question);
      connection.send(PeerFrameKind.CALL, [question.message]);
    }
  }

  #onFrame(kind: number, payload: Buffer): void {
    switch (kind) {
      case PeerFrameKind.ANSWER: {
        const { id, body } = peerWire.answer.decode(payload);
        return this.#asked.get(id)?.settle(body);
      }
      case PeerFrameKind.FAILURE: {
        const failure = peerWire.failure.decode(payload);
        return this.#asked.get(failure.id)?.settle(failureOf(failure, "remote"));
      }
      default:
        throw new ProtoError("INVALID_REQUEST", `a frame of kind ${kind} where answers are due`);
    }
  }

  #onLost(error: PeerError): void {
    this.#breakOff(error);
    for (const question of this.#waiting) question.settle(error);
    this.#deps.note(this.channel.to, error);
    for (const watcher of this.#watchers) watcher();
  }

  #breakOff(error: PeerError): void {
    const asked = [...this.#asked.values()];
    this.#asked.clear();
    for (const question of asked) question.settle(error);
  }
}
