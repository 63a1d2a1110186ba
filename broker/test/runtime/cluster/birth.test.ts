/** A cluster is born once, when all are there, and whoever comes later finds it (semantics 10.1(8), P54). */
import { expect } from "chai";
import { SeededRandom } from "../../../src/base/index.ts";
import type { PeerAddress, PeerIdentity } from "../../../src/ports/index.ts";
import type { ReplicaId } from "../../../src/raft/index.ts";
import {
  type Membership,
  PeerCalls,
  type Seat,
  SeatSearch,
  serveMembership,
} from "../../../src/runtime/cluster/index.ts";
import { SimNetwork, type SimProcess, SimWorld } from "../../../src/sim/index.ts";
import { LogBook } from "../../listeners/http/fixtures.ts";

const VOTERS = [1, 2, 3].map((nodeId) => ({ nodeId, host: "sim", port: nodeId }));

/** A process on a directory. */
interface Node {
  readonly replica: ReplicaId;
  readonly address: PeerAddress;
  readonly process: SimProcess;
  readonly search: SeatSearch;
  /** Whom it waits for, as last told. */
  waitingFor: readonly string[];
  /** What its directory says. */
  membership: Membership;
}

describe("the birth of a cluster", () => {
  let world: SimWorld;
  let network: SimNetwork;
  let clustersMade: number;

  beforeEach(() => {
    const random = new SeededRandom(11);
    world = new SimWorld(random);
    network = new SimNetwork(world, random);
    clustersMade = 0;
  });

  interface Start {
    readonly directoryId?: string;
    readonly membership?: Membership;
    readonly listed?: typeof VOTERS;
    readonly wantedClusterId?: string;
  }

  function start(nodeId: number, options: Start = {}): Node {
    const { directoryId = `d${nodeId}`, listed = VOTERS, wantedClusterId = null } = options;
    const process = world.startProcess();
    const address = { nodeId, host: "sim", port: nodeId };
    const replica = { nodeId, directoryId };
    const calls = new PeerCalls(new LogBook());
    const identity = (): PeerIdentity => ({ clusterId: node.membership.clusterId ?? "", nodeId, directoryId });
    const service = {
      onRaft: () => undefined,
      onCall: (method: string, body: Buffer, from: PeerIdentity) => calls.serve(method, body, from),
      onReplication: () => {
        throw new Error("none");
      },
    };
    const node: Node = {
      replica,
      address,
      process,
      waitingFor: [],
      membership: options.membership ?? { clusterId: null, voters: [] },
      search: new SeatSearch({
        replica,
        listed,
        wantedClusterId,
        transport: network.join({ process, address, service, identity }),
        timers: process,
        logger: new LogBook(),
        makeClusterId: () => `cluster-${++clustersMade}`,
        onWaiting: (whom) => (node.waitingFor = whom),
      }),
    };
    serveMembership(calls, { replica: () => replica, listed, membership: () => node.membership });
    return node;
  }

  /** Looks for a seat, and takes it at once. */
  async function seated(node: Node): Promise<Seat> {
    const seat = await node.search.find();
    node.membership = { clusterId: seat.clusterId, voters: seat.voters };
    return seat;
  }

  async function outcome<T>(promise: Promise<T>): Promise<T> {
    let isOver = false;
    const settle = (): void => void (isOver = true);
    promise.then(settle, settle);
    await world.settle();
    while (!isOver && (await world.step(world.nowMs + 60_000))) continue;
    return promise;
  }

  function crash(node: Node): void {
    node.process.kill();
    network.leave(node.address);
  }

  const replicas = (...ids: string[]): ReplicaId[] => ids.map((id, i) => ({ nodeId: i + 1, directoryId: id }));

  it("is founded by the lowest id when all have answered, and the others find their seats in it", async () => {
    const seats = [2, 3, 1].map((nodeId) => seated(start(nodeId)));
    const found = await outcome(Promise.all(seats));
    expect(found.map(({ isFounder }) => isFounder)).to.deep.equal([false, false, true]);
    for (const seat of found) {
      expect(seat.clusterId).to.equal("cluster-1");
      expect(seat.voters).to.deep.equal(replicas("d1", "d2", "d3"));
    }
    expect(clustersMade).to.equal(1);
  });

  it("waits for the last one, and names it", async () => {
    const one = start(1);
    const two = start(2);
    const seats = [seated(one), seated(two)];
    await world.runFor(30_000);
    expect(one.waitingFor).to.deep.equal(["node 3 at sim:3 (ECONNREFUSED)"]);
    expect(two.waitingFor).to.deep.equal(["node 3 at sim:3 (ECONNREFUSED)"]);
    expect(clustersMade).to.equal(0);
    const found = await outcome(Promise.all([...seats, seated(start(3))]));
    expect(found.map(({ clusterId }) => clusterId)).to.deep.equal(["cluster-1", "cluster-1", "cluster-1"]);
  });

  it("names the founder where all are there and he has not founded yet", async () => {
    const one = start(1);
    const two = start(2);
    start(3);
    const seat = seated(two);
    await world.runFor(5_000);
    expect(two.waitingFor).to.deep.equal(["node 1 to found the cluster"]);
    await outcome(Promise.all([seat, seated(one)]));
  });

  it("is not repeated by a majority of emptied volumes while the third is away", async () => {
    const [one, two] = [start(1), start(2)];
    const seats = [seated(one), seated(two)];
    await world.runFor(60_000);
    expect(clustersMade).to.equal(0);
    // The one that still bears the cluster comes back: both follow it, with new directories and no seats.
    start(3, { membership: { clusterId: "first", voters: replicas("old1", "old2", "d3") } });
    const found = await outcome(Promise.all(seats));
    expect(found.map(({ clusterId }) => clusterId)).to.deep.equal(["first", "first"]);
    expect(found[0]?.voters).to.deep.equal(replicas("old1", "old2", "d3"));
  });

  it("gives an empty voter its seat back if the voters name its directory: it was born and died before it knew", async () => {
    const voters = replicas("d1", "d2", "d3");
    start(1, { membership: { clusterId: "born", voters } });
    const seat = await outcome(seated(start(2)));
    expect(seat).to.deep.equal({ clusterId: "born", voters, isFounder: false });
  });

  it("lets a founder that died before anybody heard of it begin again", async () => {
    const one = start(1);
    for (const nodeId of [2, 3]) void seated(start(nodeId)).catch(() => undefined);
    const first = await outcome(one.search.find());
    expect(first.isFounder).to.equal(true);
    // Its store was made, its directory did not become the cluster's: nobody was told.
    crash(one);
    const again = await outcome(seated(start(1)));
    expect([again.isFounder, again.clusterId]).to.deep.equal([true, "cluster-2"]);
  });

  it("is found by the others when the founder died behind it, and came back", async () => {
    const others = [2, 3].map((nodeId) => seated(start(nodeId)));
    const one = start(1);
    const seat = await outcome(one.search.find());
    crash(one);
    await world.runFor(3_000);
    start(1, { membership: { clusterId: seat.clusterId, voters: seat.voters } });
    const found = await outcome(Promise.all(others));
    expect(found.map(({ clusterId }) => clusterId)).to.deep.equal(["cluster-1", "cluster-1"]);
  });

  it("takes in who is not among the voters, from any of them that belongs to it", async () => {
    start(2, { membership: { clusterId: "born", voters: replicas("d1", "d2", "d3") } });
    const seat = await outcome(seated(start(7)));
    expect([seat.clusterId, seat.isFounder]).to.deep.equal(["born", false]);
  });

  it("does not found what the others list otherwise, and says how they differ", async () => {
    const one = start(1);
    start(2);
    start(3, { listed: VOTERS.slice(0, 2) });
    void one.search.find().catch(() => undefined);
    await world.runFor(5_000);
    expect(clustersMade).to.equal(0);
    expect(one.waitingFor).to.deep.equal(["node 3 at sim:3 (its voters are 1, 2, here they are 1, 2, 3)"]);
  });

  it("refuses to choose between two clusters, and one that is not the wanted one", async () => {
    const refusal = (node: Node): Promise<Error> =>
      outcome(
        node.search.find().then(
          () => new Error("found"),
          (error: Error) => error,
        ),
      );
    start(2, { membership: { clusterId: "a", voters: replicas("d1", "d2", "d3") } });
    const wanting = await refusal(start(1, { wantedClusterId: "w" }));
    expect([Reflect.get(wanting, "code"), wanting.message]).to.deep.equal([
      "INCONSISTENT_CLUSTER_ID",
      "this directory was formatted for cluster w, and node 2 belongs to a",
    ]);
    start(3, { membership: { clusterId: "b", voters: [] } });
    expect((await refusal(start(1))).message).to.equal("node 2 belongs to cluster a, and node 3 to b");
  });

  it("takes the name that its founder was formatted with, and one voter founds alone", async () => {
    const alone = start(1, { listed: VOTERS.slice(0, 1), wantedClusterId: "chosen" });
    expect(await outcome(seated(alone))).to.deep.equal({
      clusterId: "chosen",
      voters: replicas("d1"),
      isFounder: true,
    });
  });

  it("ends when the broker stops", async () => {
    const one = start(1);
    const ended = one.search.find().then(
      () => "found",
      () => "ended",
    );
    await world.runFor(1_000);
    one.search.end();
    expect(await outcome(ended)).to.equal("ended");
  });
});
