/**
 * One partition on the stream to one follower: what it asked for last and was told, and the partition as it reads it, to the written
 * end and not only to the high watermark (3.1(9)). More to read comes with a write; that the high watermark or the log start moved is
 * told apart, since both travel with the batches.
 *
 * One object for all of that: of a thousand idle partitions each has one for every follower.
 */
import type { ErrorName } from "@tidemark/proto";
import type { OutgoingData, ReplicaReport } from "@tidemark/proto/replication";
import { asLeaderEpoch, asOffset, assert } from "../base/index.ts";
import type { LeaderEpoch, Offset } from "../base/index.ts";
import type { CachedRecords, ReadSpan } from "../storage/index.ts";
import type { Traffic } from "./counters.ts";
import type { ReadablePartition } from "./fetch-session.ts";
import type { Partition, PartitionWatcher, ReplicaWatcher } from "./partition.ts";

const NO_RECORDS: readonly Buffer[] = [];

/** The stream. */
export interface SeatOwner {
  /** High watermark or log start moved. */
  onMoved(seat: ReplicaSeat): void;
}

export class ReplicaSeat implements ReadablePartition, ReplicaWatcher {
  readonly slot: number;
  readonly #owner: SeatOwner;
  /** As it was named; that of the partition, once it is found, which all partitions of the topic share. */
  topicId: string;
  readonly partition: number;
  /** Of the last ask. */
  leaderEpoch: LeaderEpoch = asLeaderEpoch(0);
  generation = 0;
  /** Behind the last records that were sent, or where they were asked for. */
  sentTo = asOffset(0);
  /** Null while nothing is sent. */
  led: Partition | null = null;
  /** To be told when the stream ends. */
  lastPartition: Partition | null = null;
  /** The session's name of what was asked for last; what was read for another is void. */
  subscriptionId = 0;
  #reader: PartitionWatcher | null = null;
  #highWatermarkTold = -1;
  #logStartTold = -1;
  /** An ask that waits for this broker's metadata. */
  parked: ReplicaReport | null = null;
  parkedUntilMs = 0;

  constructor(slot: number, topicId: string, partition: number, owner: SeatOwner) {
    this.slot = slot;
    this.topicId = topicId;
    this.partition = partition;
    this.#owner = owner;
  }

  // ---- what is asked and told ----

  asked(report: ReplicaReport): void {
    this.leaderEpoch = asLeaderEpoch(report.leaderEpoch);
    this.generation = report.generation;
    this.sentTo = asOffset(report.readFrom);
  }

  serve(led: Partition, from: Offset): void {
    this.led = led;
    this.lastPartition = led;
    this.topicId = led.topicId;
    this.sentTo = from;
    this.#highWatermarkTold = -1;
  }

  get partitionLed(): Partition {
    assert(this.led !== null, "a seat that is served has a partition");
    return this.led;
  }

  hasNewMarks(): boolean {
    const { led } = this;
    if (led === null) return false;
    return led.highWatermark !== this.#highWatermarkTold || led.logStartOffset !== this.#logStartTold;
  }

  /** They were told. */
  noteMarks(highWatermark: number, logStartOffset: number): void {
    this.#highWatermarkTold = highWatermark;
    this.#logStartTold = logStartOffset;
  }

  /** What is said without records. */
  plain(partition: Partition | null): OutgoingData {
    return {
      slot: this.slot,
      leaderEpoch: this.leaderEpoch,
      generation: this.generation,
      errorCode: 0,
      askedFrom: this.sentTo,
      diverging: null,
      highWatermark: partition?.highWatermark ?? 0,
      logStartOffset: partition?.logStartOffset ?? 0,
      logEndOffset: partition?.logEndOffset ?? 0,
      records: NO_RECORDS,
    };
  }

  // ---- the partition, as the session reads it ----

  get topic(): string {
    return this.partitionLed.topic;
  }

  get traffic(): Traffic {
    return this.partitionLed.traffic;
  }

  get isDamaged(): boolean {
    return this.partitionLed.isDamaged;
  }

  get logStartOffset(): Offset {
    return this.partitionLed.logStartOffset;
  }

  get logEndOffset(): Offset {
    return this.partitionLed.logEndOffset;
  }

  get highWatermark(): Offset {
    return this.partitionLed.highWatermark;
  }

  get lastStableOffset(): Offset {
    return this.partitionLed.lastStableOffset;
  }

  get readEnd(): Offset {
    return this.partitionLed.written.writtenEndOffset;
  }

  readCached(offset: Offset, maxBytes: number): CachedRecords | null {
    return this.partitionLed.written.readCached(offset, maxBytes, this.readEnd);
  }

  readTailInto(into: Buffer, at: number, offset: Offset): ReadSpan | null {
    return this.partitionLed.written.readTailInto(into, at, offset, this.readEnd);
  }

  readInto(into: Buffer, at: number, offset: Offset): Promise<ReadSpan> {
    return this.partitionLed.written.readInto(into, at, offset, this.readEnd);
  }

  suspect(offset: Offset): void {
    this.partitionLed.suspect(offset);
  }

  /** One reader at most: the stream of one follower. */
  watch(reader: PartitionWatcher): void {
    this.#reader = reader;
    this.partitionLed.watchAsReplica(this);
  }

  unwatch(): void {
    this.#reader = null;
    this.partitionLed.unwatchAsReplica(this);
  }

  // ---- of the partition ----

  onWritten(): void {
    this.#reader?.onHighWatermark();
  }

  onMarks(): void {
    this.#reader?.onLogStart();
    this.#owner.onMoved(this);
  }

  onPartitionClosed(code: ErrorName): void {
    this.#reader?.onPartitionClosed(code);
  }
}
