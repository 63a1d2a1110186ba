/** Batches of a run: real bytes, a few records each, from plain and idempotent producers. */
import { RecordBatchBuilder, sequenceAfter } from "@tidemark/proto";
import type { SeededRandom } from "../../base/index.ts";
import type { PartitionLog } from "../../storage/index.ts";
import { ensure } from "./violation.ts";
import type { ShadowLog } from "./shadow-log.ts";

export interface MadeBatch {
  readonly bytes: Buffer;
  readonly timestamps: readonly number[];
}

/** Filler that no two records share a long piece of. */
const FILLER = Buffer.from("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ".repeat(20));

export class BatchMaker {
  readonly #random: SeededRandom;
  readonly #builder = new RecordBatchBuilder({ initialBytes: 1024 });
  /** Current epoch per producer id; it rises now and then, as after a fencing. */
  readonly #epochs: number[];
  #serial = 0;

  constructor(random: SeededRandom, producers: number) {
    this.#random = random;
    this.#epochs = Array.from({ length: producers }, () => 0);
  }

  /** The next batch for `log`, with the sequence that its producer would send: one behind the last the log knows. */
  make(log: PartitionLog, shadow: ShadowLog, nowMs: number): MadeBatch {
    const random = this.#random;
    const timestamps: number[] = [];
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
    return { bytes: this.#builder.build({ producerId, producerEpoch, baseSequence }), timestamps };
  }

  #nextSequence(log: PartitionLog, shadow: ShadowLog, producerId: number, producerEpoch: number): number {
    const known = log.producer(producerId);
    const last = shadow.batchesOf(producerId).at(-1);
    const isForgotten = known === undefined && last !== undefined && last.lastOffset < log.logStartOffset;
    const isSame = known?.lastSequence === last?.lastSequence && known?.producerEpoch === last?.producerEpoch;
    ensure(isSame || isForgotten, "ST8", () => {
      return `${shadow.name}: producer ${producerId} is at ${known?.producerEpoch}/${known?.lastSequence}, its last batch is ${last?.producerEpoch}/${last?.lastSequence}`;
    });
    // Unknown here, a producer may start anywhere (11.1(3)); forgotten, it goes on where it was.
    if (known === undefined)
      return last === undefined ? this.#random.pick([0, 7, 2 ** 31 - 3]) : sequenceAfter(last.lastSequence, 1);
    return known.producerEpoch === producerEpoch ? sequenceAfter(known.lastSequence, 1) : 0;
  }
}
