/** Interleavings of replication that once lost something: reports that arrive at the wrong moment, proposals that wait behind others. */
import { expect } from "chai";
import { asMs, asOffset } from "../../src/base/index.ts";
import { decodeDataFrame, encodeReportFrame } from "@tidemark/proto/replication";
import type { ReplicaData } from "@tidemark/proto/replication";
import type { PeerStream } from "../../src/ports/index.ts";
import { REPLICATION_WINDOW_BYTES } from "../../src/runtime/replication-window.ts";
import { ReplicationSource } from "../../src/runtime/replication-source.ts";
import { ReplicationThrottle } from "../../src/runtime/replication-throttle.ts";
import { SlabPool } from "../../src/runtime/slab-pool.ts";
import { Turn } from "../../src/runtime/turn.ts";
import { ReplicationBench, topicIdOf } from "./support/replication-bench.ts";
import { quietLogger } from "./support/partition-bench.ts";
import type { Answer, Outcome } from "./support/partition-bench.ts";

const SYNCED = { "tidemark.durability": "group-commit", "min.insync.replicas": "2" };
const PAGE_CACHE = { "tidemark.durability": "page-cache", "min.insync.replicas": "2" };
const LOG_FILE = /tide-0\/\d+\.log$/u;

async function answered(bench: ReplicationBench, outcome: Outcome, ms = 60_000): Promise<Answer> {
  await bench.until("answered", () => outcome.answer !== null, ms);
  return outcome.answer as Answer;
}

describe("replication: what comes at the wrong moment", () => {
  it("hears what a follower says while its ask is kept: it says that only once (5.4)", async () => {
    const bench = await ReplicationBench.open({ overrides: SYNCED });
    bench.node(3).disk.faults.add({ operation: "datasync", effect: "stall", path: LOG_FILE, stallMs: 150, times: 100 });
    bench.append(1, { values: ["a"] });
    await bench.until("written", () => bench.nodes.every(({ id }) => bench.node(id).log().writtenEndOffset === 1));
    expect(bench.node(3).log().syncedEndOffset, "the disk of broker 3 is slow").to.equal(0);
    bench.node(2).isMetadataHeld = true;
    bench.change({ leaderId: 2 });
    await bench.until("synced", () => bench.node(3).log().syncedEndOffset === 1);
    await bench.world.runFor(50);
    bench.release(2);
    await bench.until("committed", () => bench.node(2).led().highWatermark === 1, 5_000);
  });

  it("a proposal that waits behind one without an answer leaves, though that one is over by then (7(7))", async () => {
    const bench = await ReplicationBench.open({ overrides: PAGE_CACHE, partitions: 2 });
    await answered(bench, bench.append(1, { values: ["a"] }));
    const decide = bench.controller;
    bench.controller = () => {
      bench.controller = decide;
      bench.change({ isr: [1, 2] }, 0);
      bench.change({ leaderId: 2 }, 1);
      return null;
    };
    bench.change({ isr: [1, 2] }, 1);
    await bench.until("not answered", () => bench.controller === decide);
    expect(bench.isr(0)).to.deep.equal([1, 2]);
    await bench.until("in sync", () => bench.isr(0).includes(3), 5_000);
  });

  it("tells the high watermark that moved while a batch waited for the stream, after it too (6(5))", async () => {
    const bench = await ReplicationBench.open({
      brokers: 2,
      overrides: { "min.insync.replicas": "1", "max.message.bytes": "20000000", "segment.bytes": "40000000" },
      settings: { "tidemark.tail.cache.bytes": "0" },
      partitions: 2,
    });
    const { process } = bench.node(1).alive;
    const told: ReplicaData[] = [];
    let isWritable = true;
    const stream: PeerStream = {
      send(frame) {
        told.push(...decodeDataFrame(Buffer.concat(frame as readonly Uint8Array[])).items);
        return isWritable;
      },
      bufferedBytes: 0,
      close: () => undefined,
    };
    // A second stream of the follower, whose network takes in one frame.
    const source = new ReplicationSource(2, stream, {
      clock: process,
      timers: process,
      turn: new Turn(process),
      slabs: new SlabPool(),
      logger: quietLogger,
      maxBytes: () => 1_000_000,
      messageBytes: () => 1_000_000,
      find: (_, partition) => ({ partition: bench.node(1).led(partition) }),
      throttle: new ReplicationThrottle(process, () => null),
      isFilling: () => false,
      onEnded: () => undefined,
    });
    const brokerEpoch = bench.image.brokers.get(2)?.brokerEpoch ?? -1;
    const reports = [0, 1].map((partition) => ({
      slot: partition,
      topicId: topicIdOf(1),
      partition,
      leaderEpoch: bench.node(1).led(partition).leaderEpoch,
      generation: 1_000,
      asks: true,
      readFrom: 0,
      epochBefore: -1,
      appendedTo: 0,
      isSynced: false,
      durableLogStart: 0,
      isSuspect: false,
    }));
    source.onFrame(encodeReportFrame({ brokerEpoch, creditBytes: 0, reports, removed: [] }), null);
    // So large that it is read beside the event loop, and is the last one all the same.
    for (const partition of [0, 1]) bench.append(1, { values: ["x".repeat(9_000_000)] }, "leader", 1_000, partition);
    await bench.world.runFor(50);
    told.length = 0;
    isWritable = false;
    source.onFrame(encodeReportFrame({ brokerEpoch, creditBytes: 40_000_000, reports: [], removed: [] }), null);
    await bench.world.runFor(50);
    const slot = 1 - (told[0]?.slot ?? 0);
    const ofSlot = (): ReplicaData[] => told.filter((item) => item.slot === slot);
    expect(told, "the other one was read, and waits for the stream").to.have.length(1);
    bench.fence(2);
    expect(bench.node(1).led(slot).highWatermark, "without broker 2").to.equal(1);
    await bench.world.runFor(50);
    isWritable = true;
    source.onDrain();
    await bench.world.runFor(50);
    const batches = ofSlot().filter(({ records }) => records.length > 0);
    expect(
      batches.map(({ highWatermark }) => highWatermark),
      "as it was when they were read",
    ).to.deep.equal([0]);
    expect(ofSlot().at(-1)?.highWatermark).to.equal(1);
  });

  it("lets go of a frame that comes when a newer stream of the follower has taken the place of its own", async () => {
    const bench = await ReplicationBench.open({ brokers: 2 });
    const stream: PeerStream = { send: () => true, bufferedBytes: 0, close: () => undefined };
    const { replication } = bench.node(1).manager;
    if (replication === null) throw new Error("nobody replicates");
    const handlers = replication.accept(stream, 2);
    replication.accept(stream, 2);
    let releasedCount = 0;
    handlers.onFrame(Buffer.alloc(0), () => {
      releasedCount += 1;
    });
    expect(releasedCount).to.equal(1);
  });

  it("DeleteRecords hears at once that the leadership ended while its log start was on the way to disk (8.2)", async () => {
    const bench = await ReplicationBench.open({ overrides: PAGE_CACHE });
    for (let i = 0; i < 3; i++) await answered(bench, bench.append(1, { values: ["a"] }));
    const led = bench.node(1).led();
    const deleted = led.deleteRecordsBefore(asOffset(2), asMs(bench.world.nowMs + 30_000));
    const startedAt = bench.world.nowMs;
    bench.change({ leaderId: 2 });
    expect(led.closedCode).to.equal("NOT_LEADER_OR_FOLLOWER");
    await bench.drive(deleted);
    expect(bench.world.nowMs - startedAt).to.be.lessThan(1_000);
  });

  it("stops though a log waits for room to be cut, and another role for that", async () => {
    const bench = await ReplicationBench.open({ overrides: PAGE_CACHE });
    await answered(bench, bench.append(1, { values: ["a"] }));
    bench.network.partition([1], [2, 3]);
    bench.append(1, { values: ["tail"] }, "leader");
    await bench.world.runFor(50);
    const full = { operation: "write", effect: "ENOSPC", path: /recovery-point/u, times: 1_000_000 } as const;
    const fault = bench.node(1).disk.faults.add(full);
    bench.change({ leaderId: 2, isr: [2, 3] });
    bench.append(2, { values: ["b"] }, "leader");
    bench.network.healAll();
    await bench.until("the cut finds no room", () => fault.firedCount > 0);
    bench.change({ leaderId: 3 });
    await bench.world.runFor(50);
    let isStopped = false;
    void bench
      .node(1)
      .manager.stop(1)
      .then(() => (isStopped = true));
    await bench.world.runFor(20_000);
    expect(isStopped).to.equal(true);
    expect(bench.node(1).lines.filter((line) => line.startsWith("no clean marker"))).to.have.length(1);
  });

  async function stopped(bench: ReplicationBench): Promise<number> {
    const startedAt = bench.world.nowMs;
    let stoppedAt = -1;
    void bench
      .node(1)
      .manager.stop(1)
      .then(() => (stoppedAt = bench.world.nowMs));
    let stepsCount = 0;
    while (stoppedAt < 0 && stepsCount++ < 20_000) await bench.world.step();
    return stoppedAt - startedAt;
  }

  it("a stop waits for batches that wait for its own disk by the clock, and not by turning round and round", async () => {
    const bench = await ReplicationBench.open({ overrides: { "tidemark.durability": "group-commit" } });
    bench.network.partition([1], [2, 3]);
    bench.node(1).disk.faults.add({ operation: "datasync", effect: "stall", stallMs: 3_000, path: /\.log$/u });
    const parked = bench.append(1, { values: ["a"] });
    await bench.world.runFor(50);
    expect(await stopped(bench)).to.be.within(2_900, 3_500);
    expect(parked.answer?.code).to.equal("NOT_LEADER_OR_FOLLOWER");
  });

  it("a stop waits for no batch that followers alone lack: nobody hears of it any more", async () => {
    const bench = await ReplicationBench.open({ overrides: PAGE_CACHE });
    bench.network.partition([1], [2, 3]);
    const parked = bench.append(1, { values: ["a"] });
    await bench.world.runFor(50);
    expect(await stopped(bench)).to.be.within(0, 1_000);
    expect(parked.answer?.code).to.equal("NOT_LEADER_OR_FOLLOWER");
  });

  it("a stream that breaks while batches wait for room leaves no follower behind (5.3(2))", async () => {
    const bench = await ReplicationBench.open({ overrides: PAGE_CACHE });
    await answered(bench, bench.append(1, { values: ["a"] }));
    const { disk } = bench.node(2);
    disk.capacityBytes = disk.usedBytes() + 1;
    await bench.world.runFor(200);
    bench.append(1, { values: ["b"] }, "leader");
    await bench.world.runFor(50);
    bench.append(1, { values: ["c"] }, "leader");
    await bench.world.runFor(50);
    bench.network.reset(1, 2);
    await bench.world.runFor(300);
    expect(bench.node(2).log().logEndOffset).to.equal(1);
    disk.capacityBytes = Number.POSITIVE_INFINITY;
    await bench.until("caught up", () => bench.node(2).log().logEndOffset === 3, 5_000);
    await answered(bench, bench.append(1, { values: ["d"] }), 1_000);
  });

  /** Broker 2 takes a minute for each write to the log of partition 0, and leaves the event loop for all its writes. */
  const withStuckLog = async (partitions: number): Promise<ReplicationBench> => {
    const bench = await ReplicationBench.open({ brokers: 2, partitions, overrides: { "min.insync.replicas": "1" } });
    const { disk } = bench.node(2);
    disk.slowWriteMs = 20;
    for (let i = 0; i < 4 * partitions; i++)
      await answered(bench, bench.append(1, { values: ["a"] }, "all", 30_000, i % partitions));
    disk.faults.add({ operation: "write", effect: "stall", path: LOG_FILE, stallMs: 60_000 });
    return bench;
  };

  it("a log whose write hangs stops its leader after a window, and goes on from there", async () => {
    const bench = await withStuckLog(1);
    const value = "x".repeat(500_000);
    for (let i = 0; i < 60; i++) {
      bench.append(1, { values: [value] }, "leader");
      await bench.world.runFor(50);
    }
    const follower = bench.node(2);
    const windowEnd = Math.ceil(REPLICATION_WINDOW_BYTES / value.length) + 2;
    expect(follower.log().writtenEndOffset).to.equal(4);
    expect(follower.log().logEndOffset).to.be.lessThan(4 + windowEnd);
    expect(bench.network.heldBytes(follower.address())).to.be.lessThan(windowEnd * value.length + 100_000);
    await bench.until("all is there", () => follower.log().writtenEndOffset === 64, 180_000);
    await bench.world.runFor(1_000);
    expect(bench.network.heldBytes(follower.address())).to.equal(0);
    expect(bench.bytes(2).equals(bench.bytes(1))).to.equal(true);
  });

  it("a log whose write hangs keeps its own batches, and not the frames that brought them with others'", async () => {
    const bench = await withStuckLog(2);
    const follower = bench.node(2);
    for (let i = 0; i < 60; i++) {
      bench.append(1, { values: ["x".repeat(100)] }, "leader", 30_000, 0);
      bench.append(1, { values: ["y".repeat(500_000)] }, "leader", 30_000, 1);
      await bench.world.runFor(100);
    }
    await bench.until("the other log has all", () => follower.log(1).writtenEndOffset === 64, 10_000);
    expect(follower.log(0).writtenEndOffset).to.equal(4);
    expect(follower.log(0).logEndOffset).to.equal(64);
    expect(bench.network.heldBytes(follower.address())).to.be.lessThan(2_000_000);
    await bench.until("all is there", () => follower.log(0).writtenEndOffset === 64, 180_000);
    await bench.world.runFor(1_000);
    expect(bench.network.heldBytes(follower.address())).to.equal(0);
    expect(bench.bytes(2, 0).equals(bench.bytes(1, 0))).to.equal(true);
  });

  it("a log whose write hangs gives its credit back though the partition is led anew meanwhile", async () => {
    const bench = await withStuckLog(1);
    const value = "x".repeat(500_000);
    const follower = bench.node(2);
    for (let i = 0; i < 30; i++) bench.append(1, { values: [value] }, "leader");
    await bench.world.runFor(1_000);
    expect(bench.network.heldBytes(follower.address())).to.be.greaterThan(REPLICATION_WINDOW_BYTES / 2);
    bench.change({ leaderId: -1 });
    bench.change({ leaderId: 1 });
    await bench.until("all is there", () => follower.log().writtenEndOffset === 34, 180_000);
    await bench.world.runFor(1_000);
    expect(bench.network.heldBytes(follower.address())).to.equal(0);
  });
});
