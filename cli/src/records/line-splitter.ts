/**
 * Cuts a stream of bytes into lines: what stands before an LF, as bytes. A CR is part of the line; an empty line is a
 * line; a last line without LF is a line; nothing at all is no line.
 *
 * Pull, not push: after `feed(chunk)` the caller takes lines with `next()` until it answers null, and may stop in between
 * to wait for room. A line that lies within one chunk is a view of it, no copy; one that spans chunks is joined once,
 * however many chunks it takes. At most one unfinished line is held, and it may not pass `lineBytesMax`.
 */
import { CliFailure } from "../failure.ts";

const LF = 0x0a;

export class LineSplitter {
  readonly #lineBytesMax: number;
  #chunk: Buffer = Buffer.alloc(0);
  /** Where the next line begins in `#chunk`. */
  #at = 0;
  /** The beginning of a line whose LF has not been seen, in the order it came. */
  #parts: Buffer[] = [];
  #partsBytes = 0;

  constructor(options: { readonly lineBytesMax: number }) {
    this.#lineBytesMax = options.lineBytesMax;
  }

  /** Hands in more bytes; every line of the chunk before has been taken. The chunk must not be reused by its owner. */
  feed(chunk: Buffer): void {
    this.#chunk = chunk;
    this.#at = 0;
  }

  /** The next whole line, or null when the chunk holds no further LF. */
  next(): Buffer | null {
    const end = this.#chunk.indexOf(LF, this.#at);
    if (end < 0) {
      this.#keepRest();
      return null;
    }
    const line = this.#chunk.subarray(this.#at, end);
    this.#at = end + 1;
    return this.#partsBytes === 0 ? line : this.#joinParts(line);
  }

  /** The last line if the input did not end with an LF, else null. The splitter is empty afterwards. */
  finish(): Buffer | null {
    return this.#partsBytes === 0 ? null : this.#joinParts(Buffer.alloc(0));
  }

  #keepRest(): void {
    const rest = this.#chunk.subarray(this.#at);
    this.#at = this.#chunk.length;
    if (rest.length === 0) return;
    this.#partsBytes += rest.length;
    if (this.#partsBytes > this.#lineBytesMax) {
      throw new CliFailure("RECORD_TOO_LARGE", `a line is longer than ${this.#lineBytesMax} bytes`, {
        hint: "no broker takes a record of that size; is this a text file?",
      });
    }
    this.#parts.push(rest);
  }

  #joinParts(last: Buffer): Buffer {
    this.#parts.push(last);
    const line = this.#parts.length === 1 ? last : Buffer.concat(this.#parts, this.#partsBytes + last.length);
    this.#parts = [];
    this.#partsBytes = 0;
    return line;
  }
}
