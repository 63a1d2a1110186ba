/** Replicas move between real brokers while the SDK produces with acks=all: a broker is added, one is drained and leaves for good. */
import { Client, codecs, topic } from "@tidemark/client";
import { expect } from "chai";
import { type Broker, createBroker, startBrokerGroup } from "../../src/index.ts";
import { RawClient } from "../e2e/support/raw-client.ts";
import { steadyPort } from "../e2e/support/steady-port.ts";

const PARTITIONS = 12;
const waves = topic("waves", { value: codecs.string });
/** A message to a replica is less than what each partition holds below. */
const CONFIG = { "log.level": "silent", "log.segment.delete.delay.ms": "200", "replica.fetch.max.bytes": "65536" };
const VALUE_BYTES = 5_000;
const RECORDS = 24;
/** Replicas that a reassignment adds get one message and rest: whatever the speed of the machine, none arrives. */
const HELD_BACK = { "leader.replication.throttled.rate": "1" };
/** Between two records of a partition: the load leaves a slow machine time for everything else. */
const PACE_MS = 100;

/** RECORDS for each partition, then one at its pace until it is ended; each value is its partition and a number that grows by one. */
class Load {
  readonly #client: Client;
  readonly sent: number[] = Array.from({ length: PARTITIONS }, () => 0);
  #isOver = false;
  #done: Promise<unknown>;

  constructor(client: Client) {
    this.#client = client;
    const producer = client.producer({ acks: "all" });
    this.#done = Promise.all(this.sent.map((_, partition) => this.#produce(producer, partition)));
    this.#done.catch(() => undefined);
  }

  async #produce(producer: ReturnType<Client["producer"]>, partition: number): Promise<void> {
    while (!this.#isOver) {
      const number = (this.sent[partition] ?? 0) + 1;
      await producer.send(waves, { partition, value: `${partition}:${number}:${"x".repeat(VALUE_BYTES)}` });
      this.sent[partition] = number;
      if (number >= RECORDS) await pause(PACE_MS);
    }
  }

  /** Each partition has so many records. */
  async until(count: number): Promise<void> {
    while (this.sent.some((number) => number < count)) await Promise.race([pause(20), this.#done]);
  }

  /** Producers are never held up: each partition acknowledges more. */
  async goesOn(): Promise<void> {
    await this.until(Math.max(...this.sent) + 3);
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

describe("a reassignment under load", () => {
  it("fills a broker that is added, empties one that is drained, goes back half-way: nothing lost, doubled or held up", async () => {
    await using cluster = await startBrokerGroup({ config: CONFIG });
    const voters = cluster.brokers.map(({ nodeId, peerAddress }) => `${nodeId}@${peerAddress}`).join(",");
    await using client = new Client({ brokers: [...cluster.bootstrap] });
    await client.admin.topics.create({ name: "waves", partitions: PARTITIONS, replicas: 3 });
    const load = new Load(client);
    await load.until(RECORDS);
    await using fourth: Broker = await createBroker({
      memory: true,
      config: {
        ...CONFIG,
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

    await client.admin.configs.alter({ type: "cluster" }, { set: HELD_BACK });
    const first = await plan([]);
    expect(first.moves.length, "a quarter of 36 replicas").to.equal(9);
    await begin(first.moves);
    const begun = async (): Promise<number> => {
      const { dirs } = await admin("describeLogDirs", {});
      return dirs.flatMap(({ replicas }) => replicas).filter(({ topic: name, bytes }) => name === "waves" && bytes > 0)
        .length;
    };
    while ((await begun()) < 9) await pause(20);
    await load.goesOn();
    const going = await underWay();
    expect(going.length).to.equal(9);
    await begin(going.map(({ topic: name, partition }) => ({ topic: name, partition, replicas: [] })));
    expect(await underWay()).to.deep.equal([]);
    await load.goesOn();
    await client.admin.configs.alter({ type: "cluster" }, { delete: Object.keys(HELD_BACK) });

    await begin((await plan([])).moves);
    await over();
    const { loads } = await plan([]);
    expect(loads.map(({ brokerId, replicas }) => [brokerId, replicas])).to.deep.equal(
      [1, 2, 3, 4].map((id) => [id, 9]),
    );
    await load.goesOn();

    const drained = await admin("drainBrokers", { brokerIds: [1], draining: true });
    expect(drained.results[0]?.errorMessage).to.equal("");
    const leaders = (await admin("describeCluster", {})).brokers.map(({ id, leaders: count }) => [id, count]);
    expect(leaders[0]).to.deep.equal([1, 0]);
    await begin((await plan([])).moves);
    await over();
    expect((await plan([])).loads.map(({ replicas }) => replicas)).to.deep.equal([0, 12, 12, 12]);
    expect((await admin("unregisterBroker", { brokerId: 1 })).errorMessage).to.contain("alive");
    await load.goesOn();
    await load.end();
    await load.check();
    raw.close();
  });

  it("goes on under the next controller when the one that began it stops", async () => {
    await using cluster = await startBrokerGroup({ config: CONFIG });
    await using client = new Client({ brokers: [...cluster.bootstrap] });
    const raw = new RawClient(cluster.brokers[0]?.grpcAddress ?? "");
    const { controllerId } = await raw.admin("describeCluster", {});
    raw.close();
    const [one = 0, other = 0] = [1, 2, 3].filter((id) => id !== controllerId);
    await client.admin.topics.create({ name: "waves", assignment: Array<number[]>(PARTITIONS).fill([one]) });
    const load = new Load(client);
    await load.until(RECORDS);
    await client.admin.configs.alter({ type: "cluster" }, { set: HELD_BACK });
    const witness = new RawClient(cluster.brokers[one - 1]?.grpcAddress ?? "");
    const reassignments = load.sent.map((_, partition) => ({ topic: "waves", partition, replicas: [other] }));
    const { results } = await witness.admin("alterPartitionReassignments", { reassignments, validateOnly: false });
    expect(results.map(({ errorMessage }) => errorMessage).filter((message) => message !== "")).to.deep.equal([]);
    await cluster.brokers[controllerId - 1]?.stop();
    const underWay = async () => (await witness.admin("listPartitionReassignments", { partitions: [] })).reassignments;
    expect((await underWay()).length, "none has arrived").to.equal(PARTITIONS);
    await client.admin.configs.alter({ type: "cluster" }, { delete: Object.keys(HELD_BACK) });
    while ((await underWay()).length > 0) await pause(50);
    const described = await witness.admin("describeTopics", { names: ["waves"] });
    const placed = described.results[0]?.topic?.partitions.map(({ replicas, leaderId }) => [replicas, leaderId]);
    expect(placed).to.deep.equal(load.sent.map(() => [[other], other]));
    await load.goesOn();
    await load.end();
    await load.check();
    witness.close();
  });
});
