/** The seats of the listed voters: who came back with another directory loses the old one and gets a new one, step by step (10.1(8)). */
import { expect } from "chai";
import { SeededRandom } from "../../../src/base/index.ts";
import type { ClusterImage } from "../../../src/metadata/index.ts";
import type { ReplicaId } from "../../../src/raft/index.ts";
import type { ProposeResult } from "../../../src/runtime/index.ts";
import { VoterKeeper } from "../../../src/runtime/cluster/index.ts";
import { SimWorld } from "../../../src/sim/index.ts";
import { LogBook } from "../../listeners/http/fixtures.ts";

const seat = (nodeId: number, directoryId: string): ReplicaId => ({ nodeId, directoryId });

class Bench {
  readonly world = new SimWorld(new SeededRandom(1));
  readonly logger = new LogBook();
  voters: ReplicaId[] = [seat(1, "a"), seat(2, "a"), seat(3, "a")];
  /** By id: the directory that it is registered with. */
  readonly directories = new Map([1, 2, 3].map((nodeId) => [nodeId, "a"]));
  readonly fenced = new Set<number>();
  readonly changes: string[] = [];
  isLeading = true;
  /** Brokers without a seat follow the log, and answer. */
  isHeardAsLearner = false;
  /** Chosen by hand. */
  readonly choices = new Map<number, boolean>();
  /** Voters that the leader has heard of nothing for long. */
  readonly silent = new Set<number>();
  /** When it was heard of last, where that is not a moment ago. */
  readonly heardAt = new Map<number, number>();
  /** The leader counts its ticks late. */
  areTicksStill = false;
  readonly process = this.world.startProcess();
  /** So many changes are refused: the one before has not committed. */
  refusals = 0;
  readonly keeper = new VoterKeeper({
    listedIds: [1, 2, 3],
    consensus: this.#consensus(),
    clock: this.process,
    timers: this.process,
    roundMs: 800,
    logger: this.logger,
    image: () => this.#image(),
    isLeading: () => this.isLeading,
  });

  /** Long enough for any number of steps. */
  rest(): Promise<void> {
    return this.world.runFor(5_000);
  }

  #consensus() {
    const change = (what: string, { nodeId, directoryId }: ReplicaId, voters: ReplicaId[]): ProposeResult => {
      this.changes.push(`${what} ${nodeId}${directoryId}`);
      if (this.refusals > 0) {
        this.refusals -= 1;
        return { ok: false, code: "CHANGE_NOT_YET" };
      }
      this.voters = voters;
      return { ok: true, term: 1, firstIndex: 1, lastIndex: 1 };
    };
    const current = (): ReplicaId[] => this.voters;
    const learnersOf = (): ReplicaId[] =>
      this.isHeardAsLearner ? [...this.directories].map(([nodeId, directoryId]) => seat(nodeId, directoryId)) : [];
    const silentMsOf = (nodeId: number): number => {
      if (this.silent.has(nodeId)) return 9_000;
      const now = this.process.monotonicNow();
      return this.areTicksStill ? 0 : now - (this.heardAt.get(nodeId) ?? now - 5);
    };
    // One message each ms.
    const heardCountOf = (nodeId: number): number =>
      this.silent.has(nodeId) ? 0 : Math.floor(this.heardAt.get(nodeId) ?? this.process.monotonicNow());
    return {
      replica: seat(1, "a"),
      get voters(): readonly ReplicaId[] {
        return current();
      },
      get progress() {
        const learners = learnersOf();
        return [...current(), ...learners].map((replica) => ({
          replica,
          matchIndex: 1,
          silentMs: silentMsOf(replica.nodeId),
          heardCount: heardCountOf(replica.nodeId),
        }));
      },
      addVoter: (replica: ReplicaId) => change("+", replica, [...this.voters, replica]),
      removeVoter: (replica: ReplicaId) =>
        change(
          "-",
          replica,
          this.voters.filter(({ nodeId }) => nodeId !== replica.nodeId),
        ),
    };
  }

  #image(): ClusterImage {
    const brokers = [...this.directories].map(
      ([brokerId, directoryId]) => [brokerId, { brokerId, directoryId, isFenced: this.fenced.has(brokerId) }] as const,
    );
    return { brokers: new Map(brokers), voterChoices: this.choices } as unknown as ClusterImage;
  }
}

describe("VoterKeeper", () => {
  it("does nothing, and waits for nothing, while each listed voter has its seat", async () => {
    const bench = new Bench();
    bench.keeper.look();
    await bench.rest();
    expect(bench.changes).to.deep.equal([]);
    expect(bench.world.waitingCount).to.equal(0);
  });

  it("removes the seat of a directory that is gone, then adds the new one, not both at once", async () => {
    const bench = new Bench();
    bench.directories.set(2, "b");
    bench.keeper.look();
    expect(bench.changes).to.deep.equal(["- 2a"]);
    bench.keeper.look();
    expect(bench.changes, "the first has not committed").to.deep.equal(["- 2a"]);
    await bench.rest();
    expect(bench.changes).to.deep.equal(["- 2a", "+ 2b"]);
    expect(bench.voters).to.deep.include(seat(2, "b"));
    expect(bench.world.waitingCount).to.equal(0);
  });

  it("tries again what was refused, and tells only what was begun", async () => {
    const bench = new Bench();
    bench.directories.set(3, "b");
    bench.refusals = 3;
    bench.keeper.look();
    await bench.rest();
    expect(bench.changes).to.deep.equal(["- 3a", "- 3a", "- 3a", "- 3a", "+ 3b"]);
    const told = bench.logger.lines.map(({ fields }) => fields?.["change"]);
    expect(told).to.deep.equal(["removed", "added"]);
  });

  it("takes two wiped voters one after the other", async () => {
    const bench = new Bench();
    bench.directories.set(1, "b").set(2, "b");
    bench.keeper.look();
    await bench.rest();
    expect(bench.changes).to.deep.equal(["- 1a", "+ 1b", "- 2a", "+ 2b"]);
  });

  it("lets a seat be while its broker is fenced or not there, and looks again when it is told to", async () => {
    const bench = new Bench();
    bench.directories.set(2, "b").delete(3);
    bench.fenced.add(2);
    bench.keeper.look();
    await bench.rest();
    expect(bench.changes).to.deep.equal([]);
    bench.fenced.clear();
    bench.keeper.look();
    await bench.rest();
    expect(bench.changes).to.deep.equal(["- 2a", "+ 2b"]);
  });

  it("gives no seat to a broker that is not listed", async () => {
    const bench = new Bench();
    bench.directories.set(4, "a");
    bench.keeper.look();
    await bench.rest();
    expect(bench.changes).to.deep.equal([]);
  });

  it("gives a seat to a broker that was chosen by hand, and again when it comes back with another disk", async () => {
    const bench = new Bench();
    bench.directories.set(4, "a");
    bench.choices.set(4, true);
    bench.keeper.look();
    await bench.rest();
    expect(bench.changes).to.deep.equal(["+ 4a"]);
    bench.directories.set(4, "b");
    bench.keeper.look();
    await bench.rest();
    expect(bench.changes).to.deep.equal(["+ 4a", "- 4a", "+ 4b"]);
  });

  it("takes the seat of a listed voter that was given up by hand, and gives it back by hand alone", async () => {
    const bench = new Bench();
    bench.choices.set(3, false);
    bench.keeper.look();
    await bench.rest();
    expect(bench.changes).to.deep.equal(["- 3a"]);
    expect(bench.world.waitingCount, "nothing is left to do").to.equal(0);
    bench.choices.set(3, true);
    bench.keeper.look();
    await bench.rest();
    expect(bench.changes).to.deep.equal(["- 3a", "+ 3a"]);
  });

  it("leaves a seat that was given up where the others would be no majority, until they are", async () => {
    const bench = new Bench();
    bench.choices.set(3, false);
    bench.silent.add(2);
    bench.keeper.look();
    await bench.rest();
    expect(bench.changes).to.deep.equal([]);
    bench.silent.clear();
    await bench.rest();
    expect(bench.changes).to.deep.equal(["- 3a"]);
  });

  it("counts nobody whom it has not heard of since: a moment ago may be how one of them went", async () => {
    const bench = new Bench();
    await bench.world.runFor(1_000);
    bench.heardAt.set(2, bench.process.monotonicNow());
    bench.choices.set(3, false);
    bench.keeper.look();
    await bench.rest();
    expect(bench.changes).to.deep.equal([]);
    bench.heardAt.set(2, bench.process.monotonicNow());
    await bench.rest();
    expect(bench.changes).to.deep.equal(["- 3a"]);
    // The same of who gets a seat: alone with one that is gone, nobody could lead any more.
    bench.choices.clear();
    bench.voters = [seat(1, "a")];
    bench.directories.delete(3);
    bench.keeper.look();
    await bench.rest();
    expect(bench.changes).to.deep.equal(["- 3a"]);
    bench.isHeardAsLearner = true;
    bench.heardAt.delete(2);
    bench.keeper.look();
    await bench.rest();
    expect(bench.changes).to.deep.equal(["- 3a", "+ 2a"]);
  });

  it("counts nobody who went before, however late the leader's ticks are", async () => {
    const bench = new Bench();
    await bench.world.runFor(1_000);
    bench.heardAt.set(2, bench.process.monotonicNow());
    bench.areTicksStill = true;
    bench.choices.set(3, false);
    bench.keeper.look();
    await bench.rest();
    expect(bench.changes).to.deep.equal([]);
  });

  it("counts nobody who went long before others came", async () => {
    const bench = new Bench();
    bench.voters = [1, 2, 3, 4, 5].map((nodeId) => seat(nodeId, "a"));
    bench.choices.set(5, false);
    bench.silent.add(3).add(4);
    await bench.world.runFor(1_000);
    bench.keeper.look();
    // The last that is heard of it.
    await bench.world.runFor(50);
    bench.heardAt.set(2, bench.process.monotonicNow());
    await bench.rest();
    bench.silent.delete(4);
    await bench.rest();
    expect(bench.changes, "only 1 and 4 of four are there").to.deep.equal([]);
    bench.heardAt.delete(2);
    await bench.rest();
    expect(bench.changes).to.deep.equal(["- 5a"]);
  });

  it("leaves the second step to the next leader where this one leads no more", async () => {
    const bench = new Bench();
    bench.directories.set(2, "b");
    bench.keeper.look();
    bench.isLeading = false;
    await bench.rest();
    expect(bench.changes).to.deep.equal(["- 2a"]);
    bench.isLeading = true;
    bench.keeper.look();
    await bench.rest();
    expect(bench.changes).to.deep.equal(["- 2a", "+ 2b"]);
  });

  it("stops in the middle", async () => {
    const bench = new Bench();
    bench.directories.set(2, "b");
    bench.keeper.look();
    bench.keeper.close();
    bench.keeper.look();
    await bench.rest();
    expect(bench.changes).to.deep.equal(["- 2a"]);
    expect(bench.world.waitingCount).to.equal(0);
  });
});
