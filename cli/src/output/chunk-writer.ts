/**
 * Writes many small pieces to a stream as few large ones, in order, and tells its caller when to wait:
 *
 *     if (!writer.appendLine(value)) await writer.ready();
 *
 * What was appended is on its way at the latest when the event loop turns, so a slow tail is shown at once and a fast one
 * costs a write per chunk. Memory is bounded by two chunks as long as the caller waits when told to.
 *
 * A reader that went away (`| head`) is not an error of ours: `ready` and `end` then reject with StdoutClosed.
 */
import type { Writable } from "node:stream";

const CHUNK_BYTES = 256 * 1024;
const LF = 0x0a;

/** Nobody reads our output any more. The command ends quietly with exit code 0. */
export class StdoutClosed extends Error {
  constructor(options?: { cause?: unknown }) {
    super("standard output was closed by its reader", options);
    this.name = "StdoutClosed";
  }
}

export class ChunkWriter {
  readonly #stream: Writable;
  readonly #chunkBytes: number;
  #chunk: Buffer;
  #used = 0;
  #isTurnEndAsked = false;
  #mustDrain = false;
  #failure: Error | null = null;
  #waiters: (() => void)[] = [];

  constructor(stream: Writable, options: { readonly chunkBytes?: number } = {}) {
    this.#stream = stream;
    this.#chunkBytes = options.chunkBytes ?? CHUNK_BYTES;
    this.#chunk = Buffer.allocUnsafeSlow(this.#chunkBytes);
    stream.on("drain", () => {
      this.#mustDrain = false;
      this.#wake();
    });
    stream.on("error", (error) => this.#fail(error));
    stream.on("close", () => this.#fail(new StdoutClosed()));
  }

  /** Appends the bytes (copied) and an LF; false: wait for `ready` before the next. */
  appendLine(bytes: Uint8Array): boolean {
    const size = bytes.length + 1;
    if (size > this.#chunkBytes - this.#used) this.#writeOut();
    if (size > this.#chunkBytes) {
      const line = Buffer.allocUnsafeSlow(size);
      line.set(bytes);
      line[bytes.length] = LF;
      this.#hand(line);
    } else {
      this.#chunk.set(bytes, this.#used);
      this.#used += bytes.length;
      this.#chunk[this.#used] = LF;
      this.#used += 1;
      this.#askForTurnEnd();
    }
    return !this.#mustDrain && this.#failure === null;
  }

  /** Resolves when the stream takes more. */
  async ready(): Promise<void> {
    while (this.#mustDrain && this.#failure === null) {
      await new Promise<void>((resolve) => this.#waiters.push(resolve));
    }
    if (this.#failure !== null) throw this.#failure;
  }

  /** Writes what is left; resolves when the stream has handed all of it on. The stream stays open. */
  async end(): Promise<void> {
    this.#writeOut();
    await this.ready();
    await new Promise<void>((resolve) => this.#stream.write("", () => resolve()));
    if (this.#failure !== null) throw this.#failure;
  }

  #askForTurnEnd(): void {
    if (this.#isTurnEndAsked) return;
    this.#isTurnEndAsked = true;
    setImmediate(() => {
      this.#isTurnEndAsked = false;
      this.#writeOut();
    });
  }

  #writeOut(): void {
    if (this.#used === 0) return;
    const chunk = this.#chunk.subarray(0, this.#used);
    // A chunk hardly used is written from a copy and used again: a slow tail would spend a whole one per record.
    if (this.#used * 8 < this.#chunkBytes) {
      this.#hand(Buffer.from(chunk));
    } else {
      this.#hand(chunk);
      this.#chunk = Buffer.allocUnsafeSlow(this.#chunkBytes);
    }
    this.#used = 0;
  }

  #hand(bytes: Buffer): void {
    if (this.#failure !== null) return;
    if (!this.#stream.write(bytes)) this.#mustDrain = true;
  }

  #fail(error: Error): void {
    if (this.#failure !== null) return;
    const isClosed = "code" in error && (error.code === "EPIPE" || error.code === "ERR_STREAM_DESTROYED");
    this.#failure = isClosed ? new StdoutClosed({ cause: error }) : error;
    this.#wake();
  }

  #wake(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const wake of waiters) wake();
  }
}
