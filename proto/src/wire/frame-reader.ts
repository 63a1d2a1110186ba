/**
 * Takes the frames of a connection between brokers (tidemark/v1/peer.proto) out of its bytes, which are read straight to where they
 * stay: whoever reads asks for `room`, and says with `filled` how much of it came.
 *
 * Heads and small frames land in memory of the reader's own, and are copied out of it. Of a larger frame the rest is read into a slab
 * that becomes the frame, with room for the head behind it, so that one read ends a frame and begins the next.
 *
 * What is kept grows with the bytes that arrived: a frame beyond FIRST_SLAB_BYTES gets more by doubling, never by the length that was
 * announced. That length is judged before anything is taken for it.
 */
import { ProtoError } from "../errors.ts";
import type { MessageSlabs } from "./message-reader.ts";
import { PEER_HEAD_BYTES } from "./peer.ts";

const LANDING_BYTES = 16 * 1024;
/** Nearly every frame of replication fits, and the head behind it: one message of records and what is around them. */
const FIRST_SLAB_BYTES = 1280 * 1024;

/** One frame; `slab` is the memory that it lies in if that may be given back. */
export type OnFrame = (kind: number, payload: Buffer, slab: Buffer | null) => void;

export class FrameReader {
  /** Of a payload; what is larger is refused. */
  maxBytes: number;
  readonly #slabs: MessageSlabs & { give(slab: Buffer): void };
  readonly #onFrame: OnFrame;
  readonly #landing = Buffer.allocUnsafeSlow(LANDING_BYTES);
  /** In `#landing` from its start, or in `#slab`. */
  #filledBytes = 0;
  /** For the payload under way; null: it lands. */
  #slab: Buffer | null = null;
  #kind = 0;
  #payloadBytes = 0;
  #framesCount = 0;
  #isDropped = false;

  constructor(options: { maxBytes: number; slabs: MessageSlabs & { give(slab: Buffer): void }; onFrame: OnFrame }) {
    this.maxBytes = options.maxBytes;
    this.#slabs = options.slabs;
    this.#onFrame = options.onFrame;
  }

  /** Frames that were whole so far. */
  get framesCount(): number {
    return this.#framesCount;
  }

  /** True while a frame has begun and is not whole. */
  get isInside(): boolean {
    return this.#filledBytes > 0 || this.#slab !== null;
  }

  /** What the frame under way takes in memory; 0: none is. */
  get unfinishedBytes(): number {
    return this.#slab === null ? this.#filledBytes : this.#slab.length;
  }

  /** Where the next bytes go; never empty. It may be asked for again, and is void after `filled`. */
  room(): Buffer {
    if (this.#slab === null) return this.#landing.subarray(this.#filledBytes);
    const end = Math.min(this.#slab.length, this.#payloadBytes + PEER_HEAD_BYTES);
    return this.#slab.subarray(this.#filledBytes, end);
  }

  /** So many bytes of `room` came. Throws ProtoError MESSAGE_TOO_LARGE, INVALID_REQUEST; the connection is over then. */
  filled(bytes: number): void {
    if (this.#isDropped) return;
    this.#filledBytes += bytes;
    if (this.#slab === null) this.#takeLanded();
    else if (this.#filledBytes >= this.#payloadBytes) this.#finishSlab(this.#slab);
    else if (this.#filledBytes === this.#slab.length) this.#growSlab(this.#slab);
  }

  /** The same for bytes that were read to elsewhere. */
  push(chunk: Buffer): void {
    for (let at = 0; at < chunk.length && !this.#isDropped; ) {
      const taken = chunk.copy(this.room(), 0, at);
      at += taken;
      this.filled(taken);
    }
  }

  /** Lets go of the frame under way; nothing is taken in any more. Also from inside `onFrame`. */
  drop(): void {
    this.#isDropped = true;
    this.#slab = null;
    this.#filledBytes = 0;
  }

  #takeLanded(): void {
    const landing = this.#landing;
    const end = this.#filledBytes;
    let at = 0;
    while (end - at >= PEER_HEAD_BYTES) {
      const payloadAt = at + PEER_HEAD_BYTES;
      const payloadBytes = landing.readUInt32BE(at) - 1;
      const kind = landing.readUInt8(at + 4);
      if (payloadBytes < 0) throw new ProtoError("INVALID_REQUEST", "a frame of no bytes");
      if (payloadBytes > this.maxBytes)
        throw new ProtoError("MESSAGE_TOO_LARGE", `a frame of ${payloadBytes} bytes; ${this.maxBytes} are taken`);
      if (payloadBytes > end - payloadAt) {
        if (payloadBytes + PEER_HEAD_BYTES <= LANDING_BYTES) break;
        return this.#beginSlab(kind, payloadBytes, landing.subarray(payloadAt, end));
      }
      at = payloadAt + payloadBytes;
      this.#framesCount += 1;
      // A copy: the landing is used again.
      this.#onFrame(kind, Buffer.from(landing.subarray(payloadAt, at)), null);
      if (this.#isDropped) return;
    }
    landing.copyWithin(0, at, end);
    this.#filledBytes = end - at;
  }

  #beginSlab(kind: number, payloadBytes: number, landed: Buffer): void {
    this.#slab = this.#slabs.take(Math.min(payloadBytes + PEER_HEAD_BYTES, FIRST_SLAB_BYTES));
    this.#kind = kind;
    this.#payloadBytes = payloadBytes;
    this.#filledBytes = landed.copy(this.#slab);
  }

  #growSlab(slab: Buffer): void {
    const grown = this.#slabs.take(Math.min(this.#payloadBytes + PEER_HEAD_BYTES, slab.length * 2));
    slab.copy(grown);
    this.#slabs.give(slab);
    this.#slab = grown;
  }

  #finishSlab(slab: Buffer): void {
    const payloadBytes = this.#payloadBytes;
    this.#slab = null;
    // The next frame may have begun already.
    this.#filledBytes = slab.copy(this.#landing, 0, payloadBytes, this.#filledBytes);
    this.#framesCount += 1;
    this.#onFrame(this.#kind, slab.subarray(0, payloadBytes), slab);
    if (!this.#isDropped) this.#takeLanded();
  }
}
