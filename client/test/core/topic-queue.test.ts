/** Which partition a record goes to, and what becomes of records that come before the partitions are known. */
import { errorRow } from "@tidemark/proto";
import { expect } from "chai";
import fc from "fast-check";
import { Accumulator } from "../../src/core/accumulator.ts";
import type { QueueOptions } from "../../src/core/partition-queue.ts";
import { ANY_PARTITION, type PartitionerChoice } from "../../src/core/topic-queue.ts";

const UNKNOWN = errorRow("UNKNOWN_TOPIC_OR_PARTITION");

function accumulator(choice: PartitionerChoice = "default", options: Partial<QueueOptions> = {}): Accumulator<number> {
  const all = {
    batchBytes: 500,
    lingerMs: 0,
    maxInFlight: 5,
    codec: 0 as const,
    isIdempotent: false,
    deliveryTimeoutMs: 1_000,
  };
  return new Accumulator(
    { ...all, retry: { initialMs: 1, maxMs: 10, jitter: 0 }, random: () => 0, ...options },
    choice,
  );
}

/** Takes everything and answers it: how many records each partition got, batch by batch. */
function drain(from: Accumulator<number>): number[][] {
  const counts: number[][] = [];
  for (const queue of from.queues()) {
    for (let batch = queue.take(0); batch !== null; batch = queue.take(0)) {
      (counts[queue.partition] ??= []).push(batch.recordsCount);
      queue.onAnswer(batch, { kind: "acked", baseOffset: 0, logAppendTime: -1, isDuplicate: false }, 0);
    }
  }
  return counts;
}

describe("topic queue", () => {
  it("puts keys where murmur2 says, whether the key is text or bytes", () => {
    const records = accumulator();
    records.onPartitions("t", 4, UNKNOWN);
    const topic = records.topic("t");
    topic.onPartitions(4, UNKNOWN);
    topic.append(ANY_PARTITION, 0, "21", null, null, null, 0);
    topic.append(ANY_PARTITION, 0, Buffer.from("21"), null, null, null, 0);
    const partition = (-973_932_308 & 0x7fffffff) % 4;
    expect(drain(records)[partition]).to.deep.equal([2]);
  });

  it("makes a batch of its own of a record that expects the log's end, staged or not, and sends it again as it was", () => {
    const records = accumulator("default", { isIdempotent: true });
    records.setProducerId(7, 0);
    const topic = records.topic("t");
    const expectedEnd = { offset: 2, leaderEpoch: -1 };
    topic.append(0, 0, null, "staged", null, 1, 0, expectedEnd);
    topic.onPartitions(1, UNKNOWN);
    for (let slot = 2; slot <= 5; slot += 1) {
      topic.append(0, 0, null, "plain", null, slot, 0, slot === 4 ? { offset: 5, leaderEpoch: 3 } : null);
    }
    const [queue] = records.queues();
    const first = queue?.take(0) ?? null;
    if (queue === undefined || first === null) throw new Error("nothing to send");
    const { identity } = first;
    queue.onLost(first, errorRow("NETWORK_EXCEPTION"));
    expect(queue.take(0)).to.equal(first);
    expect([first.recordsCount, first.expectedEnd, first.identity]).to.deep.equal([1, expectedEnd, identity]);
    queue.onAnswer(first, { kind: "acked", baseOffset: 2, logAppendTime: -1, isDuplicate: true }, 0);
    const rest = [queue.take(0), queue.take(0), queue.take(0)];
    expect(rest.map((batch) => [batch?.recordsCount, batch?.expectedEnd?.offset])).to.deep.equal([
      [2, undefined],
      [1, 5],
      [1, undefined],
    ]);
  });

  for (const error of ["EXPECTED_OFFSET_MISMATCH", "FENCED_LEADER_EPOCH"] as const) {
    it(`does not send a record again that expected another end: ${error}`, () => {
      const records = accumulator();
      const topic = records.topic("t");
      topic.onPartitions(1, UNKNOWN);
      topic.append(0, 0, null, "v", null, 1, 0, { offset: 2, leaderEpoch: 0 });
      const [queue] = records.queues();
      const batch = queue?.take(0) ?? null;
      if (queue === undefined || batch === null) throw new Error("nothing to send");
      const logEnd = { offset: 3, leaderEpoch: 1 };
      queue.onAnswer(batch, { kind: "refused", row: errorRow(error), message: "", isUnwritten: false, logEnd }, 0);
      const [settled] = records.takeSettled();
      expect(settled?.outcome).to.deep.include({ kind: "refused", mayBeWritten: false, logEnd });
      expect(queue.isEmpty).to.equal(true);
    });
  }

  it("refuses what waits for partitions that a topic made anew does not have, and keeps what is on its way", () => {
    const records = accumulator("round-robin");
    const topic = records.topic("t");
    topic.onPartitions(3, UNKNOWN);
    topic.append(2, 0, null, "on its way", null, 1, 0);
    const underWay = records.queues()[0];
    const batch = underWay?.take(0) ?? null;
    if (underWay === undefined || batch === null) throw new Error("nothing to send");
    topic.append(1, 0, null, "waiting", null, 2, 0);
    topic.append(0, 0, null, "stays", null, 3, 0);
    records.remake("t", 1, UNKNOWN);
    const refused = records.takeSettled();
    expect(refused.map(({ partition, outcome }) => [partition, outcome.kind])).to.deep.equal([[1, "refused"]]);
    expect(refused[0]?.outcome).to.include({ row: UNKNOWN, mayBeWritten: false });
    expect(topic.partitionsCount).to.equal(1);
    // The broker knows the partition no more: it goes the same way as soon as the cluster is asked again.
    underWay.onAnswer(batch, { kind: "refused", row: UNKNOWN, message: "", isUnwritten: true }, 0);
    topic.onPartitions(1, UNKNOWN);
    expect(records.takeSettled().map(({ partition, outcome }) => [partition, outcome.kind])).to.deep.equal([
      [2, "refused"],
    ]);
    topic.append(ANY_PARTITION, 0, null, "new", null, 4, 0);
    topic.append(1, 0, null, "staged until there is one", null, 5, 0);
    topic.onPartitions(2, UNKNOWN);
    expect(drain(records)).to.deep.equal([[2], [1]]);
    expect(records.load).to.deep.equal({ records: 0, bytes: 0 });
  });

  it("fills one batch after the other with records that have no key, each in the next partition", () => {
    const records = accumulator();
    const topic = records.topic("t");
    topic.onPartitions(3, UNKNOWN);
    for (let record = 0; record < 30; record += 1) topic.append(ANY_PARTITION, 0, null, "x".repeat(50), null, null, 0);
    const batches = drain(records);
    expect(batches.flat().reduce((sum, count) => sum + count, 0)).to.equal(30);
    for (const counts of batches) expect(counts?.length).to.be.greaterThan(0);
    expect(Math.max(...batches.flat()) - Math.min(...batches.flat().slice(0, -1))).to.be.lessThan(8);
  });

  it("takes turns record by record when it is asked to", () => {
    const records = accumulator("round-robin");
    const topic = records.topic("t");
    topic.onPartitions(3, UNKNOWN);
    for (let record = 0; record < 9; record += 1) topic.append(ANY_PARTITION, 0, null, "x", null, null, 0);
    expect(drain(records)).to.deep.equal([[3], [3], [3]]);
  });

  it("keeps the order of records that came before their partitions were known", () => {
    const records = accumulator("default", { batchBytes: 100_000 });
    const topic = records.topic("t");
    for (let record = 0; record < 5; record += 1) {
      expect(topic.append(0, 0, null, "x", null, record, 0)).to.equal(false);
    }
    expect(records.load.records).to.equal(5);
    expect(records.stagedTopics()).to.deep.equal(["t"]);
    topic.onPartitions(1, UNKNOWN);
    topic.append(0, 0, null, "x", null, 5, 0);
    expect(drain(records)).to.deep.equal([[6]]);
    expect(records.takeSettled().flatMap(({ batch }) => batch.completions)).to.deep.equal([0, 1, 2, 3, 4, 5]);
    expect(records.load).to.deep.equal({ records: 0, bytes: 0 });
  });

  it("fails records for a partition that the topic does not have, once that is known", () => {
    const records = accumulator();
    const topic = records.topic("t");
    topic.onPartitions(2, UNKNOWN);
    expect(topic.append(2, 0, null, "x", null, 7, 0)).to.equal(false);
    topic.onPartitions(2, UNKNOWN);
    const [settled] = records.takeSettled();
    expect(settled?.outcome).to.include({ kind: "refused", row: UNKNOWN });
    expect(settled?.batch.completions).to.deep.equal([7]);
    expect(records.load).to.deep.equal({ records: 0, bytes: 0 });
  });

  it("lets staged records go when their time is over, and when the producer closes", () => {
    const records = accumulator();
    const topic = records.topic("t");
    topic.append(0, 0, null, "old", null, 1, 0);
    topic.append(0, 0, null, "new", null, 2, 500);
    expect(records.wakeAt(0)).to.equal(1_000);
    records.expire(1_000);
    expect(records.takeSettled().map(({ batch }) => batch.completions)).to.deep.equal([[1]]);
    records.drop();
    expect(records.takeSettled().map(({ outcome }) => outcome.kind)).to.deep.equal(["dropped"]);
    expect(records.load).to.deep.equal({ records: 0, bytes: 0 });
  });

  it("counts what it holds exactly, whatever is sent", () => {
    const record = fc.record({
      partition: fc.integer({ min: -1, max: 2 }),
      key: fc.option(fc.string()),
      value: fc.option(fc.string({ maxLength: 300 })),
    });
    fc.assert(
      fc.property(fc.array(record, { maxLength: 60 }), fc.nat(60), (list, known) => {
        const records = accumulator();
        const topic = records.topic("t");
        for (const [index, { partition, key, value }] of list.entries()) {
          if (index === known) topic.onPartitions(3, UNKNOWN);
          topic.append(partition, 0, key, value, null, null, 0);
        }
        expect(records.load.records).to.equal(list.length);
        topic.onPartitions(3, UNKNOWN);
        const counts = drain(records);
        expect(counts.flat().reduce((sum, count) => sum + count, 0)).to.equal(list.length);
        expect(records.load).to.deep.equal({ records: 0, bytes: 0 });
      }),
      { numRuns: 200 },
    );
  });
});
