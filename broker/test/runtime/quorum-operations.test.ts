/** What an operator asks of the metadata quorum: the lead moves, seats are given and taken one at a time, and who asks is told when it is so. */
import { ProtoError } from "@tidemark/proto";
import { expect } from "chai";
import { decodeRecords } from "../../src/metadata/index.ts";
import { VoterKeeper } from "../../src/runtime/cluster/index.ts";
import { LogBook } from "../listeners/http/fixtures.ts";
import { spec } from "../metadata/fixtures.ts";
import { ControllerBench } from "./support/controller-bench.ts";

/** Code and message of the refusal. */
const refusalOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => "done",
    (error: unknown) => (error instanceof ProtoError ? `${error.code}: ${error.message}` : String(error)),
  );

/** Three voters and their brokers, and who keeps their seats. */
async function ready(): Promise<ControllerBench> {
  const bench = new ControllerBench();
  await bench.birth(3);
  for (const [, { controller, driver, process }] of bench.nodes) {
    const keeper = new VoterKeeper({
      listedIds: [1, 2, 3],
      consensus: driver,
      roundMs: 800,
      clock: process,
      timers: process,
      logger: new LogBook(),
      image: () => controller.image,
      isLeading: () => controller.isActive,
    });
    controller.onApplied(() => keeper.look());
  }
  for (const id of [1, 2, 3]) await bench.join(id);
  return bench;
}

const leaderOf = (bench: ControllerBench): number => bench.leader?.driver.replica.nodeId ?? -1;
const others = (bench: ControllerBench): number[] => [1, 2, 3].filter((id) => id !== leaderOf(bench));
const seatsOf = (bench: ControllerBench): number[] =>
  (bench.leader?.driver.voters ?? []).map(({ nodeId }) => nodeId).sort((a, b) => a - b);

describe("quorum operations: the lead", () => {
  it("moves to the voter that was named, and the answer comes when that one leads", async () => {
    const bench = await ready();
    const [target = -1] = others(bench);
    const before = bench.controller.term;
    const answer = await bench.done(bench.controller.transferLeadership({ nodeId: target }));
    expect(answer.leaderId).to.equal(target);
    expect(answer.term).to.be.greaterThan(before);
    await bench.until(() => leaderOf(bench) === target);
  });

  it("stays where it is wanted", async () => {
    const bench = await ready();
    const nodeId = leaderOf(bench);
    const { term } = bench.controller;
    const answer = await bench.done(bench.controller.transferLeadership({ nodeId }));
    expect([answer.leaderId, answer.term]).to.deep.equal([nodeId, term]);
  });

  it("is refused to one that is not there, does not vote or is silent, each with its reason", async () => {
    const bench = await ready();
    await bench.join(4);
    const ask = (nodeId: number) => bench.done(refusalOf(bench.controller.transferLeadership({ nodeId })));
    expect(await ask(9)).to.equal("BROKER_ID_NOT_REGISTERED: there is no broker 9; the voters are 1, 2, 3");
    expect(await ask(4)).to.equal(
      "VOTER_NOT_FOUND: broker 4 follows the metadata and does not vote; the voters are 1, 2, 3",
    );
    const [silent = -1] = others(bench);
    bench.cut.add(silent);
    await bench.run(2_500);
    expect(await ask(silent)).to.match(/^BROKER_NOT_AVAILABLE: node \d was heard of \d+ ms ago$/);
    const [, heard = -1] = others(bench);
    expect((await bench.done(bench.controller.transferLeadership({ nodeId: heard }))).leaderId).to.equal(heard);
  });

  it("stays where the target does not take it, and commands go on", async () => {
    const bench = await ready();
    const [target = -1] = others(bench);
    bench.cut.add(target);
    const asked = refusalOf(bench.controller.transferLeadership({ nodeId: target }));
    expect(await bench.done(asked)).to.match(/^INELIGIBLE_REPLICA: node \d has not taken the lead within 3000 ms/);
    const made = bench.controller.createTopics({ specs: [spec("t")], isValidateOnly: false });
    expect((await bench.done(made)).results[0]?.error).to.equal("NONE");
  });
});

describe("quorum operations: seats", () => {
  const change = (bench: ControllerBench, nodeId: number, isVoter: boolean) =>
    bench.done(bench.controller.changeVoter({ nodeId, isVoter, timeoutMs: 10_000 }));
  const refusal = (bench: ControllerBench, nodeId: number, isVoter: boolean) =>
    bench.done(refusalOf(bench.controller.changeVoter({ nodeId, isVoter, timeoutMs: 1_000 })));

  it("are taken and given back, each asked twice with one effect, and the next leader knows", async () => {
    const bench = await ready();
    const [first = -1, second = -1] = others(bench);
    const left = [1, 2, 3].filter((id) => id !== first);
    expect((await change(bench, first, false)).voters).to.deep.equal(left);
    const { lastIndex } = bench.leader?.driver ?? { lastIndex: -1 };
    expect((await change(bench, first, false)).voters).to.deep.equal(left);
    expect(bench.leader?.driver.lastIndex, "nothing was written").to.equal(lastIndex);
    await bench.done(bench.controller.transferLeadership({ nodeId: second }));
    await bench.until(() => leaderOf(bench) === second);
    await bench.run(3_000);
    expect(seatsOf(bench), "though the files of all brokers list it").to.deep.equal(left);
    expect((await change(bench, first, true)).voters).to.deep.equal([1, 2, 3]);
  });

  it("of the leader itself: it steps down, and the next one answers", async () => {
    const bench = await ready();
    const former = leaderOf(bench);
    const asked = await refusal(bench, former, false);
    expect(asked, "the channel asks the next leader").to.match(/^NOT_CONTROLLER/);
    await bench.until(() => leaderOf(bench) !== former && leaderOf(bench) > 0);
    expect((await change(bench, former, false)).voters).to.deep.equal([1, 2, 3].filter((id) => id !== former));
  });

  it("are not taken where the others would be no majority, and the refusal names the way out", async () => {
    const bench = await ready();
    const [lost = -1, alive = -1] = others(bench);
    bench.cut.add(lost);
    await bench.run(2_500);
    expect(await refusal(bench, alive, false)).to.equal(
      `INCONSISTENT_VOTER_SET: without node ${alive} only 1 of 2 voters would be there, which is no majority: ` +
        `bring ${lost} back first, or remove it instead`,
    );
    expect((await change(bench, lost, false)).voters).to.deep.equal([1, 2, 3].filter((id) => id !== lost));
    expect((await change(bench, alive, false)).voters).to.deep.equal([leaderOf(bench)]);
    expect(await refusal(bench, leaderOf(bench), false)).to.match(/^INCONSISTENT_VOTER_SET: node \d is the only voter/);
  });

  it("are not taken by a new leader that counts on one it has never heard of", async () => {
    const bench = await ready();
    const [lost = -1, next = -1] = others(bench);
    const former = leaderOf(bench);
    bench.cut.add(lost);
    await bench.done(bench.controller.transferLeadership({ nodeId: next }));
    await bench.until(() => leaderOf(bench) === next);
    expect(await refusal(bench, former, false)).to.match(
      /^INCONSISTENT_VOTER_SET: without node \d only 1 of 2 voters would be there/,
    );
    expect((await change(bench, lost, false)).voters).to.deep.equal([1, 2, 3].filter((id) => id !== lost));
  });

  it("are not given to a broker that never came or is down; nor taken from nobody", async () => {
    const bench = await ready();
    expect(await refusal(bench, 9, true)).to.match(/^BROKER_ID_NOT_REGISTERED: no broker 9 has ever joined/);
    expect(await refusal(bench, 9, false)).to.equal("VOTER_NOT_FOUND: there is no voter 9: the voters are 1, 2, 3");
    await bench.join(4);
    bench.killBroker(4);
    await bench.until(() => bench.image.brokers.get(4)?.isFenced === true);
    expect(await refusal(bench, 4, true)).to.match(/^BROKER_NOT_AVAILABLE: broker 4 is down/);
  });

  it("say that it follows when there was no time for it", async () => {
    const bench = await ready();
    // A broker without a node of the quorum: it never catches up with the log.
    await bench.join(4);
    expect(await refusal(bench, 4, true)).to.match(/^REQUEST_TIMED_OUT: node 4 has no seat yet/);
  });

  it("are remembered by a snapshot", async () => {
    const bench = await ready();
    const [first = -1] = others(bench);
    await change(bench, first, false);
    for (const { driver } of bench.nodes.values()) await bench.done(driver.takeSnapshot());
    const [, other = -1] = others(bench);
    const again = await bench.restart(other);
    expect(again.image.voterChoices.get(first)).to.equal(false);
  });
});

describe("the metadata log, for people", () => {
  it("comes in pages that are bounded, from the oldest entry that is kept", async () => {
    const bench = await ready();
    await bench.done(bench.controller.createTopics({ specs: [spec("t", { partitions: 2 })], isValidateOnly: false }));
    const page = bench.controller.logPage(0, 1_000_000);
    expect(page?.firstIndex).to.equal(1);
    expect(page?.entries.map(({ index }) => index)).to.deep.equal(
      Array.from({ length: page?.lastIndex ?? 0 }, (_, slot) => slot + 1),
    );
    const types = (page?.entries ?? []).flatMap(({ body }) =>
      body.kind === "command" ? decodeRecords(body.bytes).map(({ type }) => type) : [],
    );
    expect(types).to.include.members(["termStarted", "brokerRegistered", "topicCreated", "partitionCreated"]);
    expect(
      bench.controller.logPage(3, 1)?.entries.map(({ index }) => index),
      "one at least",
    ).to.deep.equal([3]);
    expect(bench.controller.logPage(1_000, 1)?.entries).to.deep.equal([]);
  });

  it("has a snapshot of all that was applied, once for any number of requests", async () => {
    const bench = await ready();
    const { driver } = bench.node(leaderOf(bench));
    const index = driver.appliedIndex;
    const [one, other] = await bench.done(Promise.all([driver.takeSnapshot(), driver.takeSnapshot()]));
    expect([one.index, other.index]).to.deep.equal([index, index]);
    const written = bench
      .node(leaderOf(bench))
      .logged.filter((line) => line.includes("snapshot of the metadata is written"));
    expect(written).to.have.length(1);
    await bench.done(bench.controller.createTopics({ specs: [spec("t")], isValidateOnly: false }));
    expect((await bench.done(driver.takeSnapshot())).index).to.be.greaterThan(index);
  });
});
