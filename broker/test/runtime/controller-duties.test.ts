/** What the controller of several brokers does by itself: sessions (10.4), controlled shutdown (10.5), leaders by their logs (9(3)). */
import { expect } from "chai";
import { encodeRecords, type PartitionImage } from "../../src/metadata/index.ts";
import { spec } from "../metadata/fixtures.ts";
import { ControllerBench } from "./support/controller-bench.ts";

const synced = { "tidemark.durability": "group-commit" };

/** Three brokers, the first on the only voter; it has no session, so most stories are of the other two and of more. */
async function cluster(brokers = 4, controllers = 1): Promise<ControllerBench> {
  const bench = new ControllerBench(brokers);
  await bench.birth(controllers);
  for (let brokerId = 1; brokerId <= brokers; brokerId++) await bench.join(brokerId);
  return bench;
}

async function create(
  bench: ControllerBench,
  name: string,
  assignment: number[][],
  config: Record<string, string> = synced,
) {
  const { results } = await bench.done(
    bench.controller.createTopics({ specs: [spec(name, { assignment, config })], isValidateOnly: false }),
  );
  expect(results[0]?.message).to.equal("");
  return results[0]?.topic?.topicId ?? "";
}

const partitionOf = (bench: ControllerBench, name = "t", number = 0): PartitionImage => {
  const partition = bench.image.topics.get(name)?.partitions[number];
  if (partition === undefined) throw new Error(`no ${name}-${number}`);
  return partition;
};
const isFenced = (bench: ControllerBench, brokerId: number): boolean | undefined =>
  bench.image.brokers.get(brokerId)?.isFenced;

/** Lets the brokers that are named live for so long; what their heartbeats take is a part of it. */
async function live(bench: ControllerBench, brokerIds: readonly number[], durationMs: number): Promise<void> {
  const untilMs = bench.world.nowMs + durationMs;
  while (bench.world.nowMs < untilMs) {
    for (const brokerId of brokerIds) await bench.beat(brokerId);
    await bench.run(Math.min(1000, Math.max(0, untilMs - bench.world.nowMs)));
  }
}

async function killInOrder(bench: ControllerBench, brokerIds: readonly number[]): Promise<void> {
  for (const id of brokerIds) {
    bench.killBroker(id);
    await bench.until(() => isFenced(bench, id) === true);
  }
}

describe("sessions of brokers (10.4(4)-(6))", () => {
  it("end after 9 s of silence: fenced, its partitions led by others", async () => {
    const bench = await cluster();
    await create(bench, "t", [[2, 3, 4]]);
    await bench.beat(2);
    bench.broker(2).address = "silent";
    await live(bench, [3, 4], 8000);
    expect([isFenced(bench, 2), isFenced(bench, 3)]).to.deep.equal([false, false]);
    await live(bench, [3, 4], 3000);
    expect([isFenced(bench, 2), isFenced(bench, 3)]).to.deep.equal([true, false]);
    expect(partitionOf(bench)).to.deep.include({ leaderId: 3, isr: [3, 4], leaderEpoch: 1 });
    await bench.beat(2);
    expect(isFenced(bench, 2), "it is back, in the epoch that it had").to.equal(false);
  });

  it("end at once when nobody listens at the address any more, by two dials", async () => {
    const bench = await cluster();
    await create(bench, "t", [[2, 3, 4]]);
    bench.killBroker(2);
    const startedAt = bench.world.nowMs;
    await bench.until(() => isFenced(bench, 2) === true);
    expect(bench.world.nowMs - startedAt, "virtual ms").to.be.within(50, 150);
    expect(partitionOf(bench).leaderId).to.equal(3);
  });

  it("go on when a connection is lost and the address is silent, or listens again at the second dial", async () => {
    const bench = await cluster();
    bench.killBroker(2, "silent");
    bench.killBroker(3, "refused");
    await bench.run(20);
    bench.broker(3).address = "listening";
    await bench.run(2000);
    expect([isFenced(bench, 2), isFenced(bench, 3)]).to.deep.equal([false, false]);
  });

  it("begin afresh with a new controller, which finds at once who is gone (P60)", async () => {
    const bench = await cluster(4, 3);
    await create(bench, "t", [[4, 2, 3]]);
    const old = bench.leader?.driver.replica.nodeId ?? 0;
    bench.kill(old);
    // Broker and controller of one machine: the new controller's first dial fails.
    bench.killBroker(4);
    bench.killBroker(old);
    await bench.until(() => bench.leader !== null && isFenced(bench, 4) === true);
    const others = [1, 2, 3].filter((id) => id !== old);
    expect(
      others.map((id) => isFenced(bench, id)),
      "the change itself fences nobody",
    ).to.deep.equal([false, false]);
  });

  it("are renewed by a controller that stood still (P60)", async () => {
    const bench = await cluster();
    bench.world.block(30_000);
    await bench.run(1_000);
    expect([2, 3, 4].map((id) => isFenced(bench, id))).to.deep.equal([false, false, false]);
    await bench.run(12_000);
    expect([2, 3, 4].map((id) => isFenced(bench, id))).to.deep.equal([true, true, true]);
  });

  it("of a living broker keep its id from another directory (101), and no longer", async () => {
    const bench = await cluster();
    bench.broker(2).directoryId = "another";
    const error = await bench.join(2).catch((reason: unknown) => reason);
    expect(error).to.include({ code: "DUPLICATE_BROKER_REGISTRATION" });
    await bench.run(12_000);
    await bench.join(2);
    expect(bench.image.brokers.get(2)?.directoryId).to.equal("another");
  });
});

describe("the duties of a controller", () => {
  const killed = async (bench: ControllerBench): Promise<boolean | undefined> => {
    bench.killBroker(2);
    await bench.run(500);
    return isFenced(bench, 2);
  };

  it("do not begin when it is closed meanwhile", async () => {
    const bench = await cluster(3);
    const node = await bench.restart(1);
    const { controller } = node;
    await bench.done(controller.whenActive().then(() => controller.close()));
    await bench.run(100);
    expect(bench.watchedBy(node)).to.deep.equal([]);
  });

  it("stop the process where they cannot be loaded: who fences nobody must not lead", async () => {
    const bench = new ControllerBench(7);
    const fault = new Error("no such module");
    bench.loadDuties = () => Promise.reject(fault);
    await bench.birth();
    await bench.join(1);
    expect(bench.node().faults).to.deep.equal([]);
    await bench.join(2).catch(() => undefined);
    await bench.until(() => bench.node().faults.length > 0);
    expect(bench.node().faults).to.deep.equal([fault]);
    expect(bench.node().controller.isActive).to.equal(false);
  });

  it("begin with its next reign, whatever was asked when the one before ended", async () => {
    const bench = await cluster(3);
    // Nobody leads it, and there is somebody to ask.
    await create(bench, "t", [[2, 3]], { "tidemark.durability": "page-cache" });
    await killInOrder(bench, [2, 3]);
    await bench.join(2, "unclean");
    const { controller, driver } = bench.node();
    const elected = controller.electLeaders({ type: "unclean", targets: null }).catch((error: unknown) => error);
    const leading = driver.softState;
    controller.onRole({ ...leading, role: "follower", leader: null });
    expect(await bench.done(elected)).to.include({ code: "NOT_CONTROLLER" });
    controller.onRole(leading);
    driver.propose([encodeRecords([])]);
    await bench.until(() => controller.isActive);
    expect(await killed(bench)).to.equal(true);
  });
});

describe("controlled shutdown (10.5)", () => {
  it("is granted when it leads nothing and everybody alive has applied that", async () => {
    const bench = await cluster();
    await create(bench, "t", [[2, 3, 4]]);
    expect((await bench.beat(2, { wantShutDown: true })).mayShutDown, "others do not know yet").to.equal(false);
    expect(partitionOf(bench)).to.deep.include({ leaderId: 3, isr: [3, 4] });
    await bench.beat(3);
    expect((await bench.beat(2, { wantShutDown: true })).mayShutDown).to.equal(false);
    await bench.beat(4);
    expect((await bench.beat(2, { wantShutDown: true })).mayShutDown).to.equal(true);
  });

  it("is granted at once to who leads nothing, or is fenced", async () => {
    const bench = await cluster();
    expect((await bench.beat(2, { wantShutDown: true })).mayShutDown).to.equal(true);
    await create(bench, "t", [[3, 4]]);
    bench.killBroker(3);
    await bench.until(() => isFenced(bench, 3) === true);
    expect((await bench.beat(3, { wantShutDown: true, wantFence: true })).mayShutDown).to.equal(true);
  });

  it("is granted to all who stop at once, RF 1 among them (P58)", async () => {
    const bench = await cluster(3);
    for (const id of [1, 2, 3]) await create(bench, `t${id}`, [[id]]);
    for (const id of [1, 2, 3]) await bench.beat(id, { wantShutDown: true });
    for (const id of [1, 2, 3])
      expect((await bench.beat(id, { wantShutDown: true })).mayShutDown, `broker ${id}`).to.equal(true);
    expect(partitionOf(bench, "t2")).to.deep.include({ leaderId: -1, elr: [2] });
  });
});

describe("topics are ready when their leaders say so (15.3(1))", () => {
  it("waits for the leaders' logs, and names what is missing when the time is over", async () => {
    const bench = await cluster();
    const topicId = await create(bench, "t", [[2], [3]]);
    const { metadataOffset } = bench.image;
    const wait = (timeoutMs: number) =>
      bench.controller.awaitTopic({ topicId, first: 0, metadataOffset, timeoutMs }).then(({ results }) => results);
    const inTime = wait(10_000);
    await bench.beat(2);
    await bench.beat(3, { readyOffset: metadataOffset - 1 });
    expect(await bench.done(wait(500))).to.deep.equal([1]);
    await bench.beat(3);
    expect(await bench.done(inTime)).to.deep.equal([]);
    expect(await bench.done(wait(0))).to.deep.equal([]);
  });
});

describe("leaders by the longest log (9(3), P37, P77-P79)", () => {
  /** All of 2, 3 and 4 die at once, and their logs are so long. */
  async function allKilled(ends: Record<number, [epoch: number, end: number]>, config = synced) {
    const bench = await cluster();
    const topicId = await create(bench, "t", [[2, 3, 4]], config);
    for (const [id, [latestEpoch, logEndOffset]] of Object.entries(ends)) {
      bench.broker(Number(id)).ends = [{ topicId, partition: 0, latestEpoch, logEndOffset, isDamaged: false }];
    }
    await killInOrder(bench, [2, 3, 4]);
    // min ISR is 2: the last ISR that had it was 3 and 4.
    expect(partitionOf(bench).lastIsr.map(({ brokerId }) => brokerId)).to.deep.equal([3, 4]);
    return bench;
  }

  it("asks all of the last ISR and takes the greatest, by epoch first", async () => {
    const bench = await allKilled({ 3: [5, 10], 4: [4, 90] });
    await bench.join(4, "unclean");
    await bench.run(3000);
    expect(partitionOf(bench).leaderId, "the other may have more").to.equal(-1);
    await bench.join(3, "unclean");
    await bench.until(() => partitionOf(bench).leaderId !== -1);
    const { leaderId, isr, elr, uncleanEpoch, leaderEpoch, isRecovering } = partitionOf(bench);
    expect({ leaderId, isr, elr, isRecovering }).to.deep.equal({ leaderId: 3, isr: [3], elr: [], isRecovering: true });
    expect(uncleanEpoch).to.equal(leaderEpoch);
  });

  it("takes the greatest acceptable one 10 s after the first answer", async () => {
    const bench = await allKilled({ 3: [5, 10], 4: [5, 90] });
    await bench.join(3, "unclean");
    await live(bench, [3], 9_000);
    expect(partitionOf(bench).leaderId).to.equal(-1);
    await live(bench, [3], 3_000);
    expect(partitionOf(bench).leaderId).to.equal(3);
  });

  it("waits for the greatest that has answered and is still fenced (P78)", async () => {
    const bench = await allKilled({ 3: [5, 10], 4: [5, 90] });
    await bench.join(3, "unclean");
    const { brokerEpoch } = bench.broker(4);
    bench.broker(4).address = "listening";
    const beat = bench.beat.bind(bench);
    bench.beat = (id, over) => beat(id, id === 4 ? { ...over, wantFence: true } : over);
    await bench.join(4, "unclean");
    await bench.run(2000);
    expect([bench.broker(4).brokerEpoch > brokerEpoch, bench.broker(4).asked > 0]).to.deep.equal([true, true]);
    expect(partitionOf(bench).leaderId).to.equal(-1);
    bench.beat = beat;
    await bench.beat(4);
    await bench.until(() => partitionOf(bench).leaderId === 4);
  });

  it("asks again who answered and then started anew (P77)", async () => {
    const bench = await allKilled({ 3: [5, 10], 4: [5, 90] });
    await bench.join(4, "unclean");
    await bench.run(1000);
    const [end] = bench.broker(4).ends;
    if (end !== undefined) bench.broker(4).ends = [{ ...end, logEndOffset: 3 }];
    await bench.join(4, "unclean");
    await bench.join(3, "unclean");
    await bench.until(() => partitionOf(bench).leaderId !== -1);
    expect(partitionOf(bench).leaderId).to.equal(3);
  });

  it("does not wait for a disk that was emptied, nor choose it (P37)", async () => {
    const bench = await allKilled({ 3: [5, 10], 4: [5, 90] });
    bench.broker(4).directoryId = "emptied";
    await bench.join(4, "unclean");
    await bench.run(1000);
    expect(partitionOf(bench).leaderId).to.equal(-1);
    await bench.join(3, "unclean");
    expect(partitionOf(bench).leaderId, "the only one that can have it: nobody is asked").to.equal(3);
    expect(partitionOf(bench).isRecovering).to.equal(true);
  });

  it("never chooses a damaged one of the last ISR", async () => {
    const bench = await allKilled({ 3: [5, 10], 4: [5, 90] });
    bench.broker(4).ends = bench.broker(4).ends.map((end) => ({ ...end, isDamaged: true }));
    await bench.join(4, "unclean");
    await bench.join(3, "unclean");
    await bench.until(() => partitionOf(bench).leaderId !== -1);
    expect(partitionOf(bench).leaderId).to.equal(3);
  });

  it("asks the last ISR of a synced topic when the ELR does not return (P79), and waits for it in page-cache", async () => {
    for (const mode of ["group-commit", "page-cache"]) {
      const bench = await cluster();
      const topicId = await create(bench, "t", [[2, 3, 4]], { "tidemark.durability": mode });
      for (const id of [2, 3, 4]) {
        bench.broker(id).ends = [{ topicId, partition: 0, latestEpoch: 1, logEndOffset: id, isDamaged: false }];
      }
      await killInOrder(bench, [2, 3, 4]);
      expect(partitionOf(bench).elr).to.deep.equal([3, 4]);
      await bench.join(3, "unclean");
      expect(partitionOf(bench).elr, "one may have lost its tail, the other never returns").to.deep.equal([4]);
      await live(bench, [3], 12_000);
      expect(partitionOf(bench).leaderId, mode).to.equal(mode === "group-commit" ? 3 : -1);
    }
  });

  it("lets an operator choose uncleanly among the living, and counts from there", async () => {
    const bench = await allKilled({ 3: [5, 10], 4: [5, 90] });
    const topicId = bench.image.topics.get("t")?.topicId ?? "";
    bench.broker(2).ends = [{ topicId, partition: 0, latestEpoch: 4, logEndOffset: 7, isDamaged: false }];
    const elect = () =>
      bench.done(bench.controller.electLeaders({ type: "unclean", targets: [{ topic: "t", partition: 0 }] }));
    expect((await elect()).results[0]?.error).to.equal("ELIGIBLE_LEADERS_NOT_AVAILABLE");
    await bench.join(2, "unclean");
    expect((await elect()).results[0]?.error).to.equal("NONE");
    expect(partitionOf(bench)).to.deep.include({
      leaderId: 2,
      isr: [2],
      elr: [],
      lastIsr: [{ brokerId: 2, directoryId: "directory-2" }],
    });
    expect((await elect()).results[0]?.error).to.equal("ELECTION_NOT_NEEDED");
  });

  it("chooses uncleanly by itself where the topic allows it, when it becomes leaderless (9(7))", async () => {
    const allowed = { ...synced, "unclean.leader.election.enable": "true" };
    const bench = await allKilled({ 3: [5, 10], 4: [5, 90] }, allowed);
    const topicId = bench.image.topics.get("t")?.topicId ?? "";
    bench.broker(2).ends = [{ topicId, partition: 0, latestEpoch: 4, logEndOffset: 7, isDamaged: false }];
    await bench.join(2, "unclean");
    await bench.until(() => partitionOf(bench).leaderId === 2);
  });

  it("asks again whose replica was taken away and given back since it answered: it begins empty there (13(6))", async () => {
    const allowed = { ...synced, "unclean.leader.election.enable": "true" };
    const bench = await cluster();
    const topicId = await create(bench, "t", [[3, 4]], allowed);
    const place = async (replicas: readonly number[] | null) => {
      const changes = [{ topic: "t", partition: 0, replicas }];
      const { results } = await bench.done(bench.controller.alterReassignments({ changes, isValidateOnly: false }));
      expect(results[0]?.error).to.equal("NONE");
    };
    await place([3, 4, 2]);
    bench.broker(2).ends = [{ topicId, partition: 0, latestEpoch: 6, logEndOffset: 99, isDamaged: false }];
    bench.broker(3).ends = [{ topicId, partition: 0, latestEpoch: 5, logEndOffset: 10, isDamaged: false }];
    await killInOrder(bench, [2, 3, 4]);
    const answer = bench.broker(3).holdAnswers();
    await bench.join(3, "unclean");
    await bench.join(2, "unclean");
    await bench.run(20);
    await place(null);
    bench.broker(2).ends = [];
    await place([3, 4, 2]);
    expect(partitionOf(bench).leaderId, "the other has not answered").to.equal(-1);
    answer();
    await bench.until(() => partitionOf(bench).leaderId !== -1);
    expect(partitionOf(bench).leaderId).to.equal(3);
  });

  it("asks again who did not answer, whatever else comes in between", async () => {
    for (let offsetMs = 0; offsetMs < 500; offsetMs += 60) {
      const bench = await allKilled({ 3: [5, 10], 4: [5, 90] });
      await bench.join(2, "unclean");
      await bench.join(4, "unclean");
      bench.broker(3).areLogsOpen = false;
      await bench.join(3, "unclean");
      await bench.run(offsetMs);
      await bench.beat(2, { isFull: true });
      await bench.run(10);
      bench.broker(3).areLogsOpen = true;
      await bench.run(600);
      expect(partitionOf(bench).leaderId, `asked again behind ${offsetMs} ms`).to.equal(4);
    }
  });

  it("asks a new life at once, though the life before has not answered", async () => {
    const bench = await allKilled({ 3: [5, 10], 4: [5, 90] });
    await bench.join(4, "unclean");
    bench.broker(3).holdAnswers();
    await bench.join(3, "unclean");
    await bench.run(100);
    bench.broker(3).answersHeld = Promise.resolve();
    await bench.join(3, "unclean");
    await bench.run(100);
    expect(partitionOf(bench).leaderId).to.equal(4);
  });

  it("answers every operator who chooses uncleanly, also one who asks twice", async () => {
    const bench = await allKilled({ 3: [5, 10], 4: [5, 90] });
    await bench.join(2, "unclean");
    const target = { topic: "t", partition: 0 };
    const elect = () => bench.controller.electLeaders({ type: "unclean", targets: [target, target] });
    const [first, second] = await bench.done(Promise.all([elect(), elect()]));
    for (const { results } of [first, second])
      expect(results.map(({ error }) => error)).to.deep.equal(["NONE", "NONE"]);
  });

  it("counts the 10 s anew when nobody who had answered is left", async () => {
    const bench = await allKilled({ 3: [5, 10], 4: [5, 90] });
    await bench.join(4, "unclean");
    await live(bench, [4], 5000);
    await killInOrder(bench, [4]);
    await bench.run(6_000);
    // Another life of 4 is registered, and has not said how far it is: what the lives before it said counts for nothing.
    const release = bench.broker(4).holdAnswers();
    await bench.join(4, "unclean");
    await bench.join(3, "unclean");
    await live(bench, [3, 4], 5000);
    expect(partitionOf(bench).leaderId, "4 may have more").to.equal(-1);
    release();
    await bench.until(() => partitionOf(bench).leaderId === 4);
  });

  it("forgets what was said before the partition was led meanwhile", async () => {
    const bench = await cluster();
    const topicId = await create(bench, "t", [[2, 3, 4]]);
    const grow = (id: number, logEndOffset: number): void => {
      bench.broker(id).ends = [{ topicId, partition: 0, latestEpoch: 5, logEndOffset, isDamaged: false }];
    };
    await killInOrder(bench, [2, 3, 4]);
    expect(partitionOf(bench)).to.deep.include({ leaderId: -1, elr: [3, 4] });
    grow(3, 10);
    bench.broker(3).areLogsOpen = false;
    await bench.join(3, "unclean");
    bench.broker(3).areLogsOpen = true;
    const release = bench.broker(3).holdAnswers();
    await bench.run(300);
    await bench.join(4);
    expect(partitionOf(bench)).to.deep.include({ leaderId: 4, isr: [4] });
    const { leaderEpoch, partitionEpoch } = partitionOf(bench);
    const isr = [3, 4].map((brokerId) => ({ brokerId, brokerEpoch: bench.broker(brokerId).brokerEpoch }));
    const proposal = { topicId, partition: 0, leaderEpoch, partitionEpoch, isr, isRecovering: false };
    const request = { brokerId: 4, brokerEpoch: bench.broker(4).brokerEpoch, partitions: [proposal] };
    expect((await bench.done(bench.controller.alterPartitions(request))).results[0]?.error).to.equal("NONE");
    bench.broker(3).answersHeld = Promise.resolve();
    grow(3, 20);
    grow(4, 15);
    await bench.run(12_000);
    expect(partitionOf(bench)).to.deep.include({ leaderId: -1, isr: [] });
    await bench.join(4, "unclean");
    release();
    await bench.run(1000);
    expect(partitionOf(bench).leaderId, "3 had 10 when it was asked, and has 20").to.equal(-1);
    await bench.beat(3);
    await bench.until(() => partitionOf(bench).leaderId === 3);
  });

  it("goes on asking with the next controller", async () => {
    const bench = await cluster(6, 3);
    const topicId = await create(bench, "t", [[4, 5, 6]]);
    for (const id of [4, 5, 6]) {
      bench.broker(id).ends = [{ topicId, partition: 0, latestEpoch: 0, logEndOffset: id, isDamaged: false }];
    }
    await killInOrder(bench, [4, 5, 6]);
    await bench.join(6, "unclean");
    await bench.run(1000);
    bench.kill(bench.leader?.driver.replica.nodeId ?? 0);
    await bench.until(() => bench.leader !== null);
    await bench.join(5, "unclean");
    await bench.until(() => partitionOf(bench).leaderId !== -1);
    expect(partitionOf(bench).leaderId).to.equal(6);
  });
});

describe("balance of preferred leaders (9(8))", () => {
  /** One partition that 3 leads and 2 should, both in sync. */
  async function away(): Promise<ControllerBench> {
    const bench = await cluster();
    const topicId = await create(bench, "t", [[2, 3]]);
    bench.killBroker(2);
    await bench.until(() => isFenced(bench, 2) === true);
    await bench.join(2);
    const { leaderId, leaderEpoch, partitionEpoch } = partitionOf(bench);
    expect(leaderId).to.equal(3);
    const isr = [2, 3].map((brokerId) => ({ brokerId, brokerEpoch: bench.broker(brokerId).brokerEpoch }));
    const proposal = { topicId, partition: 0, leaderEpoch, partitionEpoch, isr, isRecovering: false };
    const { results } = await bench.done(
      bench.controller.alterPartitions({ brokerId: 3, brokerEpoch: isr[1]?.brokerEpoch ?? 0, partitions: [proposal] }),
    );
    expect(results[0]?.error).to.equal("NONE");
    return bench;
  }

  async function set(bench: ControllerBench, name: string, value: string): Promise<void> {
    const changes = [{ name, operation: "set" as const, value }];
    const alteration = { resource: { type: "cluster" as const }, changes };
    const { results } = await bench.done(
      bench.controller.alterConfigs({ alterations: [alteration], isValidateOnly: false }),
    );
    expect(results[0]?.message).to.equal("");
  }

  it("gives leadership back every 300 s", async () => {
    const bench = await away();
    await live(bench, [2, 3, 4], 301_000);
    expect(partitionOf(bench).leaderId).to.equal(2);
  });

  it("goes by what is set while it runs: how often, above what share, and whether at all", async () => {
    const bench = await away();
    await set(bench, "leader.imbalance.per.broker.percentage", "100");
    await set(bench, "leader.imbalance.check.interval.seconds", "5");
    await live(bench, [2, 3, 4], 6_000);
    expect(partitionOf(bench).leaderId, "all may be away").to.equal(3);
    await set(bench, "leader.imbalance.per.broker.percentage", "0");
    await set(bench, "auto.leader.rebalance.enable", "false");
    await live(bench, [2, 3, 4], 6_000);
    expect(partitionOf(bench).leaderId).to.equal(3);
    await set(bench, "auto.leader.rebalance.enable", "true");
    await live(bench, [2, 3, 4], 6_000);
    expect(partitionOf(bench)).to.deep.include({ leaderId: 2, leaderEpoch: 2, isr: [2, 3] });
  });
});
