/** The producer's core against a broker that does its worst: nothing lost, nothing double, order kept, everything told. */
import { expect } from "chai";
import fc from "fast-check";
import { Adversary, DELIVERY_TIMEOUT_MS, type Step } from "../support/adversary.ts";

/** More of them: RUNS=100000 npx mocha … */
const RUNS = Number(process.env["RUNS"] ?? 1_000);

/** Errors that a leader may answer with, and whether it has appended the batch then (semantics 8.2). */
const refusals = fc.constantFrom<Step>(
  { kind: "refuse", error: "NOT_ENOUGH_REPLICAS", append: false },
  { kind: "refuse", error: "CORRUPT_MESSAGE", append: false },
  { kind: "refuse", error: "NOT_LEADER_OR_FOLLOWER", append: false },
  { kind: "refuse", error: "NOT_LEADER_OR_FOLLOWER", append: true },
  { kind: "refuse", error: "REQUEST_TIMED_OUT", append: true },
  { kind: "refuse", error: "KAFKA_STORAGE_ERROR", append: true },
  { kind: "refuse", error: "KAFKA_STORAGE_ERROR", append: false, isUnwritten: true },
  { kind: "refuse", error: "MESSAGE_TOO_LARGE", append: false },
  { kind: "refuse", error: "INVALID_RECORD", append: false },
);

const append = fc.record({ kind: fc.constant("append" as const), count: fc.integer({ min: 1, max: 12 }) });
const take = fc.constant<Step>({ kind: "take" });
const serve = fc.constant<Step>({ kind: "serve" });
const breakdown = fc.record({ kind: fc.constant("break" as const), served: fc.integer({ min: 0, max: 3 }) });
const zombie = fc.record({ kind: fc.constant("zombie" as const), pick: fc.nat(3) });
const wait = fc.record({
  kind: fc.constant("wait" as const),
  ms: fc.constantFrom(1, 5, 50, DELIVERY_TIMEOUT_MS / 2, DELIVERY_TIMEOUT_MS),
});

/** Anything at all. */
const mixed = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: append },
    { weight: 8, arbitrary: take },
    { weight: 5, arbitrary: serve },
    { weight: 3, arbitrary: refusals },
    { weight: 2, arbitrary: breakdown },
    { weight: 2, arbitrary: zombie },
    { weight: 3, arbitrary: wait },
  ),
  { maxLength: 120 },
);

/** A proven session, batches of different ages on their way, and losses while the older ones run out of time. */
const runningOutOfTime = fc
  .array(
    fc.oneof(
      { weight: 6, arbitrary: fc.constant<readonly Step[]>([{ kind: "append", count: 1 }, { kind: "take" }]) },
      { weight: 4, arbitrary: fc.constant<readonly Step[]>([{ kind: "wait", ms: DELIVERY_TIMEOUT_MS / 2 }]) },
      { weight: 3, arbitrary: fc.constant<readonly Step[]>([{ kind: "take" }]) },
      { weight: 3, arbitrary: breakdown.map((step): readonly Step[] => [step]) },
      { weight: 2, arbitrary: serve.map((step): readonly Step[] => [step]) },
      { weight: 2, arbitrary: zombie.map((step): readonly Step[] => [step, step]) },
      { weight: 1, arbitrary: refusals.map((step): readonly Step[] => [step]) },
    ),
    { maxLength: 24 },
  )
  .map((steps): Step[] => [{ kind: "append", count: 1 }, { kind: "take" }, { kind: "serve" }, ...steps.flat()]);

/** Answers overtake one another, so that more than five batches may stand behind one that is asked about again. */
const overtaking = fc
  .array(
    fc.oneof(
      { weight: 8, arbitrary: fc.constant<readonly Step[]>([{ kind: "append", count: 1 }, { kind: "take" }]) },
      { weight: 3, arbitrary: fc.constant<readonly Step[]>([{ kind: "hold" }]) },
      { weight: 8, arbitrary: serve.map((step): readonly Step[] => [step]) },
      { weight: 1, arbitrary: fc.nat(3).map((pick): readonly Step[] => [{ kind: "release", pick }]) },
      { weight: 2, arbitrary: breakdown.map((step): readonly Step[] => [step]) },
      { weight: 1, arbitrary: refusals.map((step): readonly Step[] => [step]) },
      { weight: 1, arbitrary: fc.constant<readonly Step[]>([{ kind: "wait", ms: 5 }]) },
    ),
    { maxLength: 60 },
  )
  .map((steps): Step[] => steps.flat());

/** What must hold of a run that has come to rest. */
function judge(adversary: Adversary): void {
  const log = adversary.records();
  expect(adversary.load, "everything is settled").to.deep.equal({ records: 0, bytes: 0 });
  expect(adversary.outcomes.size, "everybody is told").to.equal(adversary.taken);
  expect(new Set(log).size, "nothing is double").to.equal(log.length);
  expect(log, "order is kept").to.deep.equal([...log].sort((a, b) => a - b));
  for (const [record, outcome] of adversary.outcomes) {
    if (outcome.kind === "acked")
      expect(log[outcome.offset], `record ${record} is where it was said to be`).to.equal(record);
    if (outcome.kind === "not-written")
      expect(log, `record ${record} was said not to be written`).not.to.include(record);
  }
}

describe("partition queue", () => {
  const always = Number.POSITIVE_INFINITY;
  // Batches that fill their buffer take over the memory of those that were acknowledged.
  const large = { batchBytes: 3_000 };
  for (const [name, steps, remembered, options, valueLength] of [
    ["anything may happen", mixed, always, {}, 0],
    ["batches run out of time one after the other", runningOutOfTime, always, {}, 0],
    ["answers overtake one another", overtaking, always, {}, 0],
    ["answers overtake one another at a broker that remembers five batches", overtaking, 5, {}, 0],
    ["memory is used again", mixed, always, large, 900],
    ["memory is used again and answers overtake one another", overtaking, 5, large, 2_500],
  ] as const) {
    it(`loses nothing, doubles nothing and keeps order when ${name}`, () => {
      fc.assert(
        fc.property(steps, (run) => {
          const adversary = new Adversary(options, remembered, valueLength);
          for (const step of run) adversary.run(step);
          adversary.settle();
          judge(adversary);
        }),
        { numRuns: RUNS },
      );
    });
  }

  it("leaves the memory of a batch alone that an abandoned stream may still copy", () => {
    const adversary = new Adversary({ batchBytes: 3_000 }, Number.POSITIVE_INFINITY, 2_500);
    const run: Step[] = [
      { kind: "append", count: 1 },
      { kind: "take" },
      { kind: "break", served: 0 },
      { kind: "take" },
      { kind: "serve" },
      { kind: "append", count: 3 },
      { kind: "take" },
      { kind: "zombie", pick: 0 },
    ];
    for (const step of run) adversary.run(step);
    adversary.settle();
    judge(adversary);
    expect(adversary.records()).to.deep.equal([0, 1, 2, 3]);
  });

  it("never doubles a batch that the broker has forgotten because many have passed it", () => {
    const adversary = new Adversary({}, 5);
    const one: Step[] = [{ kind: "append", count: 1 }, { kind: "take" }];
    const steps: Step[] = [...one, { kind: "serve" }, ...one, { kind: "hold" }];
    for (let i = 0; i < 6; i += 1) steps.push(...one, { kind: "serve" });
    // The first of two is lost and asked about again, is refused with 45, and the one behind it is known.
    steps.push(...one, { kind: "break", served: 1 });
    for (const step of steps) adversary.run(step);
    adversary.settle();
    judge(adversary);
    expect(adversary.records()).to.deep.equal([0, 1, 2, 3, 4, 5, 6, 7, 8]);
    expect(adversary.outcomes.get(1)).to.deep.equal({ kind: "unknown" });
    expect(adversary.outcomes.get(8)).to.deep.equal({ kind: "acked", offset: 8 });
  });

  /** A session that is proven, then two batches of different ages on a stream that breaks before it served `served` of them. */
  function olderAndYounger(served: number): Adversary {
    const adversary = new Adversary();
    const half = DELIVERY_TIMEOUT_MS / 2;
    const steps: Step[] = [
      { kind: "append", count: 1 },
      { kind: "take" },
      { kind: "serve" },
      { kind: "append", count: 1 },
      { kind: "take" },
      { kind: "wait", ms: half },
      { kind: "append", count: 1 },
      { kind: "take" },
      { kind: "break", served },
      { kind: "wait", ms: half },
    ];
    for (const step of steps) adversary.run(step);
    return adversary;
  }

  it("tells what a full broker refused before the append as not written, unless an earlier attempt may have been", () => {
    const full: Step = { kind: "refuse", error: "KAFKA_STORAGE_ERROR", append: false, isUnwritten: true };
    const late: Step = { kind: "wait", ms: DELIVERY_TIMEOUT_MS };
    const told = (...steps: Step[]): unknown => {
      const adversary = new Adversary();
      for (const step of [{ kind: "append", count: 1 } as const, { kind: "take" } as const, ...steps, late])
        adversary.run(step);
      return adversary.outcomes.get(0);
    };
    expect(told(full)).to.deep.equal({ kind: "not-written" });
    expect(told({ ...full, isUnwritten: false })).to.deep.equal({ kind: "unknown" });
    const again: Step[] = [{ kind: "wait", ms: 50 }, { kind: "take" }];
    expect(told({ kind: "break", served: 0 }, ...again, full)).to.deep.equal({ kind: "unknown" });
  });

  it("does not double a batch whose predecessor ran out of time and turns up late", () => {
    const adversary = olderAndYounger(0);
    const steps: Step[] = [
      { kind: "take" },
      { kind: "serve" },
      { kind: "zombie", pick: 0 },
      { kind: "zombie", pick: 0 },
    ];
    for (const step of steps) adversary.run(step);
    adversary.settle();
    judge(adversary);
    expect(adversary.records()).to.deep.equal([0, 1, 2]);
    expect(adversary.outcomes.get(2)).to.deep.equal({ kind: "unknown" });
  });

  it("goes on in its session when what ran out of time turns out to be there", () => {
    const adversary = olderAndYounger(1);
    adversary.settle();
    expect(adversary.outcomes.get(1)).to.deep.equal({ kind: "unknown" });
    expect(adversary.outcomes.get(2)).to.deep.equal({ kind: "acked", offset: 2 });
    adversary.run({ kind: "append", count: 1 });
    adversary.settle();
    expect(adversary.identities().map(({ epoch, sequence }) => [epoch, sequence])).to.deep.equal([
      [0, 0],
      [0, 1],
      [0, 2],
      [0, 3],
    ]);
  });

  it("begins a new epoch from 0 behind a batch that was refused for good", () => {
    const adversary = new Adversary();
    adversary.run({ kind: "append", count: 1 });
    adversary.settle();
    for (const step of Array.from({ length: 3 }, (): Step[] => [{ kind: "append", count: 1 }, { kind: "take" }]).flat())
      adversary.run(step);
    adversary.run({ kind: "refuse", error: "INVALID_RECORD", append: false });
    adversary.settle();
    judge(adversary);
    expect(adversary.records()).to.deep.equal([0, 2, 3]);
    expect(adversary.identities().map(({ epoch, sequence }) => [epoch, sequence])).to.deep.equal([
      [0, 0],
      [1, 0],
      [1, 1],
    ]);
  });

  it("gives the number of a refused batch to the next one when nothing was sent behind it", () => {
    const adversary = new Adversary();
    adversary.run({ kind: "append", count: 1 });
    adversary.settle();
    for (const step of [
      { kind: "append", count: 1 },
      { kind: "take" },
      { kind: "refuse", error: "INVALID_RECORD", append: false },
      { kind: "append", count: 1 },
    ] as const) {
      adversary.run(step);
    }
    adversary.settle();
    expect(adversary.identities().map(({ epoch, sequence }) => [epoch, sequence])).to.deep.equal([
      [0, 0],
      [0, 1],
    ]);
  });

  it("sends a batch that is too large in halves, in order, with the sequence it had", () => {
    const adversary = new Adversary({ batchBytes: 4096 });
    adversary.run({ kind: "append", count: 9 });
    adversary.run({ kind: "take" });
    adversary.run({ kind: "refuse", error: "MESSAGE_TOO_LARGE", append: false });
    adversary.settle();
    judge(adversary);
    expect(adversary.records()).to.deep.equal([0, 1, 2, 3, 4, 5, 6, 7, 8]);
    expect(adversary.identities()).to.deep.include({ producerId: 7, epoch: 0, sequence: 5, count: 4 });
  });

  it("takes another producer id when its own is fenced, and loses nothing", () => {
    const adversary = new Adversary();
    adversary.run({ kind: "append", count: 1 });
    adversary.settle();
    adversary.run({ kind: "append", count: 1 });
    adversary.run({ kind: "take" });
    adversary.run({ kind: "refuse", error: "INVALID_PRODUCER_EPOCH", append: false });
    expect(() => adversary.settle()).to.throw("come to rest");
    adversary.giveProducerId(8);
    adversary.settle();
    judge(adversary);
    expect(adversary.identities().map(({ producerId, sequence }) => [producerId, sequence])).to.deep.equal([
      [7, 0],
      [8, 0],
    ]);
  });

  it("delivers at least once, and tells everybody, without idempotence", () => {
    fc.assert(
      fc.property(mixed, (run) => {
        const adversary = new Adversary({ isIdempotent: false });
        for (const step of run) adversary.run(step);
        adversary.settle();
        expect(adversary.load).to.deep.equal({ records: 0, bytes: 0 });
        expect(adversary.outcomes.size).to.equal(adversary.taken);
        const log = adversary.records();
        for (const [record, outcome] of adversary.outcomes)
          if (outcome.kind === "acked") expect(log[outcome.offset]).to.equal(record);
        expect(adversary.identities().every(({ producerId }) => producerId === -1)).to.equal(true);
      }),
      { numRuns: RUNS / 4 },
    );
  });

  it("has at most maxInFlight batches on their way, and one until its session is proven", () => {
    const adversary = new Adversary({ maxInFlight: 3 });
    const sends = Array.from({ length: 6 }, (): Step[] => [{ kind: "append", count: 1 }, { kind: "take" }]).flat();
    for (const step of sends) adversary.run(step);
    expect(adversary.inFlight).to.equal(1);
    adversary.run({ kind: "serve" });
    for (const step of sends) adversary.run(step);
    expect(adversary.inFlight).to.equal(3);
  });

  it("lets a batch wait for company only while another is on its way, and 5 ms at most", () => {
    const adversary = new Adversary({ lingerMs: "adaptive" });
    adversary.run({ kind: "append", count: 1 });
    adversary.settle();
    adversary.run({ kind: "append", count: 1 });
    adversary.run({ kind: "take" });
    expect(adversary.inFlight).to.equal(1);
    adversary.run({ kind: "append", count: 1 });
    adversary.run({ kind: "take" });
    expect(adversary.inFlight).to.equal(1);
    adversary.run({ kind: "wait", ms: 5 });
    adversary.run({ kind: "take" });
    expect(adversary.inFlight).to.equal(2);
  });
});
