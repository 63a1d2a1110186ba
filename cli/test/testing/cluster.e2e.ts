/** `tidemark/testing` as a test of an application uses it. */
import { AssertionError } from "node:assert";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { codecs, topic } from "@tidemark/client";
import { expect } from "chai";
import { Cluster, TestClusterError } from "../../src/testing/index.ts";

/** For hangs only. */
const HANG_MS = 60_000;

const carts = topic("carts", { key: codecs.string, value: codecs.json<{ cents: number }>() });

async function failure(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => {
      throw new Error("it was to fail");
    },
    (error: unknown) => error,
  );
}

describe("tidemark/testing", function () {
  this.timeout(HANG_MS);

  let cluster: Cluster;

  before(async () => {
    cluster = await Cluster.start({
      clock: "virtual",
      topics: [
        { name: "orders", partitions: 1 },
        { name: "carts", partitions: 3 },
      ],
    });
  });

  after(() => cluster.stop());

  beforeEach(() => cluster.reset());

  it("has a client that is connected, and topics that are in sync", async () => {
    const { clusterId, brokers } = await cluster.client().ready();
    expect(clusterId).to.have.length(22);
    expect(brokers.map(({ id, alive }) => [id, alive])).to.deep.equal([1, 2, 3].map((id) => [id, true]));
    const [detail] = (await cluster.client().admin.topics.describe("orders")).detail;
    expect(detail?.isr).to.have.length(3);
    expect(cluster.client()).to.equal(cluster.client());
    expect(cluster.client({ clientId: "another" })).to.not.equal(cluster.client());
  });

  it("keeps what was acknowledged when the leader is killed", async () => {
    const producer = cluster.client().producer();
    await producer.send("orders", { key: "a", value: "1", headers: { trace: "x" } });
    await cluster.broker(await cluster.leaderOf("orders")).kill();
    await producer.send("orders", { key: "b", value: "2" });
    await cluster.expectRecords("orders", [
      { key: "a", value: "1", headers: { trace: "x" }, offset: 0 },
      { key: "b", value: "2", headers: {}, offset: 1 },
    ]);
  });

  describe("records", () => {
    it("come by partition and offset, as plain objects, with the codecs of their topic", async () => {
      const producer = cluster.client().producer();
      await producer.send(carts, { key: "a", value: { cents: 1 }, partition: 2 });
      await producer.send(carts, { key: "b", value: { cents: 2 }, partition: 0 });
      const records = await cluster.records(carts, { count: 2 });
      const whose = ({ timestamp, leaderEpoch }: { timestamp: number; leaderEpoch: number }): object => ({
        timestamp,
        leaderEpoch,
      });
      const place = { topic: "carts", offset: 0, headers: {} };
      expect(records).to.deep.equal([
        { ...place, partition: 0, key: "b", value: { cents: 2 }, ...records.slice(0, 1).map(whose)[0] },
        { ...place, partition: 2, key: "a", value: { cents: 1 }, ...records.slice(1).map(whose)[0] },
      ]);
      expect(await cluster.records(carts, { partition: 2 })).to.have.length(1);
      expect(await cluster.records(carts, { where: ({ value }) => value.cents > 1 })).to.have.length(1);
    });

    it("are waited for, with those that come before the topic does", async () => {
      const waited = cluster.records("late", { count: 1 });
      await cluster.client().admin.topics.create({ name: "late", partitions: 1 });
      await cluster.client().producer().send("late", { key: null, value: null });
      expect(await waited).to.have.length(1);
      expect((await waited)[0]).to.include({ key: null, value: null });
    });

    it("of a topic that does not exist are a mistake, not none", async () => {
      for (const look of [
        () => cluster.records("ordres"),
        () => cluster.records("ordres", { count: 1, timeoutMs: 1 }),
        () => cluster.expectRecords("ordres", []),
        () => cluster.expectRecords("ordres", [{ key: "a" }], { timeoutMs: 1 }),
      ])
        expect(await failure(look())).to.include({
          code: "UNKNOWN_TOPIC",
          message: 'there is no topic "ordres"; there are carts, orders',
        });
    });

    it("of a partition that does not exist are one too", async () => {
      for (const look of [
        () => cluster.records("carts", { partition: 3 }),
        () => cluster.expectRecords(carts, [{ key: "a" }], { partition: 3, timeoutMs: 1 }),
      ])
        expect(await failure(look())).to.include({
          code: "UNKNOWN_TOPIC",
          message: 'topic "carts" has partitions 0 to 2, and no 3',
        });
    });

    it("that nobody can be asked for end in time", async () => {
      await cluster.client().producer().send("orders", { key: "a", value: "1" });
      await Promise.all(cluster.brokers.map((broker) => broker.kill()));
      const startedMs = performance.now();
      const looks = [
        cluster.records("orders", { timeoutMs: 1 }),
        cluster.expectRecords("orders", [{ key: "a" }], { timeoutMs: 1 }),
      ];
      for (const error of await Promise.all(looks.map((look) => failure(look)))) {
        expect(error).to.include({ code: "TIMEOUT" });
        expect((error as Error).message).to.equal(
          '"orders" cannot be read: behind 0 records nothing came for 2000 ms; brokers: 1 down, 2 down, 3 down',
        );
      }
      // A client of its own accord tries for 30 s.
      expect(performance.now() - startedMs).to.be.lessThan(20_000);
    });

    for (const [look, why] of [
      [
        () => cluster.records("orders", { cuont: 1 } as never),
        "records: there is no option cuont; there are count, where",
      ],
      [() => cluster.records("orders", { count: -1 }), "records: count is a whole number from 0 on, not -1"],
      [
        () => cluster.records("orders", { partition: "0" as never }),
        "records: partition is a whole number from 0 on, not '0'",
      ],
      [() => cluster.records("orders", { where: "a" as never }), "records: where is a function, not 'a'"],
      [() => cluster.expectRecords("orders", [], { count: 1 } as never), "expectRecords: there is no option count"],
      [() => cluster.expectRecords("orders", [], { order: "any way" as never }), 'order is "log" or "any"'],
      [() => cluster.expectRecords("orders", ["a"] as never), "expectRecords: a record is an object as"],
      [
        () => cluster.expectRecords("orders", [{ kye: "a" }] as never),
        "expectRecords: a record has no kye; it has topic,",
      ],
    ] as const) {
      it(`are not looked for where that cannot be meant: ${why}`, async () => {
        const error = await failure(look());
        expect(error).to.include({ code: "INVALID_OPTION" });
        expect((error as Error).message).to.contain(why);
      });
    }

    it("show a failure what arrived instead, and of what is long the beginning", async () => {
      await cluster
        .client()
        .producer()
        .send("orders", { key: "a", value: "v".repeat(100_000) });
      const error = await failure(cluster.expectRecords("orders", [{ key: "b" }]));
      expect((error as Error).message).to.match(/0@0 {2}key 'a' {2}value 'v{200}'\.\.\. 99800 more characters$/u);
    });

    it("show a failure what arrived instead", async () => {
      await cluster.client().producer().send("orders", { key: "a", value: "1" });
      const where = ({ value }: { value: string | null }): boolean => value !== "1";
      const error = await failure(cluster.records("orders", { count: 2, timeoutMs: 300, where }));
      expect(error).to.be.instanceOf(TestClusterError).and.include({ code: "TIMEOUT" });
      expect((error as Error).message).to.equal(
        `0 of 2 records arrived in "orders" within 300 ms, and 1 that \`where\` turns away; what arrived, by partition@offset:\n` +
          `  0@0  key 'a'  value '1'`,
      );
      const empty = await failure(cluster.records("carts", { count: 1, timeoutMs: 1 }));
      expect((empty as Error).message).to.equal('0 of 1 records arrived in "carts" within 1 ms; nothing arrived');
    });
  });

  describe("expectRecords", () => {
    it("has no order among partitions, unless it is asked for", async () => {
      const producer = cluster.client().producer();
      await producer.send(carts, { key: "a", value: { cents: 1 }, partition: 2 });
      await producer.send(carts, { key: "b", value: { cents: 2 }, partition: 0 });
      const expected = [{ value: { cents: 1 } }, { key: "b" }];
      await cluster.expectRecords(carts, expected);
      expect(await failure(cluster.expectRecords(carts, expected, { order: "log" }))).to.be.instanceOf(AssertionError);
    });

    it("fails by one that is missing, another one, and one too many, with what every runner compares", async () => {
      const producer = cluster.client().producer();
      await producer.send("orders", { key: "a", value: "1" });
      const missing = await failure(
        cluster.expectRecords("orders", [{ value: "1" }, { value: "2" }], { timeoutMs: 300 }),
      );
      expect(missing)
        .to.be.instanceOf(AssertionError)
        .and.deep.include({
          actual: [{ value: "1" }],
          expected: [{ value: "1" }, { value: "2" }],
        });
      expect((missing as Error).message).to.equal(
        `"orders" holds 1 records that are not the 2 expected ones; what arrived, by partition@offset:\n  0@0  key 'a'  value '1'`,
      );
      expect(await failure(cluster.expectRecords("orders", [{ value: "2" }]))).to.deep.include({
        actual: [{ value: "1" }],
        expected: [{ value: "2" }],
      });
      await producer.send("orders", { key: "a", value: "1" });
      expect(await failure(cluster.expectRecords("orders", [{ value: "1" }]))).to.be.instanceOf(AssertionError);
      expect(await failure(cluster.expectRecords("orders", []))).to.be.instanceOf(AssertionError);
    });
  });

  it("names the options that there are where one is misspelt, topics among them", async () => {
    const error = await Cluster.start({ topic: ["orders"] } as object).catch((cause: unknown) => cause);
    expect(error).to.include({
      code: "INVALID_OPTION",
      message:
        "there is no option topic; there are brokers, ports, storage, clock, config, logLevel, seed, auth, tls, topics; did you mean topics?",
    });
  });

  it("takes topics of the SDK too, and says what else it takes", async () => {
    await using small = await Cluster.start({ brokers: 1, topics: [carts] });
    expect(await small.records(carts)).to.deep.equal([]);
    const fault = small.inject({ api: "Produce", topic: carts, error: "NOT_ENOUGH_REPLICAS" });
    await small
      .client()
      .producer()
      .send(carts, { key: "a", value: { cents: 1 } });
    expect(fault.struck).to.equal(1);
    expect(() => small.inject({ api: "Produce", topic: 5 as never, delayMs: 1 })).to.throw("topic is a name, not 5");
    const misspelt = await failure(Cluster.start({ topics: [{ name: "a", replicationFactor: 1 } as never] }));
    expect((misspelt as Error).message).to.equal(
      'topics: there is no replicationFactor in "a"; there are name, partitions, replicas, assignment, config',
    );
    const refused = await failure(Cluster.start({ topics: "orders" as never }));
    expect((refused as Error).message)
      .to.contain("topics is a list of names")
      .and.to.contain('not "orders"');
    const waited = failure(small.records(carts, { count: 1 }));
    await small.stop();
    expect(await waited).to.include({
      code: "CLUSTER_STOPPED",
      message: "records: this cluster was stopped meanwhile",
    });
    expect(() => small.client()).to.throw(TestClusterError, "client: this cluster was stopped");
    expect(await failure(small.records(carts))).to.include({
      code: "CLUSTER_STOPPED",
      message: "records: this cluster was stopped",
    });
  });

  it("is as new after a reset, whatever was done to it", async () => {
    await cluster.client().producer().send("orders", { key: "a", value: "1" });
    await cluster.client().admin.topics.create({ name: "extra" });
    cluster.inject({ api: "Produce", error: "NOT_ENOUGH_REPLICAS", times: Infinity });
    cluster.partition([[1]]);
    cluster.broker(2).pause();
    await cluster.broker(3).kill();
    await cluster.reset();
    const names: string[] = [];
    for await (const { name } of cluster.client().admin.topics.list()) names.push(name);
    expect(names).to.deep.equal(["carts", "orders"]);
    expect(await cluster.records("orders")).to.deep.equal([]);
    await cluster.client().producer().send("orders", { key: "a", value: "again" });
    await cluster.expectRecords("orders", [{ value: "again" }]);
  });

  it("goes on with the topics that are there, on directories of a cluster before it", async () => {
    const dir = mkdtempSync(join(tmpdir(), "tidemark-kit-"));
    try {
      const options = { brokers: 1, storage: { dir }, topics: ["orders"] } as const;
      const first = await Cluster.start(options);
      await first.client().producer().send("orders", { key: "a", value: "1" });
      await first.stop();
      await using second = await Cluster.start({ ...options, topics: ["orders", "more"] });
      await second.expectRecords("orders", [{ key: "a" }]);
      expect(await second.records("more")).to.deep.equal([]);
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  });

  it("goes back to a snapshot, and its clients with it", async () => {
    await cluster.client().producer().send("orders", { key: "a", value: "kept" });
    const before = cluster.client();
    const snapshot = await cluster.snapshot();
    await cluster.client().producer().send("orders", { key: "a", value: "forgotten" });
    await cluster.restore(snapshot);
    expect(cluster.client()).to.not.equal(before);
    await cluster.client().producer().send("orders", { key: "a", value: "new" });
    await cluster.expectRecords("orders", [{ value: "kept" }, { value: "new" }]);
  });
});
