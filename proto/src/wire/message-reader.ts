/**
 * Takes the messages of one gRPC call out of the bytes of its HTTP/2 stream:
 *
 *     u8 compressed (0) | u32 length, big-endian | length bytes        … again and again
 *
 * What is kept grows with the bytes that arrived, never with the length that was announced. A message that lies in one chunk is
 * a view of it; one that came in pieces is put together in a slab, once, when it is whole. A chunk is itself a view of what the
 * socket has read at once, 64 KiB, all of which stays as long as the chunk does. A read mostly holds several chunks, so whether
 * it is worth its memory is known when the next one comes: where the message is the smaller part, its chunks are copied out.
 */
import { ProtoError } from "../errors.ts";

const PREFIX_BYTES = 5;
/** Chunks below this are put together while a message arrives: each is an object that outweighs its bytes. */
const SMALL_BYTES = 1024;
const SMALL_CHUNKS_MAX = 256;
/** Chunks that stay where they were read are at least this share of that memory, all together. */
const SHARE_OF_READ = 1 / 4;
/** What a chunk takes beside its bytes, about. */
export const CHUNK_OBJECT_BYTES = 256;

/** Where the memory for messages that came in pieces is taken from. */
export interface MessageSlabs {
  /** At least `bytes` long. */
  take(bytes: number): Buffer;
}

/** A message; `slab` is the memory that it lies in if that must be given back. */
export type OnMessage = (message: Buffer, slab: Buffer | null) => void;

export class MessageReader {
  readonly #maxBytes: number;
  readonly #slabs: MessageSlabs;
  readonly #onMessage: OnMessage;
  /** Of the message under way: what has arrived, prefix included. */
  #chunks: Buffer[] = [];
  #bytes = 0;
  /** The memory that the last chunk was read into, while more of the message may come from it; null: none is. */
  #read: ArrayBufferLike | null = null;
  /** Which chunks are views of it, the last ones; and how many bytes of it they are. */
  #readFrom = 0;
  #readBytes = 0;
  /** How many of the last chunks are small. */
  #smallCount = 0;
  /** With its prefix; -1 while the prefix is not whole. */
  #size = -1;
  #messagesCount = 0;
  #isDropped = false;

  constructor(options: { maxBytes: number; slabs: MessageSlabs; onMessage: OnMessage }) {
    this.#maxBytes = options.maxBytes;
    this.#slabs = options.slabs;
    this.#onMessage = options.onMessage;
  }

  /** Messages that were whole so far. */
  get messagesCount(): number {
    return this.#messagesCount;
  }

  /** What the message under way takes in memory, its prefix included, and with it all of the last read; 0: none is. */
  get unfinishedBytes(): number {
    const readBytes = this.#read === null ? 0 : this.#read.byteLength - this.#readBytes;
    return this.#bytes + readBytes + this.#chunks.length * CHUNK_OBJECT_BYTES;
  }

  /** True while a message has begun and is not whole. */
  get isInside(): boolean {
    return this.#bytes > 0;
  }

  /** Throws ProtoError: UNSUPPORTED_VERSION for a compressed message, MESSAGE_TOO_LARGE; the call is over then. */
  push(chunk: Buffer): void {
    let rest = chunk;
    while (rest.length > 0 && !this.#isDropped) {
      if (this.#size < 0) this.#size = this.#sizeFrom(rest);
      const missing = this.#size < 0 ? rest.length : this.#size - this.#bytes;
      const taken = rest.length <= missing ? rest : rest.subarray(0, missing);
      rest = rest.subarray(taken.length);
      if (this.#bytes + taken.length === this.#size) this.#finish(taken);
      else this.#keep(taken);
    }
  }

  /** Lets go of the message under way; nothing is taken in any more. Also from inside `onMessage`. */
  drop(): void {
    this.#isDropped = true;
    this.#clear();
  }

  #keep(chunk: Buffer): void {
    if (chunk.buffer !== this.#read) {
      this.#settleRead();
      this.#read = chunk.buffer;
      this.#readFrom = this.#chunks.length;
      this.#readBytes = 0;
    }
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    this.#readBytes += chunk.length;
    this.#smallCount = chunk.length < SMALL_BYTES ? this.#smallCount + 1 : 0;
    if (this.#smallCount < SMALL_CHUNKS_MAX) return;
    this.#join(this.#chunks.length - SMALL_CHUNKS_MAX);
    this.#smallCount = 0;
  }

  /** Nothing more comes from the last read: its chunks stay there, or leave it to the collector. */
  #settleRead(): void {
    if (this.#read !== null && this.#readBytes < this.#read.byteLength * SHARE_OF_READ) this.#join(this.#readFrom);
  }

  /** Makes one chunk, in memory of its own, of those from `from` on. */
  #join(from: number): void {
    const chunks = this.#chunks.splice(from);
    const whole = joined(chunks);
    this.#chunks.push(whole);
    this.#smallCount = Math.max(0, this.#smallCount - chunks.length + 1);
    if (from > this.#readFrom) this.#readBytes -= whole.length;
    else this.#read = null;
  }

  /** The size that the prefix names, once it is whole. It nearly always lies in one chunk. */
  #sizeFrom(next: Buffer): number {
    if (this.#bytes + next.length < PREFIX_BYTES) return -1;
    const prefix = this.#bytes === 0 ? next : Buffer.concat([...this.#chunks, next.subarray(0, PREFIX_BYTES)]);
    if (prefix.readUInt8(0) !== 0)
      throw new ProtoError(
        "UNSUPPORTED_VERSION",
        "compressed messages are not taken: batches are compressed themselves",
      );
    const length = prefix.readUInt32BE(1);
    if (length > this.#maxBytes)
      throw new ProtoError("MESSAGE_TOO_LARGE", `a message of ${length} bytes; ${this.#maxBytes} are taken`);
    return PREFIX_BYTES + length;
  }

  #finish(last: Buffer): void {
    this.#messagesCount++;
    const chunks = this.#chunks;
    const size = this.#size;
    this.#clear();
    chunks.push(last);
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

  #clear(): void {
    this.#chunks = [];
    this.#bytes = 0;
    this.#read = null;
    this.#smallCount = 0;
    this.#size = -1;
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
