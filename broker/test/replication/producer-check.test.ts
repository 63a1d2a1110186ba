/** The sequence check, claim by claim, and against an oracle that remembers every batch ever written. */
import { expect } from "chai";
import fc from "fast-check";
import { checkProducer } from "../../src/replication/index.ts";
import type { KnownBatch, KnownProducer, ProducerVerdict } from "../../src/replication/index.ts";

const MAX_SEQUENCE = 2 ** 31 - 1;

function knownBatch(firstSequence: number, lastSequence: number, baseOffset = firstSequence): KnownBatch {
  return {
    firstSequence,
    lastSequence,
    baseOffset,
    lastOffset: baseOffset + (lastSequence - firstSequence),
    timestamp: 0,
  };
}

function producer(
  batches: readonly KnownBatch[],
  options: { olderInLog?: boolean; producerEpoch?: number } = {},
): KnownProducer {
  return {
    producerEpoch: options.producerEpoch ?? 3,
    lastSequence: batches.at(-1)?.lastSequence ?? -1,
    olderInLog: options.olderInLog ?? false,
    batches,
  };
}

function arriving(baseSequence: number, lastSequence: number, producerEpoch = 3) {
  return { producerEpoch, baseSequence, lastSequence };
}

const OUT_OF_ORDER: ProducerVerdict = { kind: "refuse", code: "OUT_OF_ORDER_SEQUENCE_NUMBER" };
const FENCED: ProducerVerdict = { kind: "refuse", code: "INVALID_PRODUCER_EPOCH" };

describe("checkProducer", () => {
  it("lets an unknown producer start anywhere (11.1(3))", () => {
    expect(checkProducer(undefined, arriving(700, 720, 9))).to.deep.equal({ kind: "append" });
  });

  it("takes the next sequence of the same epoch and nothing else", () => {
    const known = producer([knownBatch(0, 9)]);
    expect(checkProducer(known, arriving(10, 19))).to.deep.equal({ kind: "append" });
    expect(checkProducer(known, arriving(11, 19)), "a gap").to.deep.equal(OUT_OF_ORDER);
  });

  it("answers an exact match with the batch that is there", () => {
    const batches = [knownBatch(0, 9, 100), knownBatch(10, 19, 140)];
    expect(checkProducer(producer(batches), arriving(0, 9))).to.deep.equal({ kind: "duplicate", batch: batches[0] });
    expect(checkProducer(producer(batches), arriving(10, 19))).to.deep.equal({ kind: "duplicate", batch: batches[1] });
  });

  it("does not take a batch with the same begin and another end for a duplicate", () => {
    expect(checkProducer(producer([knownBatch(0, 9)]), arriving(0, 8))).to.deep.equal(OUT_OF_ORDER);
  });

  it("fences an older epoch, also with a sequence that would match (47)", () => {
    expect(checkProducer(producer([knownBatch(0, 9)]), arriving(0, 9, 2))).to.deep.equal(FENCED);
    expect(checkProducer(producer([knownBatch(0, 9)]), arriving(10, 19, 2))).to.deep.equal(FENCED);
  });

  it("starts a new epoch at sequence 0 only", () => {
    const known = producer([knownBatch(0, 9)]);
    expect(checkProducer(known, arriving(0, 4, 4))).to.deep.equal({ kind: "append" });
    expect(checkProducer(known, arriving(10, 19, 4))).to.deep.equal(OUT_OF_ORDER);
  });

  it("wraps from 2^31-1 to 0", () => {
    const known = producer([knownBatch(MAX_SEQUENCE - 4, MAX_SEQUENCE, 0)]);
    expect(checkProducer(known, arriving(0, 9))).to.deep.equal({ kind: "append" });
    expect(checkProducer(known, arriving(1, 9))).to.deep.equal(OUT_OF_ORDER);
  });

  it("looks up a lower sequence only while older batches may lie in the log unremembered (11.1(2), P62)", () => {
    const batches = [knownBatch(40, 49)];
    expect(checkProducer(producer(batches, { olderInLog: true }), arriving(20, 29))).to.deep.equal({ kind: "lookUp" });
    expect(checkProducer(producer(batches), arriving(20, 29))).to.deep.equal(OUT_OF_ORDER);
    expect(checkProducer(producer(batches, { olderInLog: true }), arriving(60, 69)), "beyond it").to.deep.equal(
      OUT_OF_ORDER,
    );
  });

  it("looks up a sequence from before the wrap", () => {
    const known = producer([knownBatch(0, 9)], { olderInLog: true });
    expect(checkProducer(known, arriving(MAX_SEQUENCE - 9, MAX_SEQUENCE))).to.deep.equal({ kind: "lookUp" });
  });

  it("never looks up for a producer without a batch in this epoch", () => {
    expect(checkProducer(producer([], { olderInLog: true }), arriving(5, 9))).to.deep.equal(OUT_OF_ORDER);
    expect(checkProducer(producer([], { olderInLog: true }), arriving(0, 9))).to.deep.equal({ kind: "append" });
  });

  it("agrees with an oracle that remembers every batch", () => {
    const step = fc.oneof(
      {
        weight: 5,
        arbitrary: fc.record({ kind: fc.constant("next" as const), count: fc.integer({ min: 1, max: 4 }) }),
      },
      {
        weight: 3,
        arbitrary: fc.record({ kind: fc.constant("retry" as const), back: fc.integer({ min: 0, max: 9 }) }),
      },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant("gap" as const), skip: fc.integer({ min: 1, max: 5 }) }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant("reload" as const) }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant("bump" as const), first: fc.constantFrom(0, 0, 1) }) },
      {
        weight: 1,
        arbitrary: fc.record({ kind: fc.constant("stale" as const), back: fc.integer({ min: 0, max: 3 }) }),
      },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), fc.integer({ min: 0, max: 3 }), (steps, startAt) => {
        const log: (KnownBatch & { epoch: number })[] = [];
        let remembered = 0;
        let epoch = 1;
        let nextSequence = startAt === 0 ? MAX_SEQUENCE - 5 : 0;
        const inEpoch = (): (KnownBatch & { epoch: number })[] => log.filter((batch) => batch.epoch === epoch);
        const known = (): KnownProducer | undefined => {
          const all = inEpoch();
          if (log.length === 0) return undefined;
          const batches = all.slice(-Math.min(5, remembered)).filter(() => remembered > 0);
          return {
            producerEpoch: epoch,
            lastSequence: all.at(-1)?.lastSequence ?? -1,
            olderInLog: all.length > batches.length,
            batches,
          };
        };
        const append = (first: number, count: number): void => {
          const last = (first + count - 1) % (MAX_SEQUENCE + 1);
          const baseOffset = (log.at(-1)?.lastOffset ?? -1) + 1;
          log.push({ ...knownBatch(first, last, baseOffset), epoch, lastOffset: baseOffset + count - 1 });
          remembered = Math.min(5, remembered + 1);
          nextSequence = (last + 1) % (MAX_SEQUENCE + 1);
        };
        for (const event of steps) {
          if (event.kind === "reload") {
            remembered = Math.min(remembered, 1);
          } else if (event.kind === "next") {
            const last = (nextSequence + event.count - 1) % (MAX_SEQUENCE + 1);
            expect(checkProducer(known(), arriving(nextSequence, last, epoch)).kind).to.equal("append");
            append(nextSequence, event.count);
          } else if (event.kind === "retry") {
            const all = inEpoch();
            const target = all[all.length - 1 - event.back];
            if (target === undefined) continue;
            const verdict = checkProducer(known(), arriving(target.firstSequence, target.lastSequence, epoch));
            // It is there: found in memory, or looked for in the log.
            if (event.back < remembered) expect(verdict).to.deep.equal({ kind: "duplicate", batch: target });
            else expect(verdict).to.deep.equal({ kind: "lookUp" });
          } else if (event.kind === "gap") {
            if (known() === undefined) continue;
            const first = (nextSequence + event.skip) % (MAX_SEQUENCE + 1);
            expect(checkProducer(known(), arriving(first, first, epoch))).to.deep.equal(OUT_OF_ORDER);
          } else if (event.kind === "stale") {
            if (known() === undefined) continue;
            expect(checkProducer(known(), arriving(nextSequence, nextSequence, epoch - 1 - event.back))).to.deep.equal(
              FENCED,
            );
          } else {
            if (known() === undefined) continue;
            const verdict = checkProducer(known(), arriving(event.first, event.first, epoch + 1));
            expect(verdict.kind).to.equal(event.first === 0 ? "append" : "refuse");
            if (event.first !== 0) continue;
            epoch++;
            remembered = 0;
            append(0, 1);
          }
        }
      }),
    );
  });
});
