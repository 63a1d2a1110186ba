/**
 * One partition's log in memory with the producer rules of semantics 11.1, slow and simple: the oracle that the producer's
 * core is held against, and the log of the in-test broker. It keeps every batch it ever took, so it finds any duplicate, unless
 * it is told to remember a few of a producer only.
 */
import { type ErrorName, patchBatch, readBatchHeader } from "@tidemark/proto";

export interface BatchIdentity {
  readonly producerId: number;
  readonly epoch: number;
  readonly sequence: number;
  readonly count: number;
}

export type AppendOutcome =
  | { readonly ok: true; readonly baseOffset: number; readonly isDuplicate: boolean }
  | { readonly ok: false; readonly error: ErrorName };

interface Known {
  readonly epoch: number;
  readonly batches: { readonly sequence: number; readonly count: number; readonly baseOffset: number }[];
}

const SEQUENCES = 2 ** 31;

export class PartitionModel {
  logStart = 0;
  highWatermark = 0;
  /** As stored: base offset and leader epoch patched. */
  batches: Buffer[] = [];
  readonly #producers = new Map<number, Known>();
  readonly #remembered: number;

  constructor(remembered = Number.POSITIVE_INFINITY) {
    this.#remembered = remembered;
  }

  append(batch: Buffer, identity: BatchIdentity): AppendOutcome {
    const { producerId, epoch, sequence, count } = identity;
    if (producerId < 0) return { ok: true, baseOffset: this.#store(batch, count), isDuplicate: false };
    const known = this.#producers.get(producerId);
    if (known !== undefined && epoch < known.epoch) return { ok: false, error: "INVALID_PRODUCER_EPOCH" };
    if (known !== undefined && epoch === known.epoch) {
      const remembered = known.batches.slice(-Math.min(this.#remembered, known.batches.length));
      const same = remembered.find((one) => one.sequence === sequence && one.count === count);
      if (same !== undefined) return { ok: true, baseOffset: same.baseOffset, isDuplicate: true };
      const last = known.batches.at(-1);
      if (last !== undefined && (last.sequence + last.count) % SEQUENCES !== sequence)
        return { ok: false, error: "OUT_OF_ORDER_SEQUENCE_NUMBER" };
    }
    if (known !== undefined && epoch > known.epoch && sequence !== 0)
      return { ok: false, error: "OUT_OF_ORDER_SEQUENCE_NUMBER" };
    const baseOffset = this.#store(batch, count);
    const entry = { sequence, count, baseOffset };
    if (known !== undefined && epoch === known.epoch) known.batches.push(entry);
    else this.#producers.set(producerId, { epoch, batches: [entry] });
    return { ok: true, baseOffset, isDuplicate: false };
  }

  /** Whole batches from the one that holds `offset`, up to `maxBytes` but at least one. */
  read(offset: number, maxBytes: number): Buffer[] {
    const found: Buffer[] = [];
    let bytes = 0;
    for (const batch of this.batches) {
      if (readBatchHeader(batch, 0).nextOffset <= offset) continue;
      if (found.length > 0 && bytes + batch.length > maxBytes) break;
      found.push(batch);
      bytes += batch.length;
    }
    return found;
  }

  #store(batch: Buffer, count: number): number {
    const baseOffset = this.highWatermark;
    patchBatch(batch, 0, baseOffset, 0);
    this.batches.push(batch);
    this.highWatermark += count;
    return baseOffset;
  }
}
