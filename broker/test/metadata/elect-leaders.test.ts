/** The balance of preferred leaders (9(8)): who is given what back, and who is left alone. */
import { expect } from "chai";
import { alterPartitions, balanceLeaders, ChosenLeaders } from "../../src/metadata/index.ts";
import { ClusterBench } from "./cluster-bench.ts";

/** Ten partitions for each of three brokers, which are all led by the first after a restart of the others. */
function lopsided(): ClusterBench {
  const bench = new ClusterBench(3);
  const assignment = Array.from({ length: 30 }, (_, n) => [(n % 3) + 1, ((n + 1) % 3) + 1, ((n + 2) % 3) + 1]);
  bench.create("t", assignment);
  for (const id of [2, 3]) bench.fence(id);
  for (const id of [2, 3]) bench.beat(id);
  catchUp(bench, 30, [1, 2, 3]);
  return bench;
}

/** What the leader of all says when these are in sync. */
function catchUp(bench: ClusterBench, count: number, isr: readonly number[]): void {
  const { leaderId } = bench.partition(0);
  const partitions = Array.from({ length: count }, (_, partition) => {
    const { leaderEpoch, partitionEpoch } = bench.partition(partition);
    return bench.proposal(isr, { partition, leaderEpoch, partitionEpoch });
  });
  const verdicts = bench.decide(
    alterPartitions(bench.image, { brokerId: leaderId, brokerEpoch: bench.epochOf(leaderId), partitions }),
  );
  expect(verdicts.map(({ error }) => error)).to.deep.equal(partitions.map(() => "NONE"));
}

function lead(bench: ClusterBench, leaderId: number, partition: number): void {
  const chosen = new ChosenLeaders();
  chosen.add("inSync", leaderId, bench.topicId(), partition);
  bench.decide({ records: chosen.records, response: null });
}

const leadersOf = (bench: ClusterBench): number[] =>
  [1, 2, 3].map((id) => bench.image.topics.get("t")?.partitions.filter(({ leaderId }) => leaderId === id).length ?? 0);

describe("balanceLeaders", () => {
  it("gives every broker what it should lead, by one record for each, and then nothing more", () => {
    const bench = lopsided();
    expect(leadersOf(bench)).to.deep.equal([30, 0, 0]);
    const decision = balanceLeaders(bench.image, 10);
    expect(decision.response).to.equal(20);
    expect(decision.records.map(({ type }) => type)).to.deep.equal(["leadersChosen", "leadersChosen"]);
    const { leaderEpoch, isr } = bench.partition(1);
    bench.decide(decision);
    expect(leadersOf(bench)).to.deep.equal([10, 10, 10]);
    expect(bench.partition(1)).to.deep.include({ leaderEpoch: leaderEpoch + 1, isr });
    expect(balanceLeaders(bench.image, 0).records).to.deep.equal([]);
  });

  it("leaves it at the percentage that may be away, and moves at more", () => {
    const bench = lopsided();
    bench.decide(balanceLeaders(bench.image, 10));
    lead(bench, 1, 1);
    expect(balanceLeaders(bench.image, 10).response, "one of ten").to.equal(0);
    expect(balanceLeaders(bench.image, 9).response).to.equal(1);
    lead(bench, 1, 4);
    expect(balanceLeaders(bench.image, 10).response, "two of ten").to.equal(2);
  });

  it("gives nothing to a broker that is fenced, drained, full, stopping, or not in sync", () => {
    const bench = lopsided();
    bench.drain(2);
    bench.fence(3);
    expect(balanceLeaders(bench.image, 10).records).to.deep.equal([]);
    bench.drain(2, false);
    bench.beat(3);
    expect(balanceLeaders(bench.image, 10).response, "3 lives, and is behind").to.equal(10);
    bench.beat(2, { isFull: true });
    expect(balanceLeaders(bench.image, 10).records).to.deep.equal([]);
    bench.beat(2, { wantShutDown: true });
    expect(balanceLeaders(bench.image, 10).records).to.deep.equal([]);
  });

  it("leaves a partition that moves as it is until it has moved", () => {
    const bench = new ClusterBench(4);
    bench.create("t", [[1, 2]]);
    bench.fence(1);
    bench.beat(1);
    catchUp(bench, 1, [1, 2]);
    bench.reassign("t", 0, [1, 4]);
    expect(bench.partition(0)).to.deep.include({ leaderId: 2, isr: [1, 2] });
    expect(balanceLeaders(bench.image, 10).records).to.deep.equal([]);
    bench.reassign("t", 0, null);
    expect(balanceLeaders(bench.image, 10).response).to.equal(1);
  });
});
