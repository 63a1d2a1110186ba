/**
 * `P/O.snapshot`: the producer state of a log up to offset O (2.5(4)). Kafka's format, big-endian:
 *
 *     0  i16  version, 1                      per producer, 46 bytes:
 *     2  u32  CRC-32C of the bytes from 6 on    0  i64  producerId      22  i32  lastOffset - first offset of the batch
 *     6  i32  count                             8  i16  epoch           26  i64  timestamp of the batch
 *    10       the producers                    10  i32  lastSequence    34  i32  coordinatorEpoch
 *                                              14  i64  lastOffset      38  i64  first offset of the transaction, or -1
 *
 * Only the last batch of a producer is in it; the four before are looked up in the log after a load (11.1(2)).
 *
 * Here is the format. Which snapshots a log keeps, and when one is deleted: snapshot-store.ts.
 */
import { asOffset } from "../base/index.ts";
import { crc32c, MAX_SEQUENCE, readInt64, writeInt64 } from "@tidemark/proto";
import { ProducerState } from "./producer-state.ts";

const VERSION = 1;
const HEADER_BYTES = 10;
const CHECKED_FROM = 6;
const PRODUCER_BYTES = 46;

export function encodeProducerSnapshot(state: ProducerState): Buffer {
  const bytes = Buffer.allocUnsafe(HEADER_BYTES + state.size * PRODUCER_BYTES);
  bytes.writeInt16BE(VERSION, 0);
  bytes.writeInt32BE(state.size, CHECKED_FROM);
  let at = HEADER_BYTES;
  for (const producer of state.producers()) {
    const batch = producer.batches.at(-1);
    writeInt64(bytes, at, producer.producerId);
    bytes.writeInt16BE(producer.producerEpoch, at + 8);
    bytes.writeInt32BE(producer.lastSequence, at + 10);
    writeInt64(bytes, at + 14, batch === undefined ? -1 : batch.lastOffset);
    bytes.writeInt32BE(batch === undefined ? 0 : batch.lastOffset - batch.baseOffset, at + 22);
    writeInt64(bytes, at + 26, producer.lastTimestamp);
    bytes.writeInt32BE(producer.coordinatorEpoch, at + 34);
    writeInt64(bytes, at + 38, producer.currentTxnFirstOffset);
    at += PRODUCER_BYTES;
  }
  bytes.writeUInt32BE(crc32c(bytes, CHECKED_FROM, bytes.length), 2);
  return bytes;
}

/** The state in `bytes`, as of a load at monotonic time `nowMs`; null when it is not whole. */
export function decodeProducerSnapshot(bytes: Buffer, nowMs: number): ProducerState | null {
  if (bytes.length < HEADER_BYTES || bytes.readInt16BE(0) !== VERSION) return null;
  const count = bytes.readInt32BE(CHECKED_FROM);
  if (count < 0 || bytes.length !== HEADER_BYTES + count * PRODUCER_BYTES) return null;
  if (bytes.readUInt32BE(2) !== crc32c(bytes, CHECKED_FROM, bytes.length)) return null;
  const state = new ProducerState();
  for (let at = HEADER_BYTES; at < bytes.length; at += PRODUCER_BYTES) {
    const producerId = readInt64(bytes, at);
    const lastSequence = bytes.readInt32BE(at + 10);
    const lastOffset = readInt64(bytes, at + 14);
    const offsetDelta = bytes.readInt32BE(at + 22);
    const timestamp = readInt64(bytes, at + 26);
    const hasBatch = lastOffset >= 0 && lastSequence >= 0;
    const currentTxnFirstOffset = readInt64(bytes, at + 38);
    if (![producerId, lastOffset, currentTxnFirstOffset].every(Number.isSafeInteger)) return null;
    if (hasBatch && (offsetDelta < 0 || offsetDelta > lastOffset)) return null;
    state.restore(producerId, {
      producerId,
      producerEpoch: bytes.readInt16BE(at + 8),
      lastSequence,
      lastOffset: asOffset(Math.max(0, lastOffset)),
      lastTimestamp: timestamp,
      olderInLog: hasBatch,
      batches: hasBatch
        ? [
            {
              firstSequence: sequenceBefore(lastSequence, offsetDelta),
              lastSequence,
              baseOffset: asOffset(lastOffset - offsetDelta),
              lastOffset: asOffset(lastOffset),
              timestamp,
            },
          ]
        : [],
      coordinatorEpoch: bytes.readInt32BE(at + 34),
      currentTxnFirstOffset,
      writtenAtMs: nowMs,
    });
  }
  return state;
}

/** The sequence `count` before `sequence`: 2^31 - 1 precedes 0. */
export function sequenceBefore(sequence: number, count: number): number {
  return sequence >= count ? sequence - count : sequence - count + MAX_SEQUENCE + 1;
}
