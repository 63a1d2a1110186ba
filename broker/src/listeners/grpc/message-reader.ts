/**
 * Takes the messages of one gRPC call out of the bytes of its HTTP/2 stream:
 *
 *     u8 compressed (0) | u32 length, big-endian | length bytes        … again and again
 *
 * What is kept grows with the bytes that arrived, never with the length that was announced. A message that lies in one chunk is
 * a view of it; one that came in pieces is put together in a slab, once, when it is whole. A chunk is itself a view of what the
 * socket has read at once, 64 KiB, all of which stays as long as the chunk does: where a message is the smaller part of that,
 * its pieces are copied out of it while they wait.
 */
import { ApiError } from "../../api/index.ts";
import type { SlabPool } from "../../api/index.ts";

const PREFIX_BYTES = 5;
/** Chunks below this are put together while a message arrives: each is an object that outweighs its bytes. */
const SMALL_BYTES = 1024;
const SMALL_CHUNKS_MAX = 256;
/** A kept chunk is at least this share of the memory that it is a view of. */
const SHARE_OF_READ = 1 / 4;
/** What a chunk takes beside its bytes, about. */
export const CHUNK_OBJECT_BYTES = 256;

/** A message; `slab` is the memory that it lies in if that must be given back. */
export type OnMessage = (message: Buffer, slab: Buffer | null) => void;

export class MessageReader {
  readonly #maxBytes: number;
  readonly #slabs: SlabPool;
  readonly #onMessage: OnMessage;
  /** Of the message under way: what has arrived, prefix included. */
  #chunks: Buffer[] = [];
  #bytes = 0;
  /** How many of the last chunks are small. */
  #smallCount = 0;
  /** With its prefix; -1 while the prefix is not whole. */
  #size = -1;
  #messagesCount = 0;
  #isDropped = false;

  constructor(options: { maxBytes: number; slabs: SlabPool; onMessage: OnMessage }) {
    this.#maxBytes = options.maxBytes;
    this.#slabs = options.slabs;
    this.#onMessage = options.onMessage;
  }

  /** Messages that were whole so far. */
  get messagesCount(): number {
    return this.#messagesCount;
  }

  /** What the message under way takes in memory, its prefix included; 0: none is. */
  get unfinishedBytes(): number {
    return this.#bytes + this.#chunks.length * CHUNK_OBJECT_BYTES;
  }

  /** True while a message has begun and is not whole. */
  get isInside(): boolean {
    return this.#bytes > 0;
  }

  /** Throws ApiError: UNSUPPORTED_VERSION for a compressed message, MESSAGE_TOO_LARGE; the call is over then. */
  push(chunk: Buffer): void {
    let rest = chunk;
    while (rest.length > 0 && !this.#isDropped) {
      if (this.#size < 0) this.#size = this.#sizeFrom(rest);
      const missing = this.#size < 0 ? rest.length : this.#size - this.#bytes;
      const taken = rest.length <= missing ? rest : rest.subarray(0, missing);
      rest = rest.subarray(taken.length);
      this.#keep(taken);
      if (this.#bytes === this.#size) this.#finish();
    }
  }

  /** Lets go of the message under way; nothing is taken in any more. Also from inside `onMessage`. */
  drop(): void {
    this.#isDropped = true;
    this.#chunks = [];
    this.#bytes = 0;
  }

  #keep(chunk: Buffer): void {
    this.#bytes += chunk.length;
    const isWhole = this.#bytes === this.#size;
    const mustCopy = !isWhole && chunk.length < chunk.buffer.byteLength * SHARE_OF_READ;
    this.#chunks.push(mustCopy ? joined([chunk]) : chunk);
    this.#smallCount = chunk.length < SMALL_BYTES ? this.#smallCount + 1 : 0;
    if (this.#smallCount < SMALL_CHUNKS_MAX) return;
    this.#chunks.push(joined(this.#chunks.splice(-SMALL_CHUNKS_MAX)));
    this.#smallCount = 0;
  }

  /** The size that the prefix names, once it is whole. It nearly always lies in one chunk. */
  #sizeFrom(next: Buffer): number {
    if (this.#bytes + next.length < PREFIX_BYTES) return -1;
    const prefix = this.#bytes === 0 ? next : Buffer.concat([...this.#chunks, next.subarray(0, PREFIX_BYTES)]);
    if (prefix.readUInt8(0) !== 0)
      throw new ApiError("UNSUPPORTED_VERSION", "compressed messages are not taken: batches are compressed themselves");
    const length = prefix.readUInt32BE(1);
    if (length > this.#maxBytes)
      throw new ApiError("MESSAGE_TOO_LARGE", `a message of ${length} bytes; ${this.#maxBytes} are taken`);
    return PREFIX_BYTES + length;
  }

  #finish(): void {
    this.#messagesCount++;
    const chunks = this.#chunks;
    const size = this.#size;
    this.#chunks = [];
    this.#bytes = 0;
    this.#smallCount = 0;
    this.#size = -1;
    const [only] = chunks;
    if (chunks.length === 1 && only !== undefined) {
      this.#onMessage(only.subarray(PREFIX_BYTES), null);
      return;
    }
    const slab = this.#slabs.take(size);
    let at = 0;
    for (const chunk of chunks) {
      slab.set(chunk, at);
      at += chunk.length;
    }
    this.#onMessage(slab.subarray(PREFIX_BYTES, size), slab);
  }
}

/** In memory of their own: what comes from Node's pool keeps all of its 8 KiB. */
function joined(chunks: readonly Buffer[]): Buffer {
  let length = 0;
  for (const chunk of chunks) length += chunk.length;
  const whole = Buffer.allocUnsafeSlow(length);
  let at = 0;
  for (const chunk of chunks) at += chunk.copy(whole, at);
  return whole;
}
