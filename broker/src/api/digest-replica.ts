/**
 * What a replica here holds, batch by batch, for whoever compares replicas (15.7): each batch is read, checked against its own CRC
 * and digested with what lies outside that, so that two replicas that answer the same hold the same bytes. What is bad here is
 * reported as if a reader had found it, and repaired.
 *
 * Bounded: one call reads so many bytes and tells of so many batches, a slab at a time.
 */
import { BATCH_HEADER_BYTES, crc32c, type ErrorName, validateStoredBatch } from "@tidemark/proto";
import { asOffset } from "../base/index.ts";
import type { Offset } from "../base/index.ts";
import { SLAB_BYTES } from "../runtime/index.ts";
import type { PartitionLog } from "../storage/index.ts";
import type { BrokerContext } from "./broker-context.ts";

const READ_BYTES_MAX = 16 * 1024 * 1024;
const BATCHES_MAX = 10_000;

export interface ReplicaDigest {
  readonly code: ErrorName;
  readonly message: string;
  readonly logStartOffset: number;
  /** Batches below it are told of. */
  readonly highWatermark: number;
  /** By batch: the offset behind its last record, and what its bytes come to. */
  readonly nextOffsets: readonly number[];
  readonly digests: readonly number[];
  /** What lies there is bad; -1: nothing that was read is. */
  readonly badOffset: number;
  readonly bytes: number;
}

export async function handleDigestReplica(
  context: BrokerContext,
  request: { readonly topic: string; readonly partition: number; readonly fromOffset: number },
): Promise<ReplicaDigest> {
  const { topic, partition, fromOffset } = request;
  const log = context.replicas.log(topic, partition);
  if (log === undefined) {
    const code = context.image().topics.has(topic) ? "REPLICA_NOT_AVAILABLE" : "UNKNOWN_TOPIC_OR_PARTITION";
    return { ...NOTHING, code, message: `this broker has no replica ${topic}-${partition}` };
  }
  const reader = new ReplicaReader(log, asOffset(Math.max(fromOffset, log.logStartOffset)));
  const slab = context.slabs.take(SLAB_BYTES);
  try {
    await reader.read(slab.subarray(0, SLAB_BYTES));
  } finally {
    context.slabs.give(slab);
  }
  const { badOffset, bytes, nextOffsets, digests } = reader;
  if (badOffset >= 0) context.replicas.suspect(topic, partition, asOffset(badOffset));
  const { logStartOffset, highWatermark } = log;
  return { code: "NONE", message: "", logStartOffset, highWatermark, nextOffsets, digests, badOffset, bytes };
}

const NOTHING = {
  logStartOffset: 0,
  highWatermark: 0,
  nextOffsets: [],
  digests: [],
  badOffset: -1,
  bytes: 0,
} as const;

class ReplicaReader {
  readonly #log: PartitionLog;
  #at: Offset;
  readonly nextOffsets: number[] = [];
  readonly digests: number[] = [];
  badOffset = -1;
  bytes = 0;

  constructor(log: PartitionLog, from: Offset) {
    this.#log = log;
    this.#at = from;
  }

  async read(slab: Buffer): Promise<void> {
    const log = this.#log;
    let into = slab;
    while (this.bytes < READ_BYTES_MAX && this.digests.length < BATCHES_MAX) {
      const end = log.damage === null ? log.highWatermark : Math.min(log.highWatermark, log.damage.offset);
      if (this.#at >= end) break;
      const { generation, isTruncating } = log;
      const span = await log.readInto(into, 0, this.#at, log.highWatermark);
      if (span.bytes > 0) {
        if (!this.#take(into.subarray(0, span.bytes))) return;
        into = slab;
      } else if (span.firstBatchBytes > into.length) into = Buffer.allocUnsafeSlow(span.firstBatchBytes);
      else {
        // A cut, or retention, was faster; else there is no batch where one must be.
        if (isTruncating || generation !== log.generation) return;
        if (this.#at >= log.logStartOffset && this.#at < log.highWatermark) this.badOffset = this.#at;
        return;
      }
    }
    if (log.damage !== null && this.#at >= log.damage.offset) this.badOffset = log.damage.offset;
  }

  /** False: a batch is bad. */
  #take(bytes: Buffer): boolean {
    for (let at = 0; at < bytes.length; ) {
      const step = validateStoredBatch(bytes, at, bytes.length);
      if (!step.ok) {
        this.badOffset = this.#at;
        return false;
      }
      const { header } = step;
      // The CRC of the batch stands in its header, and covers all behind it.
      this.digests.push(crc32c(bytes, at, at + BATCH_HEADER_BYTES));
      this.nextOffsets.push(header.lastOffset + 1);
      this.#at = asOffset(header.lastOffset + 1);
      at += header.sizeBytes;
      this.bytes += header.sizeBytes;
    }
    return true;
  }
}
