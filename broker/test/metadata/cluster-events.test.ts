import { expect } from "chai";
import fc from "fast-check";
import {
  applyEntry,
  ChosenLeaders,
  type ClusterEvent,
  clusterEvents,
  type ClusterImage,
  decodeEntry,
  encodeRecords,
  type MetadataRecord,
  reportDamage,
} from "../../src/metadata/index.ts";
import { ClusterBench } from "./cluster-bench.ts";

/** A cluster whose last command's events are asked for. */
class EventBench extends ClusterBench {
  before: ClusterImage = this.image;

  /** Of what `command` did; one that was refused has none. */
  after(command: () => unknown): ClusterEvent[] {
    this.before = this.image;
    this.records = [];
    command();
    const { records, before } = this;
    if (records.length === 0) return [];
    const { delta } = applyEntry(before, before.metadataOffset + 1, records);
    return clusterEvents(before, this.image, delta, records);
  }

  apply(...records: MetadataRecord[]): void {
    this.decide({ records, response: null });
  }
}

/** As a line: "isr-shrunk t:0 1,2,3>1,2 fenced". */
function told(events: readonly ClusterEvent[]): string[] {
  return events.map((event) => {
    const place = "partition" in event ? [`${event.topic}:${event.partition}`] : [];
    const isr = "isr" in event ? [`${event.isrBefore.join()}>${event.isr.join()}`] : [];
    const leader = "leaderId" in event ? [`${event.leaderBefore}>${event.leaderId}`] : [];
    const broker = "brokerId" in event ? [`${event.brokerId}`] : [];
    const reason = "reason" in event ? [event.reason] : [];
    return [event.type, ...place, ...broker, ...leader, ...isr, ...reason].join(" ");
  });
}

describe("clusterEvents", () => {
  function bench(): EventBench {
    const cluster = new EventBench(3);
    cluster.create("t", [[1, 2, 3]]);
    return cluster;
  }

  it("tells a fenced leader, the one in its place, and its way back", () => {
    const cluster = bench();
    expect(told(cluster.after(() => cluster.fence(1)))).to.deep.equal([
      "broker-down 1 silent",
      "leader-changed t:0 1>2 fenced",
      "isr-shrunk t:0 1,2,3>2,3 fenced",
    ]);
    expect(told(cluster.after(() => cluster.beat(1)))).to.deep.equal(["broker-up 1"]);
    expect(told(cluster.after(() => cluster.alter([1, 2, 3])))).to.deep.equal(["isr-expanded t:0 2,3>1,2,3 caught-up"]);
    const preferred = new ChosenLeaders();
    preferred.add("inSync", 1, cluster.topicId(), 0);
    expect(told(cluster.after(() => cluster.apply(...preferred.records)))).to.deep.equal([
      "leader-changed t:0 2>1 preferred",
    ]);
  });

  it("tells a follower that fell behind from one whose broker went", () => {
    const cluster = bench();
    expect(told(cluster.after(() => cluster.alter([1, 2])))).to.deep.equal(["isr-shrunk t:0 1,2,3>1,2 lagging"]);
    expect(told(cluster.after(() => cluster.beat(2, { wantShutDown: true })))).to.deep.equal([
      "broker-shutting-down 2",
      "isr-shrunk t:0 1,2>1 shutting-down",
    ]);
    expect(told(cluster.after(() => cluster.fence(2)))).to.deep.equal(["broker-down 2 shutdown"]);
    expect(told(cluster.after(() => cluster.beat(1, { isOffline: true })))).to.deep.equal([
      "directory-failed 1",
      "leader-changed t:0 1>-1 directory-failed",
      "isr-shrunk t:0 1> directory-failed",
    ]);
  });

  it("tells restarts by how clean they were, and what they took out of the ISR", () => {
    const cluster = bench();
    expect(told(cluster.after(() => cluster.restart(3)))).to.deep.equal([
      "broker-registered 3 clean",
      "isr-shrunk t:0 1,2,3>1,2 restarted",
    ]);
    expect(told(cluster.after(() => cluster.restart(2, "unclean")))).to.deep.equal([
      "broker-registered 2 unclean",
      "isr-shrunk t:0 1,2>1 restarted",
    ]);
    expect(told(cluster.after(() => cluster.restart(3, "emptied")))).to.deep.equal(["broker-registered 3 emptied"]);
    expect(told(cluster.after(() => cluster.restart(4)))).to.deep.equal(["broker-registered 4 new"]);
  });

  it("tells an unclean election, and one by the longest log", () => {
    const cluster = new EventBench(3);
    cluster.create("t", [[1, 2, 3]], { "min.insync.replicas": "1" });
    cluster.alter([1]);
    cluster.fence(1);
    const unclean = new ChosenLeaders();
    unclean.add("unclean", 3, cluster.topicId(), 0);
    expect(told(cluster.after(() => cluster.apply(...unclean.records)))).to.deep.equal([
      "unclean-election t:0 -1>3 unclean",
      "isr-expanded t:0 >3 elected",
    ]);
    const longest = new ChosenLeaders();
    longest.add("lastIsr", 2, cluster.topicId(), 0);
    expect(told(cluster.after(() => cluster.apply(...longest.records)))).to.deep.equal([
      "leader-changed t:0 3>2 longest-log",
      "isr-shrunk t:0 3>2 longest-log",
    ]);
  });

  it("tells damage with what it took, and the repair", () => {
    const cluster = bench();
    const damaged = [{ topicId: cluster.topicId(), partitions: [0] }];
    const request = { brokerId: 2, brokerEpoch: cluster.epochOf(2), damaged };
    expect(told(cluster.after(() => cluster.decide(reportDamage(cluster.image, request))))).to.deep.equal([
      "replica-damaged t:0 2",
      "isr-shrunk t:0 1,2,3>1,3 damaged",
    ]);
    expect(told(cluster.after(() => cluster.alter([1, 2, 3])))).to.deep.equal([
      "replica-repaired t:0 2",
      "isr-expanded t:0 1,3>1,2,3 caught-up",
    ]);
  });

  it("tells a reassignment's begin, end and cancellation, a drained broker and a forgotten one", () => {
    const cluster = new EventBench(4);
    cluster.create("t", [[1, 2, 3]]);
    const topicId = cluster.topicId();
    const reassign = (replicas: number[], addingReplicas: number[], removingReplicas: number[]): void =>
      cluster.apply({ type: "partitionReassigned", topicId, partition: 0, replicas, addingReplicas, removingReplicas });
    const place = { topic: "t", partition: 0 };
    expect(cluster.after(() => reassign([4, 2, 3, 1], [4], [1]))).to.deep.equal([
      { type: "reassignment-started", ...place, replicas: [4, 2, 3], adding: [4], removing: [1] },
    ]);
    expect(cluster.after(() => reassign([1, 2, 3], [], []))).to.deep.equal([
      { type: "reassignment-cancelled", ...place, replicas: [1, 2, 3], adding: [], removing: [4] },
    ]);
    reassign([4, 2, 3, 1], [4], [1]);
    const done = cluster.after(() => cluster.alter([4, 2, 3, 1]));
    expect(done.find(({ type }) => type === "reassignment-done")).to.deep.equal({
      type: "reassignment-done",
      ...place,
      replicas: [4, 2, 3],
      adding: [4],
      removing: [1],
    });
    expect(told(done)).to.include("leader-changed t:0 1>4 reassigned");
    expect(told(done).at(-1)).to.equal("isr-shrunk t:0 2,3,1>4,2,3 reassigned");
    const draining = cluster.after(() => cluster.apply({ type: "brokerDraining", brokerId: 4, isDraining: true }));
    expect(told(draining)).to.include("broker-draining 4");
    const back = cluster.after(() => cluster.apply({ type: "brokerDraining", brokerId: 4, isDraining: false }));
    expect(told(back)).to.deep.equal(["broker-undrained 4"]);
    cluster.fence(1);
    expect(told(cluster.after(() => cluster.apply({ type: "brokerUnregistered", brokerId: 1 })))).to.deep.equal([
      "broker-unregistered 1",
    ]);
  });

  it("tells topics, settings and disks, and of settings names alone", () => {
    const cluster = bench();
    expect(cluster.after(() => cluster.create("u", [[1], [2]]))).to.deep.equal([
      { type: "topic-created", topic: "u", partitions: 2 },
    ]);
    const topicId = cluster.topicId("u");
    const owner = { type: "topic", topicId } as const;
    expect(
      cluster.after(() =>
        cluster.apply({ type: "configChanged", owner, set: { "retention.ms": "5" }, unset: ["segment.ms"] }),
      ),
    ).to.deep.equal([{ type: "config-changed", resource: "topic/u", set: ["retention.ms"], unset: ["segment.ms"] }]);
    expect(
      cluster.after(() =>
        cluster.apply({ type: "partitionCreated", topicId, partition: 2, replicas: [3], isr: [3], leaderId: 3 }),
      ),
    ).to.deep.equal([{ type: "partitions-added", topic: "u", partitions: 1 }]);
    expect(cluster.after(() => cluster.apply({ type: "topicDeleted", topicId }))).to.deep.equal([
      { type: "topic-deleted", topic: "u" },
    ]);
    expect(told(cluster.after(() => cluster.beat(3, { isFull: true })))).to.deep.equal([
      "disk-full 3",
      "isr-shrunk t:0 1,2,3>1,2 full",
    ]);
    expect(told(cluster.after(() => cluster.beat(3)))).to.deep.equal(["disk-freed 3"]);
    expect(
      told(cluster.after(() => cluster.apply({ type: "termStarted", term: 2, controllerId: 2, minIsrDefault: null }))),
    ).to.deep.equal(["controller-changed 2"]);
  });

  it("adds up to the image: whoever follows the events knows leader and ISR of every partition", () => {
    const broker = fc.integer({ min: 1, max: 3 });
    const step = fc.oneof(
      fc.record({ kind: fc.constantFrom("fence", "beat", "clean", "unclean", "stop", "full", "offline"), broker }),
      fc.record({ kind: fc.constant("alter" as const), members: fc.uniqueArray(broker, { minLength: 1 }) }),
      fc.record({ kind: fc.constantFrom("inSync" as const, "unclean-choice" as const), broker }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const cluster = bench();
        const known = { leaderId: cluster.partition().leaderId, isr: [...cluster.partition().isr] };
        for (const each of steps) {
          const events = cluster.after(() => {
            const { kind } = each;
            if ("members" in each) return cluster.alter(each.members);
            const id = each.broker;
            if (kind === "fence") return cluster.fence(id);
            if (kind === "beat") return cluster.beat(id);
            if (kind === "stop") return cluster.beat(id, { wantShutDown: true });
            if (kind === "full") return cluster.beat(id, { isFull: true });
            if (kind === "offline") return cluster.beat(id, { isOffline: true });
            if (kind === "clean" || kind === "unclean") return cluster.restart(id, kind);
            const alive = cluster.image.brokers.get(id);
            if (alive === undefined || alive.isFenced || alive.isShuttingDown || alive.isOffline) return null;
            const { leaderId, isr } = cluster.partition();
            const chosen = new ChosenLeaders();
            if (kind === "inSync" && isr.includes(id) && leaderId !== id)
              chosen.add("inSync", id, cluster.topicId(), 0);
            if (kind === "unclean-choice" && leaderId < 0) chosen.add("unclean", id, cluster.topicId(), 0);
            return cluster.apply(...chosen.records);
          });
          for (const event of events) {
            if (event.type === "leader-changed" || event.type === "unclean-election") known.leaderId = event.leaderId;
            if (event.type === "isr-shrunk" || event.type === "isr-expanded") {
              expect(event.isrBefore).to.deep.equal(known.isr);
              known.isr = [...event.isr];
            }
          }
          const { leaderId, isr } = cluster.partition();
          expect(known).to.deep.equal({ leaderId, isr: [...isr] });
        }
      }),
      { numRuns: 100 },
    );
  });
});

describe("a metadata entry", () => {
  it("keeps when it was proposed; one of an older version says nothing of it", () => {
    const records: MetadataRecord[] = [{ type: "topicDeleted", topicId: "t" }];
    expect(decodeEntry(encodeRecords(records, 1_767_225_600_000))).to.deep.equal({ at: 1_767_225_600_000, records });
    expect(decodeEntry(encodeRecords(records))).to.deep.equal({ at: null, records });
  });
});
