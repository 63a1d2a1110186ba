import { expect } from "chai";
import fc from "fast-check";
import type { BrokerImage, ClusterImage, MetadataRecord } from "../../../src/metadata/index.ts";
import { type MovePlan, planMoves, type PlanRequest } from "../../../src/metadata/moves/index.ts";
import { clusterOf, next } from "../fixtures.ts";

const ALL: PlanRequest = { drain: [], isBalanced: false, topics: null, brokers: null };
const BALANCED: PlanRequest = { ...ALL, isBalanced: true };

type Placed = readonly (readonly number[])[];

/** Brokers 1 to n, and topic t with these replicas. */
function imageOf(assignment: Placed, racks: readonly (string | null)[], name = "t"): ClusterImage {
  return withTopic(clusterOf(racks.length, racks), name, assignment);
}

function withTopic(image: ClusterImage, name: string, assignment: Placed): ClusterImage {
  const topicId = `id-${name}`;
  const created: MetadataRecord = { type: "topicCreated", name, topicId, internal: false, overrides: {} };
  const partitions = assignment.map((replicas, partition): MetadataRecord => {
    return { type: "partitionCreated", topicId, partition, replicas, isr: replicas, leaderId: replicas[0] ?? -1 };
  });
  return next(image, [created, ...partitions]);
}

function withBroker(image: ClusterImage, brokerId: number, over: Partial<BrokerImage>): ClusterImage {
  const broker = image.brokers.get(brokerId);
  if (broker === undefined) throw new RangeError(`no broker ${brokerId}`);
  return { ...image, brokers: new Map([...image.brokers, [brokerId, { ...broker, ...over }]]) };
}

function planned(image: ClusterImage, request: PlanRequest): Extract<MovePlan, { ok: true }> {
  const plan = planMoves(image, request);
  if (!plan.ok) throw new Error(`${plan.error}: ${plan.message}`);
  return plan;
}

/** Topic t when the plan is carried out. */
function after(image: ClusterImage, { moves }: { readonly moves: Extract<MovePlan, { ok: true }>["moves"] }): Placed {
  const targets = new Map(moves.map(({ topic, partition, replicas }) => [`${topic}:${partition}`, replicas]));
  const { partitions = [] } = image.topics.get("t") ?? {};
  return partitions.map(({ partition, replicas }) => targets.get(`t:${partition}`) ?? replicas);
}

function countsOf(placed: Placed, ids: readonly number[]): number[] {
  const all = placed.flat();
  return ids.map((id) => all.filter((one) => one === id).length);
}

const leadersOf = (placed: Placed): Placed => placed.map(([leader = -1]) => [leader]);
const spreadOf = (counts: readonly number[]): number => Math.max(...counts) - Math.min(...counts);
const alone = (count: number): null[] => Array.from({ length: count }, () => null);

/** How many racks the replicas stand on; a broker without one is its own. */
function racksOf(replicas: readonly number[], racks: readonly (string | null)[]): number {
  return new Set(replicas.map((id) => racks[id - 1] ?? `broker ${id}`)).size;
}

/** Up to six brokers and thirty partitions of one replication factor, laid badly. */
const clusters = fc
  .record({
    racks: fc.array(fc.constantFrom(null, "a", "b", "c"), { minLength: 2, maxLength: 6 }),
    draws: fc.array(fc.nat(), { minLength: 1, maxLength: 30 }),
    factor: fc.integer({ min: 1, max: 3 }),
  })
  .map(({ racks, draws, factor }) => ({
    racks,
    assignment: draws.map((draw) => {
      const ring = racks.map((_, slot) => ((slot + draw) % racks.length) + 1);
      return ring.slice(0, Math.min(factor, racks.length));
    }),
  }));

describe("planMoves", () => {
  it("empties a broker, and touches nothing that was not on it", () => {
    const image = imageOf(
      [
        [1, 2, 3],
        [2, 3, 4],
        [3, 4, 1],
        [4, 2, 3],
      ],
      alone(4),
    );
    const plan = planned(image, { ...ALL, drain: [1] });
    expect(plan.moves.map(({ partition, currentReplicas }) => [partition, currentReplicas])).to.deep.equal([
      [0, [1, 2, 3]],
      [2, [3, 4, 1]],
    ]);
    expect(after(image, plan).flat()).to.not.include(1);
    expect(
      plan.loads.map(({ brokerId, replicas, replicasAfter }) => [brokerId, replicas, replicasAfter]),
    ).to.deep.equal([
      [1, 2, 0],
      [2, 3, 4],
      [3, 4, 4],
      [4, 3, 4],
    ]);
  });

  it("empties those that are being drained without being asked", () => {
    const image = withBroker(imageOf([[1, 2]], alone(3)), 1, { isDraining: true });
    expect(after(image, planned(image, BALANCED)).flat()).to.have.members([2, 3]);
  });

  it("puts nothing on brokers that are down, full, offline, shutting down or draining", () => {
    for (const over of [
      { isFenced: true },
      { isFull: true },
      { isOffline: true },
      { isShuttingDown: true },
      { isDraining: true },
    ]) {
      const image = withBroker(imageOf([[1, 2]], alone(4)), 3, over);
      expect(after(image, planned(image, { ...ALL, drain: [1] })).flat(), JSON.stringify(over)).to.have.members([2, 4]);
    }
  });

  it("takes nothing from a broker that is down when it balances", () => {
    const image = withBroker(imageOf([[1], [1], [1], [1], [2]], alone(3)), 1, { isFenced: true });
    expect(planned(image, BALANCED).moves).to.deep.equal([]);
  });

  it("says why there is no plan: topics and brokers that are not there, or down, and too few brokers", () => {
    const image = withBroker(imageOf([[1, 2, 3]], alone(4)), 4, { isFenced: true });
    const error = (over: Partial<PlanRequest>): string => {
      const plan = planMoves(image, { ...ALL, ...over });
      return plan.ok ? "a plan" : plan.error;
    };
    expect(error({ topics: ["t", "u"] })).to.equal("UNKNOWN_TOPIC_OR_PARTITION");
    expect(error({ drain: [7] })).to.equal("BROKER_ID_NOT_REGISTERED");
    expect(error({ brokers: [1, 7] })).to.equal("BROKER_ID_NOT_REGISTERED");
    expect(error({ brokers: [1, 2, 4] })).to.equal("INVALID_REPLICA_ASSIGNMENT");
    expect(error({ drain: [1] })).to.equal("INVALID_REPLICATION_FACTOR");
    expect(error({ brokers: [1, 2] })).to.equal("INVALID_REPLICATION_FACTOR");
    const plan = planMoves(image, { ...ALL, drain: [1] });
    expect(plan.ok ? "a plan" : plan.message).to.equal("t-0 has 3 replicas, and 2 brokers may have them: 2, 3");
  });

  it("moves and counts the partitions of the topics that were asked for alone", () => {
    const image = withTopic(imageOf([[1], [1]], alone(2)), "u", [[1], [1]]);
    const plan = planned(image, { ...BALANCED, topics: ["u"] });
    expect(plan.moves.map(({ topic }) => topic)).to.deep.equal(["u"]);
    expect(plan.loads.map(({ replicas, replicasAfter }) => [replicas, replicasAfter])).to.deep.equal([
      [2, 1],
      [0, 1],
    ]);
  });

  it("counts a move under way as what it becomes", () => {
    const created = imageOf([[1], [1]], alone(2));
    const lists = { replicas: [2, 1], addingReplicas: [2], removingReplicas: [1] };
    const image = next(created, [{ type: "partitionReassigned", topicId: "id-t", partition: 0, ...lists }]);
    expect(planned(image, BALANCED).moves).to.deep.equal([]);
  });

  it("gives a broker that was added its share, and copies no more than that: a quarter of four", () => {
    const before = Array.from({ length: 300 }, (_, slot) => [1, 2, 3].map((id) => ((id + slot) % 3) + 1));
    const image = imageOf(before, alone(4));
    const now = after(image, planned(image, BALANCED));
    expect(countsOf(now, [1, 2, 3, 4])).to.deep.equal([225, 225, 225, 225]);
    expect(countsOf(leadersOf(now), [1, 2, 3, 4])).to.deep.equal([75, 75, 75, 75]);
    const copied = now.flatMap((target, slot) => target.filter((id) => before[slot]?.includes(id) !== true));
    expect(copied).to.have.length(225);
  });

  it("evens out leaders by other orders alone, also through a broker in between", () => {
    // 1 leads three, 3 none, and they share no partition.
    const before = [
      [1, 2],
      [1, 2],
      [1, 4],
      [2, 3],
      [4, 3],
      [4, 3],
      [2, 3],
      [1, 4],
    ];
    const image = imageOf(before, alone(4));
    const { moves } = planned(image, BALANCED);
    for (const { replicas, currentReplicas } of moves) expect(replicas).to.have.members([...currentReplicas]);
    expect(spreadOf(countsOf(leadersOf(after(image, { moves })), [1, 2, 3, 4]))).to.equal(0);
  });

  it("takes two replicas off a rack that they need not share", () => {
    const racks = ["a", "a", "b"];
    const image = imageOf([[1, 2]], racks);
    expect(racksOf(after(image, planned(image, BALANCED))[0] ?? [], racks)).to.equal(2);
    expect(planned(image, ALL).moves).to.deep.equal([]);
  });

  it("keeps every replication factor, no broker twice and no rack more crowded, and needs no second plan (any cluster)", () => {
    fc.assert(
      fc.property(clusters, ({ racks, assignment }) => {
        const image = imageOf(assignment, racks);
        const now = after(image, planned(image, BALANCED));
        for (const [slot, replicas] of now.entries()) {
          const was = assignment[slot] ?? [];
          expect(replicas).to.have.length(was.length);
          expect(new Set(replicas).size).to.equal(replicas.length);
          expect(racksOf(replicas, racks)).to.be.at.least(racksOf(was, racks));
        }
        expect(planned(imageOf(now, racks), BALANCED).moves).to.deep.equal([]);
      }),
    );
  });

  it("ends with brokers that differ by one replica at most where no rack stands in the way (any cluster)", () => {
    fc.assert(
      fc.property(clusters, ({ racks, assignment }) => {
        const image = imageOf(assignment, alone(racks.length));
        const ids = racks.map((_, slot) => slot + 1);
        const now = after(image, planned(image, BALANCED));
        expect(spreadOf(countsOf(now, ids))).to.be.at.most(1);
      }),
    );
  });

  it("drains any broker, copies one replica for each of its own, on as many racks as there are for it (any cluster)", () => {
    fc.assert(
      fc.property(clusters, fc.nat(), ({ racks, assignment }, draw) => {
        const drained = (draw % racks.length) + 1;
        fc.pre((assignment[0]?.length ?? 0) < racks.length);
        const image = imageOf(assignment, racks);
        const now = after(image, planned(image, { ...ALL, drain: [drained] }));
        expect(now.flat()).to.not.include(drained);
        for (const [slot, replicas] of now.entries()) {
          const was = assignment[slot] ?? [];
          expect(new Set(replicas).size).to.equal(was.length);
          const copied = replicas.filter((id) => !was.includes(id));
          expect(copied).to.have.length(was.includes(drained) ? 1 : 0);
          const kept = replicas.filter((id) => was.includes(id));
          const others = racks.map((_, at) => at + 1).filter((id) => id !== drained && !kept.includes(id));
          const best = Math.max(...others.map((id) => racksOf([...kept, id], racks)));
          if (copied.length > 0) expect(racksOf(replicas, racks)).to.equal(best);
        }
      }),
    );
  });
});
