/** The driver when its disk is full, fails for good, or its state machine throws (semantics 10.1(1), P55). */
import { expect } from "chai";
import fc from "fast-check";
import { StorageError } from "../../src/storage/index.ts";
import { RaftBench, type RaftBenchNode, RaftMedium, voterIds } from "./support/raft-bench.ts";

async function alone(bench: RaftBench, medium = new RaftMedium()): Promise<RaftBenchNode> {
  const node = await bench.birth(1, voterIds(1), medium);
  await bench.run(1);
  return node;
}

const fill = (medium: RaftMedium, outcome: "lost" | "kept" = "lost"): void => {
  medium.rest = outcome;
  medium.hasRoom = false;
};
const free = async (bench: RaftBench, medium: RaftMedium): Promise<void> => {
  medium.rest = "written";
  medium.hasRoom = true;
  await bench.run(12_000);
};

describe("RaftDriver on a full disk (10.1(1), P55)", () => {
  let bench: RaftBench;

  beforeEach(() => {
    bench = new RaftBench();
  });

  for (const outcome of ["lost", "kept"] as const) {
    it(`agrees with the disk about a write that failed and is ${outcome}, now and after a restart`, async () => {
      const node = await alone(bench);
      node.propose("before");
      await bench.run(1);
      fill(node.medium, outcome);
      expect(node.propose("during")).to.include({ ok: true });
      await bench.run(100);
      expect([node.driver.isSuspended, node.faults]).to.deep.equal([true, []]);
      expect(node.roles.at(-1)).to.deep.include({ role: "follower", leader: null });
      expect(node.propose("late")).to.deep.equal({ ok: false, code: "SUSPENDED" });
      const refusal: unknown = await node.driver.readBarrier().catch((error: unknown) => error);
      expect(refusal).to.include({ code: "KAFKA_STORAGE_ERROR" });
      expect(node.commands).to.deep.equal(["before"]);
      await free(bench, node.medium);
      expect(node.driver.softState.role).to.equal("leader");
      const kept = outcome === "kept" ? ["before", "during"] : ["before"];
      expect(node.commands).to.deep.equal(kept);
      expect(node.applied.map(({ index }) => index)).to.deep.equal(node.applied.map((_, slot) => slot + 1));
      node.propose("after");
      await bench.run(1);
      await node.driver.close();
      const again = await bench.restart(node);
      await bench.run(1);
      expect(again.commands).to.deep.equal([...kept, "after"]);
      expect(again.medium.openNow).to.equal(1);
    });
  }

  /** Three nodes, the leader first. */
  async function three(): Promise<readonly [RaftBenchNode, RaftBenchNode]> {
    for (const nodeId of [1, 2, 3]) await bench.birth(nodeId, voterIds(3), new RaftMedium());
    await bench.run(10_000);
    const leader = [...bench.nodes.values()].find(({ driver }) => driver.softState.role === "leader");
    const follower = [...bench.nodes.values()].find((node) => node !== leader);
    if (leader === undefined || follower === undefined) throw new Error("nobody leads");
    return [leader, follower];
  }

  it("knows who leads meanwhile, until he is gone", async () => {
    const [leader, follower] = await three();
    fill(follower.medium);
    leader.propose("a");
    await bench.run(1000);
    expect(follower.driver.isSuspended).to.equal(true);
    expect(follower.roles.at(-1)).to.deep.include({ role: "follower", leader: leader.replica });
    expect(follower.driver.softState.leader).to.deep.equal(leader.replica);
    bench.cut.add(leader.replica.nodeId);
    follower.driver.onLeaderGone();
    await bench.run(100);
    expect(follower.roles.at(-1)).to.deep.include({ role: "follower", leader: null });
    bench.cut.clear();
    await bench.run(1000);
    expect(follower.roles.at(-1), "he speaks again").to.deep.include({ leader: leader.replica });
    await free(bench, follower.medium);
    expect([follower.driver.isSuspended, follower.commands]).to.deep.equal([false, ["a"]]);
  });

  it("hears who leads after it has led itself", async () => {
    const [leader] = await three();
    fill(leader.medium);
    leader.propose("a");
    await bench.run(100);
    expect(leader.roles.at(-1)).to.deep.include({ role: "follower", leader: null });
    await bench.run(10_000);
    const next = [...bench.nodes.values()].find(({ driver }) => driver.softState.role === "leader");
    expect(next).to.not.equal(undefined);
    expect([leader.driver.isSuspended, leader.roles.at(-1)?.leader]).to.deep.equal([true, next?.replica]);
    await free(bench, leader.medium);
    expect([leader.driver.isSuspended, leader.driver.softState.leader]).to.deep.equal([false, next?.replica]);
    expect(leader.faults).to.deep.equal([]);
  });

  it("does not open the store before there is room, then once", async () => {
    const node = await alone(bench);
    fill(node.medium);
    node.propose("a");
    await bench.run(60_000);
    expect([node.medium.openedCount, node.medium.openNow]).to.deep.equal([1, 0]);
    await free(bench, node.medium);
    expect([node.medium.openedCount, node.medium.openNow]).to.deep.equal([2, 1]);
  });

  it("is no leader any more where others can lead, and follows them when it is back", async () => {
    for (const { nodeId } of voterIds(3)) await bench.birth(nodeId, voterIds(3));
    await bench.run(10_000);
    const first = bench.leader;
    if (first === undefined) throw new Error("nobody leads");
    fill(first.medium);
    first.propose("refused by its disk");
    await bench.run(10_000);
    const second = bench.leader;
    expect(second).not.to.equal(first);
    expect(second?.propose("b")).to.include({ ok: true });
    await free(bench, first.medium);
    expect(first.driver.softState.leader).to.deep.equal(bench.leader?.replica);
    expect(first.commands).to.deep.equal(second?.commands);
    expect(first.commands).to.include("b");
  });

  it("closes while it waits for room", async () => {
    const node = await alone(bench);
    fill(node.medium);
    node.propose("a");
    await bench.run(1000);
    await node.driver.close();
    expect([node.medium.openNow, node.faults]).to.deep.equal([0, []]);
    expect(bench.world.waitingCount === 0 || (await bench.world.runUntilIdle()) === undefined).to.equal(true);
  });

  it("is over when the store that was opened again lacks what was committed", async () => {
    const node = await alone(bench);
    node.propose("a");
    await bench.run(1);
    fill(node.medium);
    node.propose("b");
    await bench.run(10);
    // Somebody put an older state there.
    const empty = await new RaftBench().birth(1, voterIds(1));
    await empty.driver.close();
    for (const [key] of await node.medium.pairs.range(Buffer.alloc(0), Buffer.alloc(16, 0xff))) {
      await node.medium.pairs.batch([{ type: "del", key }]);
    }
    for (const [key, value] of await empty.medium.pairs.range(Buffer.alloc(0), Buffer.alloc(16, 0xff))) {
      await node.medium.pairs.batch([{ type: "put", key, value }]);
    }
    await free(bench, node.medium);
    expect(node.faults).to.have.length(1);
    expect(node.faults[0]).to.be.instanceOf(StorageError).and.to.include({ code: "METADATA_LOST" });
    await node.driver.close();
    expect(node.medium.openNow).to.equal(0);
  });

  it("does not open the store again while a write of the life before is still out", async () => {
    bench.snapshotLimits = { snapshotBytes: 10_000, snapshotMs: 3_600_000 };
    const node = await alone(bench);
    const { disk } = node.medium;
    const open = disk.open.bind(disk);
    const held = new Map<string, () => void>();
    const release = async (suffix: string): Promise<void> => {
      for (const [path, sync] of held) {
        if (path.endsWith(suffix) && held.delete(path)) sync();
      }
      await bench.run(2_000);
    };
    disk.open = (path, mode) => {
      const file = open(path, mode);
      const datasync = file.datasync.bind(file);
      if (!path.endsWith(".snapshot.part") && !path.includes("quorum-state")) return file;
      file.datasync = (done) => void held.set(path, () => datasync(done));
      return file;
    };
    for (let i = 0; i < 1200; i += 1) node.propose("x".repeat(10));
    await bench.run(100);
    // A vote for another goes to the disk, which takes its time; meanwhile the cut behind the snapshot finds no room.
    const [from, to] = [{ nodeId: 2, directoryId: "d" }, node.replica];
    const end = { lastIndex: 10_000, lastTerm: 8 };
    node.driver.step({ kind: "voteRequest", from, to, term: 9, isPreVote: false, isTransfer: true, ...end });
    await bench.run(100);
    expect([...held.keys()].length, "snapshot and vote").to.equal(2);
    node.medium.rest = "lost";
    await release(".part");
    expect(node.driver.isSuspended).to.equal(true);
    node.medium.rest = "written";
    await bench.run(20_000);
    expect(node.medium.openedCount, "the vote may still land").to.equal(1);
    disk.open = open;
    await release("");
    await bench.run(20_000);
    expect([node.medium.openedCount, node.driver.isSuspended, node.faults]).to.deep.equal([2, false, []]);
    expect(node.driver.term, "it goes on from the vote").to.be.at.least(10);
  });

  it("goes on without a snapshot that finds no room, and writes it later", async () => {
    bench.snapshotLimits = { snapshotBytes: 1000, snapshotMs: 3_600_000 };
    const node = await alone(bench);
    const { disk } = node.medium;
    const open = disk.open.bind(disk);
    let refused = 0;
    let isFull = true;
    disk.open = (path, mode) => {
      if (isFull && path.endsWith(".part")) {
        refused += 1;
        node.medium.faultKind = "ENOSPC";
        throw node.medium.fault("open");
      }
      return open(path, mode);
    };
    for (let i = 0; i < 30; i += 1) node.propose("x".repeat(100));
    await bench.run(100);
    expect([refused, node.faults, node.driver.isSuspended]).to.deep.equal([1, [], false]);
    isFull = false;
    await bench.run(70_000);
    expect(disk.list("/data").filter((name) => name.endsWith(".snapshot"))).to.deep.equal([
      "raft-00000000000000000031-1.snapshot",
    ]);
  });
});

describe("RaftDriver, final faults", () => {
  it("tells its owner once, refuses from then on, and closes", async () => {
    const bench = new RaftBench();
    const node = await alone(bench);
    const read = node.driver.readBarrier();
    await read;
    node.medium.faultKind = "EIO";
    node.medium.rest = "lost";
    node.propose("a");
    await bench.run(10);
    node.propose("b");
    expect(node.faults).to.have.length(1);
    expect(node.faults[0]).to.include({ kind: "EIO" });
    expect([node.driver.isSuspended, node.driver.softState.role]).to.deep.equal([false, "follower"]);
    expect(node.propose("c")).to.deep.equal({ ok: false, code: "STOPPED" });
    await node.driver.close();
    expect(node.medium.openNow).to.equal(0);
  });

  it("is over when the state machine throws, and applies nothing behind that", async () => {
    const bench = new RaftBench();
    const node = await alone(bench);
    node.onCommitted = () => {
      throw new SyntaxError("an entry of a newer version");
    };
    node.propose("a", "b");
    await bench.run(10);
    expect(node.faults.map(String)).to.deep.equal(["SyntaxError: an entry of a newer version"]);
    node.onCommitted = () => undefined;
    const { length } = node.applied;
    await bench.run(10_000);
    expect(node.applied).to.have.length(length);
  });

  it("knows what was committed when it is over, applied or not", async () => {
    const bench = new RaftBench();
    const node = await alone(bench);
    let seenIndex = 0;
    node.onCommitted = () => {
      seenIndex = node.driver.commitIndex;
      throw new SyntaxError("an entry of a newer version");
    };
    // More than is applied in one go.
    const large = "x".repeat(700_000);
    node.propose(large, large, large);
    await bench.run(10);
    expect(seenIndex).to.be.greaterThan(node.driver.appliedIndex);
    expect(node.driver.commitIndex).to.equal(seenIndex);
  });
});

describe("RaftDriver, whatever fails when", () => {
  it("loses nothing that was answered, applies each entry once, and all come to one state (property)", async () => {
    const event = fc.oneof(
      {
        weight: 8,
        arbitrary: fc.record({ kind: fc.constant("propose" as const), count: fc.integer({ min: 1, max: 4 }) }),
      },
      {
        weight: 2,
        arbitrary: fc.record({
          kind: fc.constant("full" as const),
          node: fc.nat({ max: 2 }),
          outcome: fc.constantFrom("lost" as const, "kept" as const),
        }),
      },
      { weight: 3, arbitrary: fc.record({ kind: fc.constant("free" as const), node: fc.nat({ max: 2 }) }) },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant("kill" as const), node: fc.nat({ max: 2 }) }) },
      { weight: 3, arbitrary: fc.record({ kind: fc.constant("start" as const), node: fc.nat({ max: 2 }) }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant("cut" as const), node: fc.nat({ max: 2 }) }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant("heal" as const) }) },
      { weight: 4, arbitrary: fc.record({ kind: fc.constant("wait" as const), ms: fc.nat({ max: 3000 }) }) },
    );
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: 2 ** 31 }),
        fc.constantFrom(1, 3),
        fc.array(event, { maxLength: 30 }),
        async (seed, count, events) => {
          const bench = new RaftBench(seed);
          bench.snapshotLimits = { snapshotBytes: 200, snapshotMs: 60_000 };
          const all = new Map<number, RaftBenchNode>();
          const answered: string[] = [];
          let proposed = 0;
          const watch = (node: RaftBenchNode): void => {
            let next = node.driver.appliedIndex + 1;
            all.set(node.replica.nodeId, node);
            node.onCommitted = (entries) => {
              if ((entries[0]?.index ?? 0) !== next && node.snapshotsReceived > 1) next = entries[0]?.index ?? 0;
              for (const { index, term, bytes } of entries) {
                expect(index, "in order, each once").to.equal(next);
                next += 1;
                const { role, term: ownTerm } = node.driver.softState;
                if (bytes !== null && role === "leader" && ownTerm === term)
                  answered.push(Buffer.from(bytes).toString());
              }
            };
          };
          for (const { nodeId } of voterIds(count)) watch(await bench.birth(nodeId, voterIds(count)));
          const nodeOf = (slot: number): RaftBenchNode => all.get(1 + (slot % count)) as RaftBenchNode;
          const isUp = (node: RaftBenchNode): boolean => bench.nodes.get(node.replica.nodeId) === node;
          const setFree = ({ medium }: RaftBenchNode): void => {
            medium.rest = "written";
            medium.hasRoom = true;
          };
          await bench.run(4000);
          for (const each of events) {
            if (each.kind === "propose") {
              for (let i = 0; i < each.count; i += 1) bench.leader?.propose(`command ${(proposed += 1)}`);
              await bench.run(3);
            } else if (each.kind === "full") fill(nodeOf(each.node).medium, each.outcome);
            else if (each.kind === "free") setFree(nodeOf(each.node));
            else if (each.kind === "kill" && isUp(nodeOf(each.node))) await bench.kill(nodeOf(each.node));
            else if (each.kind === "start" && !isUp(nodeOf(each.node))) {
              setFree(nodeOf(each.node));
              watch(await bench.restart(nodeOf(each.node)));
            } else if (each.kind === "cut") bench.cut.add(1 + (each.node % count));
            else if (each.kind === "heal") bench.cut.clear();
            else if (each.kind === "wait") await bench.run(each.ms);
          }
          bench.cut.clear();
          for (const node of all.values()) {
            setFree(node);
            if (!isUp(node)) watch(await bench.restart(node));
          }
          for (let i = 0; i < 40; i += 1) {
            await bench.run(1000);
            const states = [...bench.nodes.values()].map(({ driver }) => driver.appliedIndex);
            if (bench.leader !== undefined && new Set(states).size === 1 && states[0] === bench.leader.driver.lastIndex)
              break;
          }
          bench.leader?.propose("the end");
          await bench.run(2000);
          const [first, ...others] = [...bench.nodes.values()];
          expect(first?.commands.at(-1)).to.equal("the end");
          for (const other of others) expect(other.commands).to.deep.equal(first?.commands);
          expect(first?.commands).to.include.members(answered);
          expect(new Set(first?.commands).size, "nothing twice").to.equal(first?.commands.length);
          for (const node of all.values()) expect(node.faults).to.deep.equal([]);
          for (const node of bench.nodes.values()) await node.driver.close();
        },
      ),
      { numRuns: Number(process.env["RAFT_DRIVER_RUNS"] ?? 25) },
    );
  });
});
