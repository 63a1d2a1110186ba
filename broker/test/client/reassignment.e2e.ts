/** Replicas move between real brokers while the SDK produces with acks=all: a broker is added, one is drained and leaves for good. */
import { Client, codecs, topic } from "@tidemark/client";
import { expect } from "chai";
import { type Broker, createBroker, startTestCluster } from "../../src/index.ts";
import { RawClient } from "../e2e/support/raw-client.ts";
import { steadyPort } from "../e2e/support/steady-port.ts";

const PARTITIONS = 12;
const waves = topic("waves", { value: codecs.string });
const QUIET = { "log.level": "silent", "log.segment.delete.delay.ms": "200" };

/** Keeps producing until it is ended; each value is its partition and a number that grows by one. */
class Load {
  readonly #client: Client;
  readonly sent: number[] = Array.from({ length: PARTITIONS }, () => 0);
  longestGapMs = 0;
  #isOver = false;
  #done: Promise<unknown>;

  constructor(client: Client) {
    this.#client = client;
    const producer = client.producer({ acks: "all" });
    this.#done = Promise.all(this.sent.map((_, partition) => this.#produce(producer, partition)));
    this.#done.catch(() => undefined);
  }

  async #produce(producer: ReturnType<Client["producer"]>, partition: number): Promise<void> {
    let ackedAt = performance.now();
    while (!this.#isOver) {
      const number = (this.sent[partition] ?? 0) + 1;
      await producer.send(waves, { partition, value: `${partition}:${number}:${"x".repeat(2_000)}` });
      this.sent[partition] = number;
      this.longestGapMs = Math.max(this.longestGapMs, performance.now() - ackedAt);
      ackedAt = performance.now();
    }
  }

  /** Each partition has so many records. */
  async until(count: number): Promise<void> {
    while (this.sent.some((number) => number < count)) await pause(20);
  }

  async end(): Promise<void> {
    this.#isOver = true;
    await this.#done;
  }

  /** Nothing lost, doubled or out of order. */
  async check(): Promise<void> {
    const next = this.sent.map(() => 1);
    for (const { partition, value } of await this.#client.reader(waves).toArray()) {
      expect(value.split(":").slice(0, 2).map(Number)).to.deep.equal([partition, next[partition]]);
      next[partition] = (next[partition] ?? 0) + 1;
    }
    expect(next.map((number) => number - 1)).to.deep.equal(this.sent);
  }
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

describe("a reassignment under load", function () {
  this.timeout(120_000);

  it("fills a broker that is added, empties one that is drained, goes back half-way: nothing lost, doubled or late", async () => {
    await using cluster = await startTestCluster({ config: QUIET });
    const voters = cluster.brokers.map(({ nodeId, peerAddress }) => `${nodeId}@${peerAddress}`).join(",");
    await using client = new Client({ brokers: [...cluster.bootstrap] });
    await client.admin.topics.create({ name: "waves", partitions: PARTITIONS, replicas: 3 });
    const load = new Load(client);
    await load.until(200);
    await using fourth: Broker = await createBroker({
      memory: true,
      config: {
        ...QUIET,
        "node.id": "4",
        "controller.quorum.voters": voters,
        listeners: `GRPC://127.0.0.1:0,PEER://127.0.0.1:${await steadyPort()}`,
      },
    });
    await fourth.start();
    const raw = new RawClient(fourth.grpcAddress);
    const { admin } = { admin: raw.admin.bind(raw) };
    const underWay = async () => (await admin("listPartitionReassignments", { partitions: [] })).reassignments;
    const plan = async (drainBrokers: number[]) =>
      admin("planReassignments", { drainBrokers, balance: true, topics: [], brokers: [] });
    const begin = async (moves: readonly { topic: string; partition: number; replicas: number[] }[]) => {
      const reassignments = moves.map(({ topic: name, partition, replicas }) => ({ topic: name, partition, replicas }));
      const { results } = await admin("alterPartitionReassignments", { reassignments, validateOnly: false });
      // 85: it was over, or gone back, before this was asked, or asked again of the next controller.
      const refused = results.filter(({ errorCode: code }) => code !== 0 && code !== 85);
      expect(refused.map(({ errorMessage }) => errorMessage)).to.deep.equal([]);
    };
    const over = async (): Promise<void> => {
      while ((await underWay()).length > 0) await pause(50);
    };

    // Slowly, so that there is something to go back from.
    const throttle = (rate: string | null) =>
      client.admin.configs.alter(
        { type: "cluster" },
        rate === null
          ? { delete: ["follower.replication.throttled.rate"] }
          : { set: { "follower.replication.throttled.rate": rate } },
      );
    await throttle("1000");
    const first = await plan([]);
    expect(first.moves.length, "a quarter of 36 replicas").to.equal(9);
    await begin(first.moves);
    // One from each leader, perhaps, and then the debt is to be paid.
    while ((await underWay()).length > 6) await pause(20);
    const going = await underWay();
    expect(going.length).to.be.greaterThan(0);
    await begin(going.map(({ topic: name, partition }) => ({ topic: name, partition, replicas: [] })));
    expect(await underWay()).to.deep.equal([]);
    await throttle(null);

    await begin((await plan([])).moves);
    await over();
    const { loads } = await plan([]);
    expect(loads.map(({ brokerId, replicas }) => [brokerId, replicas])).to.deep.equal(
      [1, 2, 3, 4].map((id) => [id, 9]),
    );

    const drained = await admin("drainBrokers", { brokerIds: [1], draining: true });
    expect(drained.results[0]?.errorMessage).to.equal("");
    const leaders = (await admin("describeCluster", {})).brokers.map(({ id, leaders: count }) => [id, count]);
    expect(leaders[0]).to.deep.equal([1, 0]);
    await begin((await plan([])).moves);
    await over();
    expect((await plan([])).loads.map(({ replicas }) => replicas)).to.deep.equal([0, 12, 12, 12]);
    expect((await admin("unregisterBroker", { brokerId: 1 })).errorMessage).to.contain("alive");
    await load.end();
    await load.check();
    // Two seconds are the mark on a machine that does nothing else.
    expect(load.longestGapMs, "producers never stop").to.be.below(5_000);
    raw.close();
  });

  it("goes on under the next controller when the one that began it stops", async () => {
    await using cluster = await startTestCluster({ config: QUIET });
    await using client = new Client({ brokers: [...cluster.bootstrap] });
    const raw = new RawClient(cluster.brokers[0]?.grpcAddress ?? "");
    const { controllerId } = await raw.admin("describeCluster", {});
    raw.close();
    const [one = 0, other = 0] = [1, 2, 3].filter((id) => id !== controllerId);
    await client.admin.topics.create({ name: "waves", assignment: Array<number[]>(PARTITIONS).fill([one]) });
    const load = new Load(client);
    await load.until(50);
    await client.admin.configs.alter({ type: "cluster" }, { set: { "follower.replication.throttled.rate": "1000" } });
    const witness = new RawClient(cluster.brokers[one - 1]?.grpcAddress ?? "");
    const reassignments = load.sent.map((_, partition) => ({ topic: "waves", partition, replicas: [other] }));
    const { results } = await witness.admin("alterPartitionReassignments", { reassignments, validateOnly: false });
    expect(results.map(({ errorMessage }) => errorMessage).filter((message) => message !== "")).to.deep.equal([]);
    await cluster.brokers[controllerId - 1]?.stop();
    const underWay = async () => (await witness.admin("listPartitionReassignments", { partitions: [] })).reassignments;
    expect((await underWay()).length, "some are under way").to.be.greaterThan(0);
    await client.admin.configs.alter({ type: "cluster" }, { delete: ["follower.replication.throttled.rate"] });
    while ((await underWay()).length > 0) await pause(50);
    const described = await witness.admin("describeTopics", { names: ["waves"] });
    const placed = described.results[0]?.topic?.partitions.map(({ replicas, leaderId }) => [replicas, leaderId]);
    expect(placed).to.deep.equal(load.sent.map(() => [[other], other]));
    await load.end();
    await load.check();
    witness.close();
  });
});
