/** The driver of the consensus core: one node alone, three together, and a disk that refuses (semantics 10.1, 10.2). */
import { expect } from "chai";
import { isSameReplica } from "../../src/raft/index.ts";
import { RaftBench, type RaftBenchNode, voterIds } from "./support/raft-bench.ts";

async function three(bench: RaftBench): Promise<RaftBenchNode[]> {
  const nodes: RaftBenchNode[] = [];
  for (const { nodeId } of voterIds(3)) nodes.push(await bench.birth(nodeId, voterIds(3)));
  return nodes;
}

async function led(bench: RaftBench): Promise<RaftBenchNode> {
  for (let i = 0; i < 200; i += 1) {
    await bench.run(100);
    const { leader } = bench;
    if (leader !== undefined && leader.driver.appliedIndex > 0) return leader;
  }
  throw new Error("nobody leads");
}

describe("RaftDriver", () => {
  let bench: RaftBench;

  beforeEach(() => {
    bench = new RaftBench();
  });

  describe("alone", () => {
    it("leads at once, commits by storing, and then does nothing periodic", async () => {
      const node = await bench.birth(1, voterIds(1));
      await bench.run(1);
      expect(node.driver.softState).to.deep.equal({ role: "leader", term: 1, leader: node.replica });
      expect(node.propose("a", "b")).to.deep.include({ ok: true, term: 1, firstIndex: 2, lastIndex: 3 });
      await bench.run(1);
      expect(node.commands).to.deep.equal(["a", "b"]);
      expect([node.driver.appliedIndex, node.driver.commitIndex, node.driver.lastIndex]).to.deep.equal([3, 3, 3]);
      const before = node.medium.batches;
      // The timer of the next snapshot is all that waits.
      await bench.run(60_000);
      expect(bench.world.waitingCount).to.equal(1);
      expect(node.medium.batches).to.equal(before);
    });

    it("goes on after a restart with what it had, in a new term", async () => {
      const first = await bench.birth(1, voterIds(1));
      await bench.run(1);
      first.propose("a");
      await bench.run(1);
      await first.driver.close();
      expect(first.medium.openNow).to.equal(0);
      const second = await bench.restart(first);
      await bench.run(1);
      expect(second.commands).to.deep.equal(["a"]);
      expect([second.driver.term, second.driver.softState.role]).to.deep.equal([2, "leader"]);
    });

    it("answers a read barrier when everything before it is applied, and refuses it when closed", async () => {
      const node = await bench.birth(1, voterIds(1));
      await bench.run(1);
      node.propose("a");
      const seen = node.driver.readBarrier().then(() => [...node.commands]);
      await bench.run(1);
      expect(await seen).to.be.an("array");
      await node.driver.close();
      const refusal: unknown = await node.driver.readBarrier().catch((error: unknown) => error);
      expect(refusal).to.include({ code: "NOT_CONTROLLER" });
      expect(node.propose("late")).to.deep.equal({ ok: false, code: "STOPPED" });
    });

    it("takes what an event handler proposes", async () => {
      const node = await bench.birth(1, voterIds(1));
      node.onCommitted = (entries) => {
        if (entries.some(({ bytes }) => bytes?.toString() === "question")) node.propose("answer");
      };
      await bench.run(1);
      node.propose("question");
      await bench.run(1);
      expect(node.commands).to.deep.equal(["question", "answer"]);
    });
  });

  describe("of three", () => {
    it("elects one, applies the same everywhere, and follows on without a leader that is gone", async () => {
      const nodes = await three(bench);
      const leader = await led(bench);
      leader.propose("a", "b");
      await bench.run(50);
      for (const node of nodes) expect(node.commands).to.deep.equal(["a", "b"]);
      await bench.kill(leader);
      for (const node of bench.nodes.values()) node.driver.onLeaderGone();
      const goneAtMs = bench.world.nowMs;
      const second = await led(bench);
      expect(bench.world.nowMs - goneAtMs).to.be.lessThan(1500);
      expect(isSameReplica(second.replica, leader.replica)).to.equal(false);
      second.propose("c");
      await bench.run(50);
      for (const node of bench.nodes.values()) expect(node.commands).to.deep.equal(["a", "b", "c"]);
      const back = await bench.restart(leader);
      await bench.run(1000);
      expect(back.commands).to.deep.equal(["a", "b", "c"]);
    });

    it("counts the leaders that it has seen, and says whom it voted for", async () => {
      await three(bench);
      const first = await led(bench);
      await bench.run(50);
      const changes = (): number[] => [...bench.nodes.values()].map(({ driver }) => driver.leaderChanges);
      expect(changes()).to.deep.equal([1, 1, 1]);
      expect(first.driver.vote).to.deep.equal(first.replica);
      await bench.kill(first);
      for (const { driver } of bench.nodes.values()) driver.onLeaderGone();
      const second = await led(bench);
      await bench.run(50);
      expect(changes()).to.deep.equal([2, 2]);
      for (const { driver } of bench.nodes.values()) expect(driver.vote).to.deep.equal(second.replica);
      const back = await bench.restart(first);
      await bench.run(1000);
      expect([back.driver.leaderChanges, back.driver.vote], "who comes late has voted for nobody").to.deep.equal([
        1,
        null,
      ]);
    });

    it("a leader that is cut off rejects its read barrier and hears of its fall", async () => {
      await three(bench);
      const leader = await led(bench);
      bench.cut.add(leader.replica.nodeId);
      const read = leader.driver.readBarrier().then(
        () => "answered",
        (error: unknown) => error,
      );
      await bench.run(10_000);
      expect(await read).to.include({ code: "NOT_CONTROLLER" });
      expect(leader.roles.at(-1)?.role).not.to.equal("leader");
      expect(leader.propose("x")).to.deep.equal({ ok: false, code: "NOT_LEADER" });
    });

    it("sends a snapshot to one that lacks what was cut, in pieces, and goes on behind it", async () => {
      bench.snapshotLimits = { snapshotBytes: 600_000, snapshotMs: 3_600_000 };
      await three(bench);
      const leader = await led(bench);
      const behind = [...bench.nodes.values()].find((node) => node !== leader);
      if (behind === undefined) throw new Error("no follower");
      await bench.kill(behind);
      const blob = "x".repeat(300);
      for (let i = 0; i < 5000; i += 1) {
        leader.propose(`${i} ${blob}`);
        if (i % 100 === 0) await bench.run(10);
      }
      await bench.run(500);
      expect(leader.snapshotsTaken).to.be.greaterThan(0);
      const back = await bench.restart(behind);
      await bench.run(5000);
      expect(back.snapshotsReceived, "its own at the start, then the leader's").to.equal(2);
      expect(back.commands.length).to.equal(5000);
      expect(back.commands).to.deep.equal(leader.commands);
    });
  });
});
