/** What one broker says of a cluster of several, from an image: states of brokers, health, descriptions of topics. */
import { expect } from "chai";
import type { BrokerContext } from "../../src/api/index.ts";
import { loadAdmin } from "../../src/api/index.ts";
import { layersOf } from "../../src/config/index.ts";
import type { QuorumStatus } from "../../src/runtime/index.ts";
import { ClusterBench } from "../metadata/cluster-bench.ts";
import { testConfig } from "../metadata/fixtures.ts";

const QUORUM: QuorumStatus = {
  role: "follower",
  term: 3,
  leaderId: 2,
  leaderlessMs: 0,
  commitIndex: 9,
  appliedIndex: 9,
  lastIndex: 9,
  isSuspended: false,
  nodes: [],
};

interface Here {
  /** Partitions of `t` that are open here. */
  readonly led?: readonly number[];
  readonly quorum?: Partial<QuorumStatus>;
  readonly isOffline?: boolean;
  readonly isFull?: boolean;
}

/** Broker 1 of the cluster. */
function contextOf(bench: ClusterBench, here: Here = {}): BrokerContext {
  const log = { logStartOffset: 5, highWatermark: 20, lastStableOffset: 20, logEndOffset: 22, sizeBytes: 700 };
  const context = {
    image: () => bench.image,
    quorum: () => ({ ...QUORUM, ...here.quorum }),
    controller: { explanations: null },
    version: "1.2.3",
    config: { current: { ...testConfig(), nodeId: 1 }, layers: layersOf(testConfig(), bench.image.configs) },
    grpcEndpointOf: (id: number) => ({ host: "localhost", port: 9000 + id }),
    replicas: {
      isOffline: here.isOffline === true,
      isFull: here.isFull === true,
      find: (topic: string, partition: number) =>
        topic === "t" && here.led?.includes(partition) === true
          ? { ...log, isDamaged: false, isRotten: false }
          : undefined,
      sizeBytesOf: () => 700 * (here.led?.length ?? 0),
    },
  };
  return context as unknown as BrokerContext;
}

/** Three brokers, and a topic whose leaders are 1, 2 and 3. */
function cluster(): ClusterBench {
  const bench = new ClusterBench();
  bench.create("t", [
    [1, 2, 3],
    [2, 3, 1],
    [3, 1, 2],
  ]);
  return bench;
}

describe("the view of one broker on its cluster", () => {
  let admin: Awaited<ReturnType<typeof loadAdmin>>;
  before(async () => {
    admin = await loadAdmin();
  });

  describe("describeCluster", () => {
    const brokers = (bench: ClusterBench) =>
      admin.handleDescribeCluster(contextOf(bench), { dialledHost: null } as never).brokers;

    it("tells the state of each broker, and what it leads and hosts", () => {
      const bench = cluster();
      bench.fence(3);
      bench.beat(2, { isFull: true });
      const [one, two, three] = brokers(bench);
      expect(one).to.include({ id: 1, port: 9001, alive: true, fenced: false, full: false, replicas: 3 });
      expect(two).to.include({ id: 2, alive: true, fenced: false, full: true });
      expect(three).to.include({ id: 3, alive: false, fenced: true, leaders: 0, replicas: 3 });
      expect((one?.leaders ?? 0) + (two?.leaders ?? 0)).to.equal(3);
    });

    it("tells of a controlled shutdown, and of a lost log directory", () => {
      const bench = cluster();
      bench.beat(2, { wantShutDown: true });
      bench.beat(3, { isOffline: true });
      const [, two, three] = brokers(bench);
      expect(two).to.include({ shuttingDown: true, leaders: 0 });
      expect(three).to.include({ offline: true, leaders: 0 });
    });

    it("names the controller that is known now, not the one that the image remembers", () => {
      const described = (leaderId: number) =>
        admin.handleDescribeCluster(contextOf(cluster(), { quorum: { leaderId } }), { dialledHost: null } as never);
      expect(described(2)).to.include({ controllerId: 2, brokerId: 1, version: "1.2.3" });
      expect(described(-1).controllerId).to.equal(-1);
    });
  });

  describe("describeHealth", () => {
    it("finds nothing wrong with a cluster whose brokers are all there", () => {
      const report = admin.handleDescribeHealth(contextOf(cluster(), { led: [0] }));
      expect(report).to.deep.include({
        healthy: true,
        reasons: [],
        localReasons: [],
        controllerId: 2,
        brokersDown: [],
      });
    });

    it("names brokers that are down, and the partitions that lost a replica by it", () => {
      const bench = cluster();
      bench.fence(3);
      const report = admin.handleDescribeHealth(contextOf(bench, { led: [0, 2] }));
      expect(report).to.deep.include({ healthy: false, brokersDown: [3], leaderless: [], underMinIsr: [] });
      expect(report.underReplicated.map(({ partition }) => partition)).to.deep.equal([0, 1, 2]);
      expect(report.reasons).to.deep.equal(["broker 3 is down", "t-0, t-1, t-2 have replicas that are not in sync"]);
    });

    it("tells what is below min.insync.replicas from what has no leader", () => {
      const bench = cluster();
      bench.fence(3);
      bench.fence(2);
      const below = admin.handleDescribeHealth(contextOf(bench, { led: [0, 1, 2] }));
      expect(below.underMinIsr.length).to.equal(3);
      expect(below.leaderless).to.deep.equal([]);
      bench.fence(1);
      const none = admin.handleDescribeHealth(contextOf(bench));
      expect(none.leaderless.map(({ partition }) => partition)).to.deep.equal([0, 1, 2]);
      expect(none.reasons).to.include("t-0, t-1, t-2 have no leader");
    });

    it("keeps apart what this broker alone knows", () => {
      const here = { led: [], isFull: true, quorum: { leaderId: -1, isSuspended: true } };
      const { localReasons, reasons, healthy } = admin.handleDescribeHealth(contextOf(cluster(), here));
      expect(localReasons).to.deep.equal([
        "broker 1 knows no controller",
        "the disk of broker 1 is full: nothing is appended",
        "broker 1 cannot store metadata: its disk is full",
        "t-0 has no open log on its leader",
      ]);
      expect([reasons, healthy]).to.deep.equal([localReasons, false]);
    });
  });

  describe("descriptions and lists of topics", () => {
    it("have the offsets of what is led here, and say so; the rest is for its leaders to tell", () => {
      const bench = cluster();
      const context = contextOf(bench, { led: [0] });
      const { topics, otherLeaders } = admin.handleListTopics(context, { includeInternal: false });
      expect([...topics]).to.deep.equal([{ name: "t", partitions: 3, replicas: 3, internal: false, bytes: 700 }]);
      expect(otherLeaders).to.deep.equal([2, 3]);
      bench.fence(2);
      const [described] = admin.handleDescribeTopics(context, ["t"]);
      const rows = described?.topic?.partitions ?? [];
      expect(rows[0]).to.include({ ledHere: true, logStartOffset: 5, highWatermark: 20, logEndOffset: 22, bytes: 700 });
      expect(rows[1]).to.include({
        ledHere: false,
        leaderId: 3,
        leaderEpoch: 1,
        highWatermark: 0,
        minInsyncReplicas: 2,
      });
      expect(rows[1]?.isr).to.have.members([1, 3]);
      bench.fence(3);
      const [below] = admin.handleDescribeTopics(context, ["t"]);
      expect(below?.topic?.partitions[1]).to.deep.include({ leaderId: 1, isr: [1], elr: [3] });
      expect(below?.topic?.partitions[1]?.lastIsr.map(({ brokerId }) => brokerId)).to.have.members([1, 3]);
    });
  });

  it("has no metadata log to describe before there is one", () => {
    const context = { ...contextOf(cluster()), quorum: () => null } as BrokerContext;
    expect(() => admin.handleDescribeQuorum(context)).to.throw("not open yet");
  });
});
