/**
 * What a reader has fetched and not handed out: chunks of whole batches, in the order of their arrival, walked by one
 * cursor. Bounded from outside: whoever sends has credit in bytes, and gets it back as chunks are used up.
 *
 * `next` moves to the next record that the reader wants; the fields of `cursor`, with `position` and `leaderEpoch`, tell
 * about it. Nothing is made per record here.
 */
import { RecordCursor } from "@tidemark/proto";
import { assert } from "./assert.ts";
import { Fifo } from "./fifo.ts";
import type { ReadPosition } from "./read-position.ts";

/** `S` is who gets the credit back. */
export interface Chunk<S> {
  readonly source: S;
  readonly position: ReadPosition;
  /** Whole batches whose CRC was checked when they arrived. */
  readonly records: Buffer;
  readonly recordsCount: number;
  readonly leaderEpoch: number;
}

export class ReadBuffer<S> {
  readonly #chunks = new Fifo<Chunk<S>>();
  #chunk: Chunk<S> | null = null;
  #cursor: RecordCursor | null = null;
  #recordsLeft: number;
  #records = 0;
  #freed: { source: S; bytes: number }[] = [];

  /** @param limit how many records `next` moves to in all */
  constructor(limit: number) {
    this.#recordsLeft = limit;
  }

  /** Records fetched and in chunks that are not used up. */
  get recordsCount(): number {
    return this.#records;
  }

  /** Whether `limit` records were handed out. */
  get isExhausted(): boolean {
    return this.#recordsLeft <= 0;
  }

  /** At the record that `next` moved to. */
  get cursor(): RecordCursor {
    assert(this.#cursor !== null, "the cursor stands at a record after next() only");
    return this.#cursor;
  }

  get position(): ReadPosition {
    assert(this.#chunk !== null, "there is a position after next() only");
    return this.#chunk.position;
  }

  get leaderEpoch(): number {
    return this.#chunk?.leaderEpoch ?? -1;
  }

  /** Whether chunks were used up since the last `takeFreed`. */
  get hasFreed(): boolean {
    return this.#freed.length > 0;
  }

  push(chunk: Chunk<S>): void {
    this.#records += chunk.recordsCount;
    this.#chunks.push(chunk);
  }

  /** Moves to the next record. False: nothing is here now. Throws ProtoError when the bytes are damaged. */
  next(): boolean {
    if (this.#recordsLeft <= 0) return false;
    for (;;) {
      if (this.#chunk === null && !this.#openChunk()) return false;
      if (this.#nextInChunk()) {
        this.#recordsLeft -= 1;
        return true;
      }
      this.#closeChunk();
    }
  }

  /** Bytes of chunks used up since the last call, by who sent them. */
  takeFreed(): readonly { source: S; bytes: number }[] {
    if (this.#freed.length === 0) return NOTHING;
    const freed = this.#freed;
    this.#freed = [];
    return freed;
  }

  #openChunk(): boolean {
    const chunk = this.#chunks.shift();
    if (chunk === undefined) return false;
    this.#chunk = chunk;
    this.#cursor = new RecordCursor(chunk.records, { verifyCrc: false });
    return true;
  }

  #nextInChunk(): boolean {
    const chunk = this.#chunk;
    const cursor = this.#cursor;
    assert(chunk !== null && cursor !== null, "a chunk and its cursor come and go together");
    const position = chunk.position;
    while (!position.isDone && cursor.next()) {
      const offset = cursor.offset;
      if (offset < position.readOffset) continue;
      if (offset >= position.end) {
        position.onReadUpTo(position.end);
        return false;
      }
      if (cursor.timestamp >= position.untilTimestamp) {
        position.finish();
        return false;
      }
      position.onRead(offset);
      return true;
    }
    position.onReadUpTo(cursor.nextOffset);
    return false;
  }

  #closeChunk(): void {
    const chunk = this.#chunk;
    assert(chunk !== null, "what is closed was open");
    this.#records -= chunk.recordsCount;
    this.#freed.push({ source: chunk.source, bytes: chunk.records.length });
    this.#chunk = null;
    this.#cursor = null;
  }
}

const NOTHING: readonly never[] = [];
