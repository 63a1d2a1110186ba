/**
 * A led partition as a follower reads it: to its written end, and not only to the high watermark (3.1(9)). More to read
 * comes with a write; that the high watermark or the log start moved is told apart, since both travel with the batches.
 */
import type { ErrorName } from "@tidemark/proto";
import type { LeaderEpoch, Offset } from "../base/index.ts";
import type { CachedRecords, ReadSpan } from "../storage/index.ts";
import type { Traffic } from "./counters.ts";
import type { ReadablePartition } from "./fetch-session.ts";
import type { Partition, PartitionWatcher, ReplicaWatcher } from "./partition.ts";

/** The place of the follower on its stream. */
export interface ReplicaSeat {
  /** High watermark or log start moved. */
  onMarks(): void;
}

export class ReplicaView implements ReadablePartition, ReplicaWatcher {
  readonly led: Partition;
  sentTo: Offset;
  readonly #seat: ReplicaSeat;
  #reader: PartitionWatcher | null = null;

  constructor(led: Partition, sentTo: Offset, seat: ReplicaSeat) {
    this.led = led;
    this.sentTo = sentTo;
    this.#seat = seat;
  }

  get topic(): string {
    return this.led.topic;
  }

  get partition(): number {
    return this.led.partition;
  }

  get leaderEpoch(): LeaderEpoch {
    return this.led.leaderEpoch;
  }

  get traffic(): Traffic {
    return this.led.traffic;
  }

  get isDamaged(): boolean {
    return this.led.isDamaged;
  }

  get logStartOffset(): Offset {
    return this.led.logStartOffset;
  }

  get logEndOffset(): Offset {
    return this.led.logEndOffset;
  }

  get highWatermark(): Offset {
    return this.led.highWatermark;
  }

  get lastStableOffset(): Offset {
    return this.led.lastStableOffset;
  }

  get readEnd(): Offset {
    return this.led.written.writtenEndOffset;
  }

  readCached(offset: Offset, maxBytes: number): CachedRecords | null {
    return this.led.written.readCached(offset, maxBytes, this.readEnd);
  }

  readTailInto(into: Buffer, at: number, offset: Offset): ReadSpan | null {
    return this.led.written.readTailInto(into, at, offset, this.readEnd);
  }

  readInto(into: Buffer, at: number, offset: Offset): Promise<ReadSpan> {
    return this.led.written.readInto(into, at, offset, this.readEnd);
  }

  suspect(offset: Offset): void {
    this.led.suspect(offset);
  }

  /** One reader at most: the stream of one follower. */
  watch(reader: PartitionWatcher): void {
    this.#reader = reader;
    this.led.watchAsReplica(this);
  }

  unwatch(): void {
    this.#reader = null;
    this.led.unwatchAsReplica(this);
  }

  // ---- of the partition ----

  onWritten(): void {
    this.#reader?.onHighWatermark();
  }

  onMarks(): void {
    this.#reader?.onLogStart();
    this.#seat.onMarks();
  }

  onPartitionClosed(code: ErrorName): void {
    this.#reader?.onPartitionClosed(code);
  }
}
