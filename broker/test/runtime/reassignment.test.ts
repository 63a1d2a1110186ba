/** Replicas that come and go with the metadata (semantics 13(6)), over simulated disks and streams. */
import { expect } from "chai";
import { asPartitionId } from "../../src/base/index.ts";
import { ReplicationBench, TOPIC, topicIdOf } from "./support/replication-bench.ts";
import type { Answer, Outcome } from "./support/partition-bench.ts";

const SYNCED = { "tidemark.durability": "group-commit", "min.insync.replicas": "2", "file.delete.delay.ms": "1000" };
const MIB = 1024 * 1024;

async function answered(bench: ReplicationBench, outcome: Outcome, ms = 60_000): Promise<Answer> {
  await bench.until("answered", () => outcome.answer !== null, ms);
  return outcome.answer as Answer;
}

async function put(bench: ReplicationBench, id: number, value: string): Promise<void> {
  expect(await answered(bench, bench.append(id, { values: [value] }))).to.include({ code: "NONE" });
}

const replicasOf = (bench: ReplicationBench): readonly number[] =>
  bench.image.topics.get(TOPIC)?.partitions[0]?.replicas ?? [];

/** Directories that begin with the partition's name. */
function directories(bench: ReplicationBench, id: number): string[] {
  return bench
    .node(id)
    .alive.disk.list("/data")
    .filter((name) => name.startsWith(`${TOPIC}-0`));
}

const hasLog = (bench: ReplicationBench, id: number): boolean =>
  bench.node(id).alive.directory().log(TOPIC, asPartitionId(0)) !== undefined;

/** Replicas on 1 to 3, none on 4. */
async function open(settings: Record<string, string> = {}): Promise<ReplicationBench> {
  const bench = await ReplicationBench.open({ brokers: 4, overrides: SYNCED, settings });
  bench.reassign([1, 2, 3]);
  await bench.until("broker 4 has nothing", () => directories(bench, 4).length === 0, 5_000);
  return bench;
}

describe("a reassignment", () => {
  it("fills the replica that is added, and takes the one that is removed away: role at once, files after their delay", async () => {
    const bench = await open();
    for (let i = 0; i < 20; i++) await put(bench, 1, `r${i}`);
    bench.reassign([2, 3, 4]);
    expect(bench.node(4).lines.join("\n"), "nobody is alarmed").not.to.contain("error");
    const waiting: Outcome[] = [];
    await bench.until(
      "over",
      () => {
        if (replicasOf(bench).length === 3) return true;
        if (waiting.at(-1)?.answer !== null) waiting.push(bench.append(1, { values: ["meanwhile"] }));
        return false;
      },
      5_000,
    );
    expect(replicasOf(bench)).to.deep.equal([2, 3, 4]);
    expect(bench.isr()).to.deep.equal([2, 3, 4]);
    // In the stretch in which it applied the end.
    expect(bench.node(1).manager.find(TOPIC, 0)).to.equal(undefined);
    await bench.world.runFor(0);
    for (const { answer } of waiting) expect(answer?.code).to.be.oneOf(["NONE", "NOT_LEADER_OR_FOLLOWER"]);
    const leader = bench.node(2).led();
    expect(leader.leaderEpoch).to.equal(2);
    await put(bench, 2, "after");
    expect(bench.bytes(4).equals(bench.bytes(2)), "byte for byte").to.equal(true);
    const isRenamed = (): boolean => directories(bench, 1).every((name) => name.endsWith("-delete"));
    await bench.until("renamed", () => !hasLog(bench, 1) && isRenamed(), 500);
    expect(directories(bench, 1)).to.have.length(1);
    await bench.until("removed", () => directories(bench, 1).length === 0, 5_000);
  });

  it("goes back: what was added is deleted, the leader leads on in a new epoch", async () => {
    const bench = await open();
    await put(bench, 1, "a");
    bench.kill(4);
    bench.reassign([1, 2, 3]);
    await bench.start(4);
    bench.node(4).isMetadataHeld = true;
    bench.reassign([1, 2, 4]);
    await put(bench, 1, "b");
    bench.reassign(null);
    bench.release(4);
    await put(bench, 1, "c");
    expect(replicasOf(bench)).to.deep.equal([1, 2, 3]);
    await bench.until("nothing is left there", () => directories(bench, 4).length === 0, 5_000);
    expect(bench.isr()).to.deep.equal([1, 2, 3]);
  });

  for (const isPower of [false, true]) {
    it(`gives up a replica that was removed while its broker was ${isPower ? "without power" : "down"}: never served, deleted`, async () => {
      const bench = await open();
      await put(bench, 1, "a");
      bench.kill(3, isPower ? "power" : "process");
      bench.reassign([1, 2]);
      expect(replicasOf(bench)).to.deep.equal([1, 2]);
      await bench.start(3);
      expect(bench.node(3).manager.find(TOPIC, 0)).to.equal(undefined);
      expect([...bench.node(3).manager.followed()]).to.deep.equal([]);
      const asked = { metadataOffset: 0, partitions: [{ topicId: topicIdOf(1), partition: 0 }] };
      expect(bench.node(3).manager.replicaEnds(asked), "it is asked for its log no more").to.deep.equal([]);
      await bench.until("removed", () => directories(bench, 3).length === 0, 5_000);
    });
  }

  for (const isDown of [true, false]) {
    it(`keeps what recovered metadata may never have heard of, on a broker that ${isDown ? "was down" : "was left running"} (decision 0028)`, async () => {
      const bench = await open();
      await put(bench, 1, "a");
      const bytes = bench.bytes(3);
      if (isDown) bench.kill(3);
      bench.recover([1, 2]);
      if (isDown) await bench.start(3);
      await bench.world.runFor(5_000);
      expect(bench.node(3).manager.find(TOPIC, 0)).to.equal(undefined);
      expect([...bench.node(3).manager.followed()]).to.deep.equal([]);
      expect(directories(bench, 3)).to.deep.equal([`${TOPIC}-0`]);
      // It can be placed there again, and what was taken away since then goes.
      bench.reassign([1, 2, 3]);
      await bench.until("in sync", () => bench.isr().length === 3, 5_000);
      expect(bench.bytes(3).equals(bytes)).to.equal(true);
      bench.reassign([1, 2]);
      await bench.until("removed", () => directories(bench, 3).length === 0, 5_000);
    });
  }

  it("keeps a log that is placed there again before it could be deleted", async () => {
    const bench = await open();
    await put(bench, 1, "a");
    bench.reassign([1, 2]);
    bench.reassign([1, 2, 3]);
    await bench.until("in sync", () => bench.isr().length === 3, 5_000);
    await put(bench, 1, "b");
    expect(bench.bytes(3).equals(bench.bytes(1))).to.equal(true);
  });

  it("makes followers of a partition that had none, and minds them (7(4))", async () => {
    const bench = await ReplicationBench.open({ brokers: 2, overrides: { ...SYNCED, "min.insync.replicas": "1" } });
    bench.reassign([1]);
    await put(bench, 1, "a");
    bench.reassign([1, 2]);
    await bench.until("in sync", () => bench.isr().length === 2, 5_000);
    bench.network.cut(1, 2);
    bench.append(1, { values: ["b"] });
    await bench.until("out of the ISR again", () => bench.isr().length === 1, 120_000);
  });
});

describe("the throttle of a reassignment", () => {
  for (const key of ["follower.replication.throttled.rate", "leader.replication.throttled.rate"]) {
    it(`holds back replicas that are added, and nobody else (${key})`, async () => {
      const bench = await open({ [key]: String(MIB / 2) });
      const big = "x".repeat(64 * 1024);
      for (let i = 0; i < 32; i++) await put(bench, 1, big + String(i));
      const fromMs = bench.world.nowMs;
      bench.reassign([1, 2, 3, 4]);
      let slowestMs = 0;
      for (let i = 0; replicasOf(bench).length < 4 || bench.isr().length < 4; i++) {
        const putMs = bench.world.nowMs;
        await put(bench, 1, `small ${i}`);
        slowestMs = Math.max(slowestMs, bench.world.nowMs - putMs);
        await bench.world.runFor(100);
        if (bench.world.nowMs - fromMs > 20_000) throw new Error("it never ends");
      }
      const tookMs = bench.world.nowMs - fromMs;
      expect(tookMs, "2 MiB at 0.5 MiB a second").to.be.within(2_500, 8_000);
      expect(slowestMs, "acknowledgements do not wait").to.be.below(600);
      expect(bench.bytes(4).equals(bench.bytes(1))).to.equal(true);
      await put(bench, 1, "in sync");
    });
  }

  it("lets everybody go when it is taken away, and not one after the other", async () => {
    const key = "follower.replication.throttled.rate";
    const cluster = { type: "configChanged", owner: { type: "cluster" } } as const;
    const bench = await ReplicationBench.open({ brokers: 4, overrides: SYNCED, partitions: 20 });
    bench.commit({ ...cluster, set: { [key]: "1024" }, unset: [] });
    const partitions = Array.from({ length: 20 }, (_, partition) => partition);
    for (const partition of partitions) bench.reassign([1, 2, 3], partition);
    await bench.world.runFor(5_000);
    for (const partition of partitions) bench.append(1, { values: ["x".repeat(64 * 1024)] }, "all", 30_000, partition);
    for (const partition of partitions) bench.reassign([1, 2, 3, 4], partition);
    await bench.world.runFor(2_000);
    expect(partitions.filter((partition) => bench.isr(partition).includes(4))).to.have.length.below(3);
    bench.commit({ ...cluster, set: {}, unset: [key] });
    const inSync = (): boolean => partitions.every((partition) => bench.isr(partition).includes(4));
    await bench.until("all in sync", inSync, 2_000);
  });

  it("lets others pass a partition that is written to faster than it may be filled", async () => {
    const key = "follower.replication.throttled.rate";
    const bench = await ReplicationBench.open({
      brokers: 4,
      overrides: SYNCED,
      partitions: 3,
      settings: { [key]: String(MIB / 4) },
    });
    for (const partition of [0, 1, 2]) bench.reassign([1, 2, 3], partition);
    await bench.world.runFor(5_000);
    const append = (partition: number): Outcome =>
      bench.append(1, { values: ["x".repeat(64 * 1024)] }, "all", 30_000, partition);
    for (let i = 0; i < 32; i++) append(0);
    for (const partition of [1, 2]) append(partition);
    await bench.world.runFor(500);
    for (const partition of [0, 1, 2]) bench.reassign([1, 2, 3, 4], partition);
    for (let i = 0; i < 400 && !(bench.isr(1).includes(4) && bench.isr(2).includes(4)); i++) {
      append(0);
      await bench.world.runFor(100);
    }
    expect([0, 1, 2].map((partition) => bench.isr(partition).includes(4))).to.deep.equal([false, true, true]);
  });

  describe("of a leader that holds one back", () => {
    async function holding(): Promise<ReplicationBench> {
      const rate = {
        "leader.replication.throttled.rate": String(MIB / 4),
        "replica.fetch.response.max.bytes": "131072",
      };
      const bench = await open(rate);
      for (let i = 0; i < 32; i++) await put(bench, 1, "x".repeat(64 * 1024) + String(i));
      bench.reassign([1, 2, 3, 4]);
      await bench.world.runFor(600);
      expect(bench.node(4).log().logEndOffset, "begun, and not done").to.be.within(1, 20);
      // What it has asked for stands.
      bench.node(4).isMetadataHeld = true;
      return bench;
    }

    it("reads nothing for it from a log that is deleted with its topic", async () => {
      const bench = await holding();
      bench.commit({ type: "topicDeleted", topicId: topicIdOf(1) });
      await bench.world.runFor(2_000);
      expect(bench.node(1).faults).to.deep.equal([]);
      expect(directories(bench, 1)).to.deep.equal([]);
    });

    it("sends it nothing more as of a leader epoch that is over", async () => {
      const bench = await holding();
      bench.change({ leaderId: 2 });
      bench.change({ leaderId: 1 });
      for (let i = 0; i < 4; i++) await put(bench, 1, "later");
      const { logEndOffset } = bench.node(4).log();
      await bench.world.runFor(20_000);
      expect(bench.node(4).log().logEndOffset).to.equal(logEndOffset);
      bench.release(4);
      await bench.until("in sync in the new one", () => bench.isr().includes(4), 20_000);
      expect(bench.bytes(4).equals(bench.bytes(1))).to.equal(true);
    });
  });

  it("ends with its setting, and does not count a replica that comes back", async () => {
    const bench = await open({ "follower.replication.throttled.rate": "1024" });
    const big = "x".repeat(64 * 1024);
    bench.kill(3);
    for (let i = 0; i < 32; i++) await put(bench, 1, big + String(i));
    await bench.start(3);
    await bench.until("back in sync", () => bench.isr().includes(3), 2_000);
    bench.reassign([1, 2, 3, 4]);
    await bench.world.runFor(5_000);
    expect(bench.isr()).not.to.include(4);
    bench.commit({
      type: "configChanged",
      owner: { type: "cluster" },
      set: { "follower.replication.throttled.rate": String(1024 * MIB) },
      unset: [],
    });
    await bench.until("in sync", () => bench.isr().includes(4), 5_000);
  });
});
