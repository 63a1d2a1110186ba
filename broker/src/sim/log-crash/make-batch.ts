/** Batches of a run: real bytes, a few records each, from plain and idempotent producers. */
import { BatchAttribute, BatchField, RecordBatchBuilder, sealBatch, sequenceAfter } from "@tidemark/proto";
import type { SeededRandom } from "../../base/index.ts";
import type { PartitionLog } from "../../storage/index.ts";
import { ensure } from "../violation.ts";
import type { ShadowLog } from "./shadow-log.ts";

export interface MadeBatch {
  readonly bytes: Buffer;
  readonly timestamps: readonly number[];
}

/** As large as what the tail cache keeps for readers. */
const LARGE_BYTES = 16 * 1024;
/** Filler that no two records share a long piece of. */
const FILLER = Buffer.from("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ".repeat(20));

export class BatchMaker {
  readonly #random: SeededRandom;
  readonly #builder = new RecordBatchBuilder({ initialBytes: 1024 });
  /** Current epoch per producer id; it rises now and then, as after a fencing. */
  readonly #epochs: number[];
  /** Of batches that are large; null: none is. */
  readonly #large: SeededRandom | null;
  #serial = 0;

  constructor(
    random: SeededRandom,
    { producers, hasLarge }: { readonly producers: number; readonly hasLarge: boolean },
  ) {
    this.#random = random;
    this.#epochs = Array.from({ length: producers }, () => 0);
    this.#large = hasLarge ? random.fork("large batches") : null;
  }

  /** The next batch for `log`, with the sequence that its producer would send: one behind the last the log knows. */
  make(log: PartitionLog, shadow: ShadowLog, nowMs: number): MadeBatch {
    const random = this.#random;
    if (random.chance(0.1)) {
      const marker = this.#marker(log, nowMs);
      if (marker !== null) return marker;
    }
    const timestamps: number[] = [];
    if (this.#large?.chance(0.7) === true) {
      timestamps.push(nowMs);
      this.#builder.append(nowMs, null, Buffer.from(`#${this.#serial++} `.padEnd(LARGE_BYTES, ".")));
    }
    const count = random.between(1, 4);
    for (let i = 0; i < count; i++) {
      const timestamp = nowMs + random.between(-50, 50);
      timestamps.push(timestamp);
      const size = random.pick([0, 10, 100, random.below(400)]);
      const value = FILLER.subarray(random.below(FILLER.length - size), FILLER.length).subarray(0, size);
      this.#builder.append(
        timestamp,
        random.chance(0.5) ? null : `key ${random.below(8)}`,
        Buffer.concat([Buffer.from(`#${this.#serial++} `), value]),
      );
    }
    if (random.chance(0.3)) return { bytes: this.#builder.build(), timestamps };
    const slot = random.below(this.#epochs.length);
    if (random.chance(0.02)) this.#epochs[slot] = (this.#epochs[slot] ?? 0) + 1;
    const producerId = 1000 + slot;
    // A leader refuses an epoch below the known one (11.1(3)): a new life goes on where the log stands.
    const producerEpoch = Math.max(this.#epochs[slot] ?? 0, log.producer(producerId)?.producerEpoch ?? 0);
    const baseSequence = this.#nextSequence(log, shadow, producerId, producerEpoch);
    const bytes = this.#builder.build({ producerId, producerEpoch, baseSequence });
    if (isTransactional(slot)) setAttributes(bytes, BatchAttribute.TRANSACTIONAL);
    return { bytes, timestamps };
  }

  /** Ends the transaction of some producer that the log knows, or one that has no records. */
  #marker(log: PartitionLog, nowMs: number): MadeBatch | null {
    const slot = this.#random.below(this.#epochs.length);
    const known = log.producer(1000 + slot);
    if (!isTransactional(slot) || known === undefined) return null;
    const timestamp = nowMs + this.#random.between(-50, 50);
    const type = this.#random.pick([0, 1]);
    this.#builder.append(timestamp, Buffer.from([0, 0, 0, type]), Buffer.from([0, 0, 0, 0, 0, this.#random.below(9)]));
    const bytes = this.#builder.build({
      producerId: known.producerId,
      producerEpoch: known.producerEpoch,
      baseSequence: -1,
    });
    setAttributes(bytes, BatchAttribute.TRANSACTIONAL | BatchAttribute.CONTROL);
    return { bytes, timestamps: [timestamp] };
  }

  #nextSequence(log: PartitionLog, shadow: ShadowLog, producerId: number, producerEpoch: number): number {
    const known = log.producer(producerId);
    const last = shadow.batchesOf(producerId).at(-1);
    // Forgotten, or known by a marker alone.
    const isForgotten = (known?.lastSequence ?? -1) < 0 && last !== undefined && last.lastOffset < log.logStartOffset;
    const isSame = known?.lastSequence === last?.lastSequence && known?.producerEpoch === last?.producerEpoch;
    ensure(isSame || isForgotten, "ST8", () => {
      return `${shadow.name}: producer ${producerId} is at ${known?.producerEpoch}/${known?.lastSequence}, its last batch is ${last?.producerEpoch}/${last?.lastSequence}`;
    });
    // Unknown here, a producer may start anywhere (11.1(3)); forgotten, it goes on where it was.
    if (known === undefined || isForgotten)
      return last === undefined ? this.#random.pick([0, 7, 2 ** 31 - 3]) : sequenceAfter(last.lastSequence, 1);
    return known.producerEpoch === producerEpoch ? sequenceAfter(known.lastSequence, 1) : 0;
  }
}

function isTransactional(slot: number): boolean {
  return slot % 2 === 1;
}

function setAttributes(bytes: Buffer, bits: number): void {
  bytes.writeInt16BE(bytes.readInt16BE(BatchField.ATTRIBUTES) | bits, BatchField.ATTRIBUTES);
  sealBatch(bytes, 0, bytes.length);
}
