/** Replication between replica managers over simulated disks and streams, with metadata written by the test. */
import { expect } from "chai";
import { asMs, asOffset, SeededRandom } from "../../src/base/index.ts";
import { BatchField } from "@tidemark/proto";
import { ReplicationBench, TOPIC, topicIdOf } from "./support/replication-bench.ts";
import type { Answer, Outcome } from "./support/partition-bench.ts";

const SYNCED = { "tidemark.durability": "group-commit", "min.insync.replicas": "2" };
const PAGE_CACHE = { "tidemark.durability": "page-cache", "min.insync.replicas": "2" };
const LOG_FILE = /tide-0\/\d+\.log$/u;

function sameBytes(bench: ReplicationBench, partition = 0): void {
  const [first, ...others] = bench.nodes
    .filter(({ life }) => life !== null)
    .map(({ id }) => bench.bytes(id, partition));
  expect(first?.length).to.be.greaterThan(0);
  for (const other of others) expect(other.equals(first as Buffer), "byte for byte the same").to.equal(true);
}

async function answered(bench: ReplicationBench, outcome: Outcome, ms = 60_000): Promise<Answer> {
  await bench.until("answered", () => outcome.answer !== null, ms);
  return outcome.answer as Answer;
}

/** Appends one record with acks=all at broker `id`, expecting it to be taken. */
async function put(bench: ReplicationBench, id: number, value: string): Promise<void> {
  expect(await answered(bench, bench.append(id, { values: [value] }))).to.include({ code: "NONE" });
}

describe("replication", () => {
  for (const [mode, overrides] of [
    ["page-cache", PAGE_CACHE],
    ["group-commit", SYNCED],
  ] as const) {
    it(`answers acks=all when every in-sync replica has it (${mode}), byte for byte`, async () => {
      const bench = await ReplicationBench.open({ overrides });
      const outcome = bench.append(1, { values: ["a", "b"] });
      await bench.world.runFor(0);
      expect(outcome.answer).to.equal(null);
      expect(await answered(bench, outcome, 1_000)).to.include({ code: "NONE", baseOffset: 0 });
      for (let i = 0; i < 50; i++) bench.append(1, { values: [`r${i}`, "x".repeat(i * 40)] });
      await answered(bench, bench.append(1, { values: ["last"] }), 1_000);
      await bench.world.runFor(100);
      sameBytes(bench);
      expect(bench.node(1).led().highWatermark).to.equal(103);
      for (const id of [2, 3]) expect(bench.node(id).log().highWatermark, "5 ms later").to.equal(103);
      for (const id of [2, 3]) expect(bench.node(id).log().latestEpoch).to.equal(bench.node(1).log().latestEpoch);
    });
  }

  it("tells followers the high watermark 5 ms later, when nothing else is sent (6(5))", async () => {
    const bench = await ReplicationBench.open({ overrides: PAGE_CACHE });
    const { atMs } = await answered(bench, bench.append(1, { values: ["a"] }));
    await bench.until("told", () => [2, 3].every((id) => bench.node(id).log().highWatermark === 1));
    expect(bench.world.nowMs - atMs).to.be.within(4, 8);
  });

  it("sends nothing while nothing happens, however many partitions there are", async () => {
    const bench = await ReplicationBench.open({ overrides: PAGE_CACHE, partitions: 40 });
    await put(bench, 1, "a");
    await bench.world.runFor(70_000);
    let events = 0;
    const untilMs = bench.world.nowMs + 10_000;
    while (await bench.world.step(untilMs)) events++;
    expect(events, "but for the check of 7(4)").to.be.at.most(1);
    await put(bench, 1, "after a minute (P51)");
    expect(bench.isr()).to.deep.equal([1, 2, 3]);
    expect(bench.proposals).to.deep.equal([]);
  });

  it("takes a batch beyond the credit of the whole stream (P57)", async () => {
    const bench = await ReplicationBench.open({
      overrides: { ...PAGE_CACHE, "max.message.bytes": "20000000", "segment.bytes": "40000000" },
    });
    const outcomes = ["a", "b", "c"].map((value) => bench.append(1, { values: [value.repeat(9_000_000)] }));
    for (const outcome of outcomes) expect(await answered(bench, outcome)).to.include({ code: "NONE" });
    sameBytes(bench);
  });

  it("keeps no partition waiting behind another: each gets its turn", async () => {
    const bench = await ReplicationBench.open({ overrides: PAGE_CACHE, partitions: 2 });
    for (let i = 0; i < 40; i++) bench.append(1, { values: ["x".repeat(900_000)] }, "leader");
    const small = bench.append(1, { values: ["small"] }, "all", 30_000, 1);
    await answered(bench, small);
    expect(bench.node(2).log(0).logEndOffset, "long before the first has all").to.be.lessThan(30);
  });

  it("writes in the synced modes beside the leader's own sync (15.1(3))", async () => {
    const bench = await ReplicationBench.open({ overrides: SYNCED });
    const fault = bench
      .node(1)
      .disk.faults.add({ operation: "datasync", effect: "stall", path: LOG_FILE, stallMs: 400 });
    const outcome = bench.append(1, { values: ["a"] });
    await bench.until("followers have it synced", () =>
      [2, 3].every((id) => bench.node(id).log().syncedEndOffset === 1),
    );
    expect(outcome.answer).to.equal(null);
    expect(fault.firedCount).to.equal(1);
    expect(await answered(bench, outcome)).to.include({ code: "NONE" });
  });

  it("counts only what followers have synced, where that is promised (15.1(2))", async () => {
    const bench = await ReplicationBench.open({ overrides: SYNCED });
    bench.node(2).disk.faults.add({ operation: "datasync", effect: "stall", path: LOG_FILE, stallMs: 400 });
    const outcome = bench.append(1, { values: ["a"] });
    await bench.world.runFor(200);
    expect(bench.node(2).log().writtenEndOffset).to.equal(1);
    expect(outcome.answer).to.equal(null);
    expect(await answered(bench, outcome)).to.include({ code: "NONE" });
  });

  it("takes back what a failed write of a follower left, and fetches it again (3.1(12))", async () => {
    const bench = await ReplicationBench.open({ overrides: PAGE_CACHE });
    await put(bench, 1, "a");
    bench.node(2).disk.faults.add({ operation: "write", effect: "ENOSPC", path: LOG_FILE });
    const outcome = bench.append(1, { values: ["b"] });
    await bench.world.runFor(500);
    expect(outcome.answer).to.equal(null);
    expect(await answered(bench, outcome, 3_000)).to.include({ code: "NONE" });
    sameBytes(bench);
  });

  it("works on a disk so slow that nothing is written on the loop, and over rolls", async () => {
    const bench = await ReplicationBench.open({ overrides: { ...SYNCED, "segment.bytes": "2000" } });
    for (const node of bench.nodes) node.disk.slowWriteMs = 20;
    const outcomes: Outcome[] = [];
    for (let i = 0; i < 60; i++) {
      outcomes.push(bench.append(1, { values: [`r${i}`.padEnd(100, ".")] }));
      await bench.world.runFor(5);
    }
    for (const outcome of outcomes) expect(await answered(bench, outcome)).to.include({ code: "NONE" });
    expect(bench.node(2).log().segmentCount).to.be.greaterThan(3);
    sameBytes(bench);
  });

  it("asks again for bytes whose CRC is wrong, then tells its leader; other partitions are not held up (5.3(7), 15.7(1))", async () => {
    const bench = await ReplicationBench.open({ overrides: PAGE_CACHE, partitions: 2 });
    bench.kill(2);
    await put(bench, 1, "a".repeat(200));
    const { path } = bench.node(1).log().segments()[0] as { path: string };
    const at = BatchField.PRODUCER_ID + 60;
    bench.flip(1, path, at);
    await bench.start(2);
    await answered(bench, bench.append(1, { values: ["other"] }, "leader", 30_000, 1));
    await bench.until("the other partition", () => bench.node(2).log(1).logEndOffset === 1);
    expect(bench.node(2).log().logEndOffset).to.equal(0);
    await bench.until("the leader has looked", () => bench.image.topics.get(TOPIC)?.partitions[0]?.leaderId === 3);
    await bench.until("all", () => bench.isr().length === 3);
    expect(bench.damageReports).to.have.length(1);
    sameBytes(bench);
  });
});

describe("replication: followers that come and go", () => {
  for (const kind of ["process", "power"] as const) {
    it(`catches up after a loss of ${kind}, and joins the ISR again (7(5))`, async () => {
      const bench = await ReplicationBench.open({ overrides: PAGE_CACHE });
      for (let i = 0; i < 20; i++) await put(bench, 1, `before ${i}`);
      bench.kill(2, kind);
      for (let i = 0; i < 20; i++) await put(bench, 1, `while ${i}`);
      await bench.start(2);
      await bench.until("in sync", () => bench.isr().includes(2));
      await put(bench, 1, "after");
      sameBytes(bench);
    });
  }

  it("a follower on an empty disk fetches from where the leader's log begins (5.3(5))", async () => {
    const bench = await ReplicationBench.open({ overrides: { ...PAGE_CACHE, "segment.bytes": "1500" } });
    for (let i = 0; i < 60; i++) await put(bench, 1, `record number ${i}`.padEnd(100, "."));
    bench.kill(3);
    const before = bench.node(1).log().segmentCount;
    await bench.drive(
      bench
        .node(1)
        .led()
        .deleteRecordsBefore(asOffset(33), asMs(bench.world.nowMs + 30_000)),
    );
    await bench.until("old segments went", () => bench.node(1).log().segmentCount < before);
    await bench.wipe(3);
    await bench.start(3);
    await bench.until("in sync", () => bench.isr().includes(3));
    expect(bench.node(3).log().logStartOffset).to.equal(33);
    expect(await bench.values(3)).to.deep.equal(await bench.values(1));
    await put(bench, 1, "after");
  });

  it("a follower that stays away leaves the ISR by time alone, and acks=all goes on without it (7(2), 7(4))", async () => {
    const bench = await ReplicationBench.open({ overrides: PAGE_CACHE });
    await put(bench, 1, "a");
    bench.network.stall(3);
    const outcome = bench.append(1, { values: ["b"] }, "all", 120_000);
    await bench.world.runFor(25_000);
    expect(outcome.answer).to.equal(null);
    expect(bench.isr()).to.deep.equal([1, 2, 3]);
    expect(await answered(bench, outcome, 30_000)).to.include({ code: "NONE" });
    expect(bench.isr()).to.deep.equal([1, 2]);
    bench.network.resume(3);
    await bench.until("in sync", () => bench.isr().includes(3));
    expect(bench.node(1).manager.isrChanges).to.deep.equal({ shrinks: 1, expands: 1 });
    expect([...bench.node(3).manager.followed()].map(({ lag }) => lag)).to.deep.equal([0]);
    sameBytes(bench);
  });

  it("a stalled stream holds nothing but its own: time-outs, and everything when it moves again (8.2)", async () => {
    const bench = await ReplicationBench.open({ overrides: PAGE_CACHE });
    bench.network.stall(2);
    const late = bench.append(1, { values: ["late"] }, "all", 1_000);
    const leader = bench.append(1, { values: ["leader"] }, "leader");
    await bench.world.runFor(0);
    expect(leader.answer?.code).to.equal("NONE");
    expect(await answered(bench, late)).to.include({ code: "REQUEST_TIMED_OUT" });
    bench.network.resume(2);
    await put(bench, 1, "after");
    sameBytes(bench);
  });

  it("a stream that breaks is made again, and nothing is lost or doubled", async () => {
    const bench = await ReplicationBench.open({ overrides: SYNCED });
    const outcomes: Outcome[] = [];
    for (let i = 0; i < 30; i++) {
      outcomes.push(bench.append(1, { values: [`r${i}`] }));
      if (i % 5 === 0) bench.network.reset(1, 2);
      if (i % 7 === 0) bench.network.reset(1, 3);
      await bench.world.runFor(3);
    }
    for (const outcome of outcomes) expect(await answered(bench, outcome)).to.include({ code: "NONE" });
    sameBytes(bench);
    expect(await bench.values(3)).to.have.length(30);
  });

  it("a follower whose disk fails goes offline; the leader stays, and goes on once the ISR is without it (3.8(1))", async () => {
    const bench = await ReplicationBench.open({ overrides: PAGE_CACHE });
    await put(bench, 1, "a");
    bench.node(2).disk.faults.add({ operation: "write", effect: "EIO", path: LOG_FILE });
    const outcome = bench.append(1, { values: ["b"] }, "all", 120_000);
    await bench.until("offline", () => bench.node(2).faults.length > 0);
    expect(bench.node(2).manager.isOffline).to.equal(true);
    expect(bench.node(1).faults).to.deep.equal([]);
    expect(outcome.answer).to.equal(null);
    // Its process stops; the controller sees that nobody listens there.
    bench.fence(2);
    expect(await answered(bench, outcome, 100)).to.include({ code: "NONE" });
  });

  it("a leader whose disk hangs gives up, so that another can lead (15.1(4)); one that is only slow does not", async () => {
    const bench = await ReplicationBench.open({ overrides: SYNCED });
    const { faults } = bench.node(1).disk;
    faults.add({ operation: "datasync", effect: "stall", path: LOG_FILE, stallMs: 25_000 });
    await put(bench, 1, "slow");
    expect(bench.node(1).faults).to.deep.equal([]);
    faults.add({ operation: "datasync", effect: "stall", path: LOG_FILE, stallMs: 300_000 });
    const outcome = bench.append(1, { values: ["hung"] }, "all", 120_000);
    await bench.until("offline", () => bench.node(1).manager.isOffline, 61_000);
    expect(outcome.answer).to.include({ code: "KAFKA_STORAGE_ERROR" });
    bench.fence(1);
    const { leaderId } = bench.image.topicsById.get(topicIdOf(1))?.partitions[0] ?? { leaderId: -1 };
    expect(leaderId).to.be.oneOf([2, 3]);
    await put(bench, leaderId, "after");
  });

  it("a peer that sends what is no frame loses its stream, and no more", async () => {
    const bench = await ReplicationBench.open({ overrides: PAGE_CACHE });
    await put(bench, 1, "a");
    const closed: unknown[] = [];
    const handlers = {
      onFrame: () => undefined,
      onDrain: () => undefined,
      onClosed: (error: unknown) => void closed.push(error),
    };
    const random = new SeededRandom(5);
    for (let i = 0; i < 40; i++) {
      const stream = bench.transport(2).openReplication(bench.node(1).address(), handlers);
      const frame = Buffer.from(Array.from({ length: 1 + random.below(60) }, () => random.below(256)));
      stream.send(frame);
      await bench.world.runFor(20);
      stream.close();
      await bench.world.runFor(20);
    }
    expect(closed.length).to.equal(40);
    expect(bench.node(1).lines.some((line) => line.startsWith("a follower sent what is no frame"))).to.equal(true);
    // Its own stream took the place of the last of them.
    await put(bench, 1, "b");
    sameBytes(bench);
  });

  it("a follower whose disk is full pauses and goes on by itself (3.8(2))", async () => {
    const bench = await ReplicationBench.open({ overrides: PAGE_CACHE });
    await put(bench, 1, "a");
    const { disk } = bench.node(2);
    disk.capacityBytes = disk.usedBytes() + 1;
    await bench.world.runFor(200);
    const outcome = bench.append(1, { values: ["b"] }, "all", 120_000);
    await bench.world.runFor(5_000);
    expect(outcome.answer).to.equal(null);
    expect(bench.node(2).manager.isFull).to.equal(true);
    disk.capacityBytes = Number.POSITIVE_INFINITY;
    expect(await answered(bench, outcome, 3_000)).to.include({ code: "NONE" });
    sameBytes(bench);
  });

  it("a topic made anew while a broker was down gets no record of the old one into the new (P47)", async () => {
    const bench = await ReplicationBench.open({ overrides: PAGE_CACHE });
    for (let i = 0; i < 5; i++) await put(bench, 1, `old ${i}`);
    bench.kill(3);
    bench.commit({ type: "topicDeleted", topicId: topicIdOf(1) });
    bench.create(2, "tide");
    await bench.world.runFor(100);
    const outcome = bench.append(1, { values: ["new"] }, "leader");
    await answered(bench, outcome);
    await bench.start(3);
    await bench.until("caught up", () => bench.node(3).log().logEndOffset === 1);
    expect(await bench.values(3)).to.deep.equal(["new"]);
    expect(bench.node(3).log().topicId).to.equal(topicIdOf(2));
    sameBytes(bench);
  });

  it("asks that come before the leader knows of its epoch are kept, and cost no back-off", async () => {
    const bench = await ReplicationBench.open({ overrides: PAGE_CACHE });
    await put(bench, 1, "a");
    bench.node(2).isMetadataHeld = true;
    bench.change({ leaderId: 2 });
    await bench.world.runFor(300);
    bench.release(2);
    const releasedAt = bench.world.nowMs;
    const outcome = bench.append(2, { values: ["b"] });
    const { atMs, code } = await answered(bench, outcome);
    expect(code).to.equal("NONE");
    expect(atMs - releasedAt).to.be.lessThan(20);
  });
});

describe("replication: leaders that change", () => {
  it("answers who waits in the stretch that ends the leadership, then follows (8.2)", async () => {
    const bench = await ReplicationBench.open({ overrides: PAGE_CACHE });
    bench.network.stall(2);
    const waiting = bench.append(1, { values: ["w"] });
    await bench.world.runFor(50);
    expect(waiting.answer).to.equal(null);
    bench.change({ leaderId: 3, isr: [1, 3] });
    expect(waiting.answer).to.include({ code: "NOT_LEADER_OR_FOLLOWER" });
    expect(bench.node(1).manager.find("tide", 0)).to.equal(undefined);
    await put(bench, 3, "after");
    bench.network.resume(2);
    await bench.until("in sync", () => bench.isr().length === 3);
    sameBytes(bench);
  });

  it("cuts what was never committed, by epochs and not to the high watermark (P01, 5.3)", async () => {
    const bench = await ReplicationBench.open({ overrides: PAGE_CACHE });
    for (let i = 0; i < 5; i++) await put(bench, 1, `kept ${i}`);
    bench.network.partition([1], [2, 3]);
    for (let i = 0; i < 3; i++) bench.append(1, { values: [`lost ${i}`] }, "leader");
    await bench.world.runFor(20);
    // Broker 1 does not hear of it.
    bench.node(1).isMetadataHeld = true;
    bench.change({ leaderId: 2, isr: [2, 3] });
    for (let i = 0; i < 4; i++) await put(bench, 2, `new ${i}`);
    expect(bench.node(1).log().logEndOffset).to.equal(8);
    bench.network.healAll();
    bench.release(1);
    await bench.until("in sync", () => bench.isr().includes(1));
    await put(bench, 2, "after");
    await bench.world.runFor(50);
    sameBytes(bench);
    expect((await bench.values(1)).filter((value) => value.startsWith("lost"))).to.deep.equal([]);
    expect((await bench.values(1)).slice(0, 5)).to.deep.equal([0, 1, 2, 3, 4].map((i) => `kept ${i}`));
  });

  it("tells that it is synced though its sync ran into the cut, and nothing more is appended (5.5(2), 15.1(2))", async () => {
    const bench = await ReplicationBench.open({ overrides: SYNCED });
    const { faults } = bench.node(1).disk;
    const fault = faults.add({ operation: "datasync", effect: "stall", path: LOG_FILE, stallMs: 2_000 });
    bench.append(1, { values: ["kept"] });
    await bench.until("followers have it", () => [2, 3].every((id) => bench.node(id).log().syncedEndOffset === 1));
    bench.network.partition([1], [2, 3]);
    bench.append(1, { values: ["lost"] }, "leader");
    await bench.world.runFor(20);
    bench.change({ leaderId: 2, isr: [2, 3] });
    bench.network.healAll();
    expect([fault.firedCount, bench.node(1).log().syncedEndOffset]).to.deep.equal([1, 0]);
    await bench.until("in sync", () => bench.isr().includes(1));
    expect(bench.node(1).log().syncedEndOffset).to.equal(1);
    expect(await bench.values(1)).to.deep.equal(["kept"]);
  });

  it("has synced what the role before left unsynced, whoever leads: nobody else would ask (15.1(2))", async () => {
    for (const leaderId of [2, 3]) {
      const bench = await ReplicationBench.open({ overrides: SYNCED });
      const node = bench.node(2);
      node.disk.slowWriteMs = 20;
      for (let i = 0; i < 3; i++) await put(bench, 1, `r${i}`);
      bench.append(1, { values: ["last"] });
      await bench.until(
        "it is being written",
        () => node.log().logEndOffset === 4 && bench.node(3).log().syncedEndOffset === 4,
      );
      expect(node.log().writtenEndOffset).to.equal(3);
      bench.change({ leaderId });
      await bench.until("it is committed", () => bench.node(leaderId).log().highWatermark === 4);
      expect(node.log().syncedEndOffset).to.equal(4);
    }
  });

  it("goes through several leaders in a row, each with a tail of its own (P02, KIP-279)", async () => {
    const bench = await ReplicationBench.open({ overrides: PAGE_CACHE });
    await put(bench, 1, "common");
    let leader = 1;
    for (let round = 0; round < 6; round++) {
      const others = [1, 2, 3].filter((id) => id !== leader);
      bench.network.partition([leader], others);
      bench.node(leader).isMetadataHeld = true;
      for (let i = 0; i <= round; i++) bench.append(leader, { values: [`lost ${round} ${i}`] }, "leader");
      await bench.world.runFor(10);
      const next = others[round % 2] as number;
      bench.change({ leaderId: next, isr: others });
      await put(bench, next, `kept ${round}`);
      bench.network.healAll();
      bench.release(leader);
      await bench.until("in sync", () => bench.isr().length === 3);
      leader = next;
    }
    await put(bench, leader, "end");
    await bench.world.runFor(50);
    sameBytes(bench);
    expect(await bench.values(1)).to.deep.equal(["common", ...[0, 1, 2, 3, 4, 5].map((i) => `kept ${i}`), "end"]);
  });

  it("does not cut below its own high watermark without an unclean choice (5.3(6), P45)", async () => {
    const bench = await ReplicationBench.open({ overrides: PAGE_CACHE });
    for (let i = 0; i < 5; i++) await put(bench, 1, `r${i}`);
    await bench.world.runFor(20);
    bench.kill(2);
    await bench.wipe(2);
    await bench.start(2);
    // Nobody would choose an emptied replica; if somebody does, nothing is cut for it.
    bench.network.partition([2], [1, 3]);
    bench.change({ leaderId: 2, isr: [2] });
    await bench.world.runFor(100);
    bench.network.healAll();
    await bench.world.runFor(15_000);
    for (const id of [1, 3]) {
      expect(bench.node(id).log().logEndOffset).to.equal(5);
      expect([...bench.node(id).manager.followed()].map(({ isStopped }) => isStopped)).to.deep.equal([true]);
    }
  });

  it("cuts below it after one (9(3))", async () => {
    const bench = await ReplicationBench.open({ overrides: PAGE_CACHE });
    for (let i = 0; i < 5; i++) await put(bench, 1, `r${i}`);
    await bench.world.runFor(20);
    bench.kill(2);
    await bench.wipe(2);
    bench.network.partition([2], [1, 3]);
    await bench.start(2);
    bench.change({ leaderId: 2, isUnclean: true });
    await bench.world.runFor(10);
    await answered(bench, bench.append(2, { values: ["unclean"] }, "leader"));
    bench.network.healAll();
    await bench.until("in sync", () => bench.isr().length === 3);
    await put(bench, 2, "after");
    sameBytes(bench);
    expect(await bench.values(3)).to.deep.equal(["unclean", "after"]);
  });

  it("knows at the new leader a retry of what the old one took, after a look-up in the log (11.1(2), P62)", async () => {
    const bench = await ReplicationBench.open({ overrides: SYNCED });
    const batch = (sequence: number): { values: string[]; producerId: number; sequence: number } => ({
      values: [`s${sequence}`],
      producerId: 7,
      sequence,
    });
    for (let i = 0; i < 8; i++) await answered(bench, bench.append(1, batch(i)));
    // The follower that will lead has just come back: it knows the last batch alone.
    await bench.stop(2);
    await bench.start(2);
    await bench.until("in sync", () => bench.isr().includes(2));
    bench.change({ leaderId: 2 });
    await bench.world.runFor(20);
    for (const sequence of [3, 4, 5, 6, 7]) {
      const answer = await answered(bench, bench.append(2, batch(sequence)));
      expect(answer).to.include({ code: "NONE", baseOffset: sequence, isDuplicate: true });
    }
    expect(await answered(bench, bench.append(2, batch(8)))).to.include({ code: "NONE", isDuplicate: false });
    expect(await answered(bench, bench.append(2, batch(20)))).to.include({ code: "OUT_OF_ORDER_SEQUENCE_NUMBER" });
    sameBytes(bench);
  });

  it("takes no truncated batch for a duplicate (P42)", async () => {
    const bench = await ReplicationBench.open({ overrides: PAGE_CACHE });
    const batch = (sequence: number): object => ({ values: [`s${sequence}`], producerId: 7, sequence });
    await answered(bench, bench.append(1, batch(0)));
    bench.network.partition([1], [2, 3]);
    await answered(bench, bench.append(1, batch(1), "leader"));
    bench.node(1).isMetadataHeld = true;
    bench.change({ leaderId: 2, isr: [2, 3] });
    await put(bench, 2, "another");
    bench.network.healAll();
    bench.release(1);
    await bench.until("in sync", () => bench.isr().includes(1));
    bench.change({ leaderId: 1 });
    await bench.world.runFor(20);
    expect(await answered(bench, bench.append(1, batch(1)))).to.include({
      code: "NONE",
      isDuplicate: false,
      baseOffset: 2,
    });
  });

  it("keeps nobody's acknowledgement over a time as follower (P48)", async () => {
    const bench = await ReplicationBench.open({ overrides: PAGE_CACHE });
    bench.network.partition([1], [2, 3]);
    const waiting = bench.append(1, { values: ["gone"] }, "all", 120_000);
    await bench.world.runFor(20);
    bench.change({ leaderId: 2, isr: [2, 3] });
    expect(waiting.answer).to.include({ code: "NOT_LEADER_OR_FOLLOWER" });
    await put(bench, 2, "kept");
    bench.network.healAll();
    await bench.until("in sync", () => bench.isr().includes(1));
    bench.change({ leaderId: 1 });
    await put(bench, 1, "end");
    expect(await bench.values(1)).to.deep.equal(["kept", "end"]);
  });
});

describe("replication: settings and deletions", () => {
  it("answers DeleteRecords when every live replica would keep it over a crash (13(4), P63, P71)", async () => {
    const bench = await ReplicationBench.open({ overrides: PAGE_CACHE });
    for (let i = 0; i < 10; i++) await put(bench, 1, `r${i}`);
    const deadline = asMs(bench.world.nowMs + 20_000);
    bench.network.stall(3);
    let done: boolean | null = null;
    void bench
      .node(1)
      .led()
      .deleteRecordsBefore(asOffset(6), deadline)
      .then((isDone) => (done = isDone));
    await bench.world.runFor(2_000);
    expect(done, "broker 3 has not").to.equal(null);
    bench.network.resume(3);
    await bench.until("answered", () => done !== null);
    expect(done).to.equal(true);
    for (const id of [1, 2, 3]) bench.kill(id, "power");
    for (const id of [1, 2, 3]) await bench.start(id);
    for (const id of [1, 2, 3]) expect(bench.node(id).log().logStartOffset).to.equal(6);
  });

  it("begins at the batch inside of which the leader's log starts; what was deleted stays so over a crash (5.3(8), P10)", async () => {
    const bench = await ReplicationBench.open({ overrides: PAGE_CACHE });
    for (let i = 0; i < 4; i++) await answered(bench, bench.append(1, { values: [`${i}a`, `${i}b`, `${i}c`] }));
    await bench.drive(
      bench
        .node(1)
        .led()
        .deleteRecordsBefore(asOffset(4), asMs(bench.world.nowMs + 1_000)),
    );
    bench.kill(3);
    await bench.wipe(3);
    // It gets no further than the batch in which the log starts, and crashes there again and again.
    for (let write = 0; write < 3; write++) {
      await bench.start(3);
      const fault = bench.node(3).disk.faults.add({ operation: "write", effect: "ENOSPC", path: LOG_FILE, times: 3 });
      await bench.world.runFor(2_500);
      expect(fault.firedCount).to.be.greaterThan(0);
      expect(bench.node(3).log().logStartOffset).to.be.oneOf([3, 4]);
      expect(bench.node(3).log().durableLogStartOffset).to.equal(4);
      bench.kill(3, write === 1 ? "power" : "process");
    }
    await bench.start(3);
    await bench.until("in sync", () => bench.isr().includes(3));
    expect(bench.node(3).log().logStartOffset).to.equal(4);
    expect(await bench.values(3)).to.deep.equal(await bench.values(1));
    expect(await bench.values(3)).to.deep.equal(["1b", "1c", "2a", "2b", "2c", "3a", "3b", "3c"]);
  });

  it("ends no lower than what it keeps deleted, though the batch below finds no room, or another leads before it comes", async () => {
    for (const isDeposed of [false, true]) {
      const bench = await ReplicationBench.open({ overrides: PAGE_CACHE });
      for (let i = 0; i < 2; i++) await answered(bench, bench.append(1, { values: [`${i}a`, `${i}b`, `${i}c`] }));
      const deadline = asMs(bench.world.nowMs + 1_000);
      await bench.drive(bench.node(1).led().deleteRecordsBefore(asOffset(4), deadline));
      bench.kill(3);
      await bench.wipe(3);
      await bench.start(3);
      const { faults } = bench.node(3).disk;
      faults.add({ operation: "write", effect: "ENOSPC", path: LOG_FILE, times: 1 });
      await bench.until("it has begun at the batch", () => bench.node(3).log().logEndOffset === 3);
      if (isDeposed) bench.change({ leaderId: 3, isr: [3] });
      await bench.world.runFor(100);
      const log = bench.node(3).log();
      expect([log.logStartOffset, log.logEndOffset, log.highWatermark], String(isDeposed)).to.deep.equal([4, 4, 4]);
      if (!isDeposed) continue;
      expect(await answered(bench, bench.append(3, { values: ["after"] }, "leader"))).to.include({ baseOffset: 4 });
    }
  });

  it("joins when its log start is durable, though there was no room for that before another led (7(5))", async () => {
    const bench = await ReplicationBench.open({ overrides: PAGE_CACHE });
    for (let i = 0; i < 6; i++) await put(bench, 1, `r${i}`);
    const log = bench.node(3).log();
    const { faults } = bench.node(3).disk;
    const full = { operation: "write", effect: "ENOSPC", path: /log-start-offset/u, times: 1_000_000 } as const;
    const fault = faults.add(full);
    const deleted = bench
      .node(1)
      .led()
      .deleteRecordsBefore(asOffset(4), asMs(bench.world.nowMs + 1_000));
    const isRaised = (nodeId: number): boolean => bench.node(nodeId).log().logStartOffset === 4;
    await bench.until("it holds in memory", () => isRaised(2) && isRaised(3) && fault.firedCount > 0);
    bench.change({ leaderId: 2, isr: [2, 1] });
    await bench.drive(deleted.catch(() => undefined));
    await bench.world.runFor(5_000);
    expect([log.durableLogStartOffset, [...bench.isr()]]).to.deep.equal([0, [1, 2]]);
    fault.remove();
    await bench.until("in sync", () => bench.isr().includes(3));
    expect(log.durableLogStartOffset).to.equal(4);
  });

  it("joins an idle partition of which retention has raised log starts, its own or the leader's, in any order (7(5))", async () => {
    for (const raised of [[1], [1, 3], [3, 1]]) {
      const bench = await ReplicationBench.open({ overrides: PAGE_CACHE });
      for (let i = 0; i < 6; i++) await put(bench, 1, `r${i}`);
      bench.fence(3);
      bench.change({ isr: [1, 2] });
      await bench.world.runFor(1_000);
      for (const id of raised) await bench.drive(bench.node(id).log().raiseLogStart(asOffset(4)));
      await bench.world.runFor(1_000);
      bench.commit({ type: "brokerChanged", brokerId: 3, isFenced: false });
      await bench.until(`in sync (${raised.join()})`, () => bench.isr().includes(3));
      expect(bench.node(3).log().durableLogStartOffset).to.equal(4);
    }
  });

  it("promises no more than every live replica keeps, though a deletion that goes further is under way (13(4))", async () => {
    const bench = await ReplicationBench.open({ overrides: PAGE_CACHE });
    for (let i = 0; i < 6; i++) await put(bench, 1, `r${i}`);
    const until = asMs(bench.world.nowMs + 30_000);
    const led = bench.node(1).led();
    await bench.drive(led.deleteRecordsBefore(asOffset(2), until));
    const full = { operation: "write", effect: "ENOSPC", path: /log-start-offset/u, times: 1_000_000 } as const;
    const fault = bench.node(3).disk.faults.add(full);
    const further = led.deleteRecordsBefore(asOffset(4), until);
    await bench.world.runFor(1_000);
    expect(await bench.drive(led.deleteRecordsBefore(asOffset(1), until))).to.equal(true);
    expect([led.logStartOffset, led.lowWatermark]).to.deep.equal([4, 2]);
    fault.remove();
    expect(await bench.drive(further)).to.equal(true);
    expect(led.lowWatermark).to.equal(4);
  });

  it("goes on with what waits for the log start when it is retention that makes that durable (7(5), decision 0030)", async () => {
    const bench = await ReplicationBench.open({ overrides: PAGE_CACHE });
    for (let i = 0; i < 6; i++) await put(bench, 1, `r${i}`);
    // Its high watermark is written down meanwhile.
    await bench.world.runFor(10_000);
    bench.kill(3);
    bench.fence(3);
    const until = asMs(bench.world.nowMs + 30_000);
    await bench.drive(bench.node(1).led().deleteRecordsBefore(asOffset(4), until));
    for (let i = 6; i < 9; i++) await put(bench, 1, `r${i}`);
    await bench.start(3);
    const log = bench.node(3).log();
    const stall = { operation: "datasync", effect: "stall", path: /log-start-offset/u, stallMs: 2_000 } as const;
    bench.node(3).disk.faults.add(stall);
    // As retention does, before the leader's first word arrives.
    const raised = log.raiseLogStart(asOffset(4));
    await bench.world.runFor(1_000);
    expect([log.logStartOffset, log.durableLogStartOffset, log.logEndOffset]).to.deep.equal([4, 0, 6]);
    await bench.drive(raised);
    await bench.until("in sync", () => bench.isr().includes(3));
    expect([log.durableLogStartOffset, log.logEndOffset]).to.deep.equal([4, 9]);
    sameBytes(bench);
  });

  it("goes on with what waits for the log start when retention raised it and found no room to make that durable", async () => {
    const bench = await ReplicationBench.open({ overrides: PAGE_CACHE });
    for (let i = 0; i < 6; i++) await put(bench, 1, `r${i}`);
    await bench.world.runFor(10_000);
    bench.kill(3);
    bench.fence(3);
    const until = asMs(bench.world.nowMs + 30_000);
    await bench.drive(bench.node(1).led().deleteRecordsBefore(asOffset(4), until));
    for (let i = 6; i < 9; i++) await put(bench, 1, `r${i}`);
    await bench.start(3);
    const log = bench.node(3).log();
    const fault = { operation: "write", effect: "ENOSPC", path: /log-start-offset/u, probability: 1 } as const;
    const full = bench.node(3).disk.faults.add(fault);
    // As retention does, before the leader's first word arrives; it goes on without the checkpoint.
    await bench.drive(log.raiseLogStart(asOffset(4)).catch(() => undefined));
    expect([log.logStartOffset, log.durableLogStartOffset, log.logEndOffset]).to.deep.equal([4, 0, 6]);
    await bench.world.runFor(5_000);
    expect(bench.isr(), "not durable yet").to.not.include(3);
    full.remove();
    await bench.until("in sync", () => bench.isr().includes(3));
    expect([log.durableLogStartOffset, log.logEndOffset]).to.deep.equal([4, 9]);
    sameBytes(bench);
  });

  it("appends nothing on what was not compared before the leader's log start is durable here (decision 0030)", async () => {
    const bench = await ReplicationBench.open({ overrides: PAGE_CACHE });
    for (let i = 0; i < 6; i++) await put(bench, 1, `r${i}`);
    bench.kill(3);
    bench.fence(3);
    const until = asMs(bench.world.nowMs + 30_000);
    await bench.drive(bench.node(1).led().deleteRecordsBefore(asOffset(4), until));
    for (let i = 6; i < 9; i++) await put(bench, 1, `r${i}`);
    const { faults } = bench.node(3).disk;
    const full = { operation: "write", effect: "ENOSPC", path: /log-start-offset/u, times: 1_000_000 } as const;
    const fault = faults.add(full);
    await bench.start(3);
    const log = bench.node(3).log();
    await bench.until("it has heard of the deletion", () => log.logStartOffset === 4 && fault.firedCount > 0);
    await bench.world.runFor(3_000);
    expect([log.durableLogStartOffset, log.logEndOffset]).to.deep.equal([0, 6]);
    fault.remove();
    await bench.until("in sync", () => bench.isr().includes(3));
    await put(bench, 1, "after");
    expect([log.durableLogStartOffset, log.logEndOffset]).to.deep.equal([4, 10]);
    sameBytes(bench);
  });

  it("begins anew where the leader deletes beyond the log end of a follower whose first read is under way", async () => {
    const bench = await ReplicationBench.open({ overrides: { ...PAGE_CACHE, "segment.bytes": "10000" } });
    for (let i = 0; i < 6; i++) await put(bench, 1, `r${i}`.padEnd(3_000, "."));
    bench.kill(3);
    bench.fence(3);
    for (let i = 6; i < 12; i++) await put(bench, 1, `r${i}`.padEnd(3_000, "."));
    // What it wrote in another life a leader has not in memory, and what is not in its last segment it reads off the loop.
    bench.kill(2);
    await bench.start(2);
    await bench.until("it is back", () => bench.isr().includes(2));
    bench.change({ leaderId: 2 });
    const slow = { operation: "read", effect: "stall", path: LOG_FILE, stallMs: 200, times: 100 } as const;
    const fault = bench.node(2).disk.faults.add(slow);
    await bench.start(3);
    await bench.until("the read is under way", () => fault.firedCount > 0);
    const deleted = bench
      .node(2)
      .led()
      .deleteRecordsBefore(asOffset(9), asMs(bench.world.nowMs + 10_000));
    await bench.until("in sync", () => bench.isr().includes(3));
    expect(await bench.drive(deleted)).to.equal(true);
    expect([bench.node(3).log().logStartOffset, bench.node(3).log().logEndOffset]).to.deep.equal([9, 12]);
  });

  it("DeleteRecords does not wait for a replica that is fenced, and says so of one that is not in time", async () => {
    const bench = await ReplicationBench.open({ overrides: PAGE_CACHE });
    for (let i = 0; i < 10; i++) await put(bench, 1, `r${i}`);
    bench.network.stall(3);
    const led = bench.node(1).led();
    const late = led.deleteRecordsBefore(asOffset(3), asMs(bench.world.nowMs + 1_000));
    await bench.world.runFor(3_000);
    expect(await bench.drive(late)).to.equal(false);
    const waiting = led.deleteRecordsBefore(asOffset(5), asMs(bench.world.nowMs + 30_000));
    await bench.world.runFor(100);
    bench.commit({ type: "brokerChanged", brokerId: 3, isFenced: true });
    expect(await bench.drive(waiting)).to.equal(true);
  });

  it("a mode that is raised counts what followers say as synced only (15.1(5), P72)", async () => {
    const bench = await ReplicationBench.open({ overrides: PAGE_CACHE });
    await put(bench, 1, "a");
    const fault = bench.node(2).disk.faults.add({
      operation: "datasync",
      effect: "stall",
      path: LOG_FILE,
      stallMs: 300,
      times: 100,
    });
    bench.node(2).isMetadataHeld = true;
    bench.commit({
      type: "configChanged",
      owner: { type: "topic", topicId: topicIdOf(1) },
      set: { "tidemark.durability": "group-commit" },
      unset: [],
    });
    const outcome = bench.append(1, { values: ["b"] });
    await bench.world.runFor(200);
    expect(bench.node(2).log().writtenEndOffset).to.equal(2);
    expect(outcome.answer, "broker 2 speaks of what is written").to.equal(null);
    bench.release(2);
    const { atMs } = await answered(bench, outcome);
    expect(atMs).to.be.greaterThan(200);
    expect(fault.firedCount).to.be.greaterThan(0);
    expect(bench.node(2).log().syncedEndOffset).to.equal(2);
  });

  it("moves no high watermark below min ISR, refuses acks=all, and shows acks=1 to nobody (6(3), 8.2)", async () => {
    const bench = await ReplicationBench.open({ overrides: PAGE_CACHE });
    await put(bench, 1, "a");
    bench.network.partition([1], [2, 3]);
    bench.change({ isr: [1] });
    expect(await answered(bench, bench.append(1, { values: ["b"] }))).to.include({ code: "NOT_ENOUGH_REPLICAS" });
    await answered(bench, bench.append(1, { values: ["c"] }, "leader"));
    expect(bench.node(1).led().highWatermark).to.equal(1);
    bench.network.healAll();
    await bench.until("in sync", () => bench.isr().length === 3);
    await put(bench, 1, "d");
    sameBytes(bench);
  });

  it("holds at once what a raised minimum of the cluster says, without any change of the partition (6(3), P39)", async () => {
    const bench = await ReplicationBench.open({ overrides: { "tidemark.durability": "page-cache" } });
    const setMinimum = (minimum: string): void =>
      bench.commit({
        type: "configChanged",
        owner: { type: "cluster" },
        set: { "min.insync.replicas": minimum },
        unset: [],
      });
    setMinimum("1");
    await put(bench, 1, "a");
    for (const id of [2, 3]) bench.kill(id);
    expect(bench.isr()).to.deep.equal([1]);
    await put(bench, 1, "alone");
    setMinimum("2");
    expect(await answered(bench, bench.append(1, { values: ["b"] }))).to.include({ code: "NOT_ENOUGH_REPLICAS" });
    setMinimum("1");
    await put(bench, 1, "alone again");
  });

  it("retries a proposal that found no controller, and stops at a refusal once that is applied (7(7))", async () => {
    const bench = await ReplicationBench.open({ overrides: PAGE_CACHE });
    await put(bench, 1, "a");
    const decide = bench.controller;
    bench.controller = () => null;
    bench.kill(3);
    await bench.start(3);
    await bench.world.runFor(5_000);
    expect(bench.proposals.length).to.be.within(3, 20);
    expect(bench.isr()).to.deep.equal([1, 2]);
    bench.controller = decide;
    await bench.until("in sync", () => bench.isr().includes(3), 5_000);
  });
});
