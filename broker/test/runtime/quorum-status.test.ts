/** The metadata log as the nodes of a group describe it: what its leader knows of each, and what only it can know. */
import { expect } from "chai";
import { quorumStatus } from "../../src/runtime/index.ts";
import { RaftBench, type RaftBenchNode, voterIds } from "./support/raft-bench.ts";

const LEARNER = 4;

describe("quorumStatus", () => {
  async function group(): Promise<{ bench: RaftBench; leader: RaftBenchNode; followers: RaftBenchNode[] }> {
    const bench = new RaftBench();
    for (const { nodeId } of voterIds(3)) await bench.birth(nodeId, voterIds(3));
    for (let i = 0; i < 200 && bench.leader === undefined; i += 1) await bench.run(100);
    const { leader } = bench;
    if (leader === undefined) throw new Error("nobody leads");
    leader.propose("a", "b");
    await bench.run(500);
    return { bench, leader, followers: [...bench.nodes.values()].filter((node) => node !== leader) };
  }

  it("of a sole voter: it leads, and has what it has", async () => {
    const bench = new RaftBench();
    const { driver } = await bench.birth(1, voterIds(1));
    await bench.run(10);
    const status = quorumStatus(driver, 0);
    expect({ ...status, nodes: status.nodes }).to.deep.equal({
      role: "leader",
      term: 1,
      leaderId: 1,
      leaderlessMs: 0,
      commitIndex: 1,
      appliedIndex: 1,
      lastIndex: 1,
      isSuspended: false,
      nodes: [{ id: 1, directoryId: "d", isVoter: true, matchIndex: 1, lastContactMs: 0 }],
    });
  });

  it("of a leader: how far each voter is, and that one has fallen silent", async () => {
    const { bench, leader, followers } = await group();
    const [cut, other] = followers;
    const before = leader.driver.lastIndex;
    bench.cut.add(cut?.replica.nodeId ?? 0);
    leader.propose("c");
    await bench.run(1_500);
    const { nodes, lastIndex, commitIndex } = quorumStatus(leader.driver, 0);
    const of = (node: RaftBenchNode | undefined) => nodes.find(({ id }) => id === node?.replica.nodeId);
    expect([lastIndex, commitIndex]).to.deep.equal([before + 1, before + 1]);
    expect(of(leader)).to.include({ matchIndex: lastIndex, lastContactMs: 0 });
    expect(of(other)).to.include({ matchIndex: lastIndex, isVoter: true });
    expect(of(other)?.lastContactMs).to.be.lessThan(1_000);
    expect(of(cut)).to.include({ matchIndex: before, isVoter: true });
    expect(of(cut)?.lastContactMs).to.be.within(1_000, 2_000);
  });

  it("of a follower: who leads, and the voters without what only the leader knows", async () => {
    const { leader, followers } = await group();
    for (const { driver } of followers) {
      const { role, leaderId, appliedIndex, nodes } = quorumStatus(driver, 0);
      expect({ role, leaderId, appliedIndex }).to.deep.equal({
        role: "follower",
        leaderId: leader.replica.nodeId,
        appliedIndex: leader.driver.appliedIndex,
      });
      expect(nodes.map(({ id, matchIndex, lastContactMs }) => [id, matchIndex, lastContactMs])).to.deep.equal([
        [1, -1, -1],
        [2, -1, -1],
        [3, -1, -1],
      ]);
    }
  });

  it("of a learner and of its leader: it is in the leader's list alone, and no voter", async () => {
    const { bench, leader } = await group();
    const learner = await bench.birth(LEARNER, voterIds(3));
    learner.driver.onLeaderFound(leader.replica);
    await bench.run(1_000);
    expect(quorumStatus(learner.driver, 0)).to.include({ role: "learner", leaderId: leader.replica.nodeId });
    expect(quorumStatus(learner.driver, 0).nodes.map(({ id }) => id)).to.deep.equal([1, 2, 3]);
    const { nodes, lastIndex } = quorumStatus(leader.driver, 0);
    expect(nodes.at(-1)).to.include({ id: LEARNER, isVoter: false, matchIndex: lastIndex });
  });

  it("of a node that nobody answers: it campaigns, and knows no leader", async () => {
    const { bench, followers } = await group();
    const [lonely] = followers;
    bench.cut.add(lonely?.replica.nodeId ?? 0);
    await bench.run(10_000);
    if (lonely === undefined) throw new Error("no follower");
    expect(quorumStatus(lonely.driver, 0)).to.include({ role: "candidate", leaderId: -1 });
  });
});
