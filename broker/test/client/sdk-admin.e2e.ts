/** The admin surface of the SDK against a broker: settings in layers and while it runs, partitions, records, disks, health. */
import { BrokerError, Client, codecs, type ConfigResource, topic } from "@tidemark/client";
import { expect } from "chai";
import { once } from "node:events";
import net from "node:net";
import type { Broker } from "../../src/index.ts";
import { freshDirectory, removeDirectory, startBroker } from "../e2e/support/test-broker.ts";

const words = topic("words", { value: codecs.string });
const WORDS: ConfigResource = { type: "topic", name: "words" };
const CLUSTER: ConfigResource = { type: "cluster" };
const BROKER: ConfigResource = { type: "broker", id: 1 };

async function refusal(call: Promise<unknown>): Promise<BrokerError> {
  const error = await call.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  if (!BrokerError.is(error)) throw new Error(`not refused, but ${String(error)}`);
  return error;
}

describe("the admin surface of the SDK", () => {
  let directory: string;
  let broker: Broker;
  let client: Client;

  beforeEach(async () => {
    directory = freshDirectory();
    await start();
  });

  afterEach(async () => {
    await client.close();
    await broker.stop();
    removeDirectory(directory);
  });

  async function start(flags: Record<string, string> = {}): Promise<void> {
    broker = await startBroker({ "log.dirs": directory, ...flags });
    client = new Client(broker.grpcAddress);
  }

  async function restart(flags: Record<string, string> = {}): Promise<void> {
    await client.close();
    await broker.stop();
    await start(flags);
  }

  async function value(resource: ConfigResource, key: string): Promise<[string | null, string]> {
    const [entry] = await client.admin.configs.get(resource, { keys: [key] });
    return [entry?.value ?? null, entry?.source ?? ""];
  }

  describe("leaders", () => {
    it("are left alone where they are as they should be, and refused for partitions that are not there", async () => {
      await client.admin.topics.create({ name: "words" });
      for (const kind of ["preferred", "unclean"] as const) {
        await client.admin.partitions.electLeader([{ topic: "words", partition: 0 }], kind);
        const missing = client.admin.partitions.electLeader([{ topic: "words", partition: 7 }], kind);
        expect((await refusal(missing)).code).to.equal("UNKNOWN_TOPIC_OR_PARTITION");
      }
    });
  });

  describe("settings", () => {
    it("tell every layer that has a value, the one in force first", async () => {
      await restart({ "message.max.bytes": "500000" });
      const { configs, topics } = client.admin;
      await topics.create({ name: "words", config: { "max.message.bytes": "100kB" } });
      await configs.alter(CLUSTER, { set: { "message.max.bytes": "300000" } });
      await configs.alter(BROKER, { set: { "message.max.bytes": "200kB" } });
      const [entry] = await configs.get(WORDS, { keys: ["max.message.bytes"] });
      expect(entry).to.deep.include({ value: "100000", source: "topic", readOnly: false, type: "int" });
      expect(entry?.synonyms).to.deep.equal([
        { name: "max.message.bytes", value: "100000", source: "topic" },
        { name: "message.max.bytes", value: "200000", source: "broker" },
        { name: "message.max.bytes", value: "300000", source: "cluster" },
        { name: "message.max.bytes", value: "500000", source: "static" },
        { name: "message.max.bytes", value: "1048588", source: "default" },
      ]);
      expect(await value(BROKER, "message.max.bytes")).to.deep.equal(["200000", "broker"]);
      expect(await value(CLUSTER, "message.max.bytes")).to.deep.equal(["300000", "cluster"]);
    });

    it("fall back layer by layer as they are deleted, and a restart keeps what is left", async () => {
      const { configs, topics } = client.admin;
      await topics.create({ name: "words", config: { "retention.ms": "1000" } });
      await configs.alter(CLUSTER, { set: { "log.retention.ms": "3000", "log.segment.bytes": "1MiB" } });
      await configs.alter(BROKER, { set: { "log.retention.ms": "2s" } });
      await configs.alter(WORDS, { delete: ["retention.ms"] });
      expect(await value(WORDS, "retention.ms")).to.deep.equal(["2000", "broker"]);
      await restart();
      expect(await value(WORDS, "retention.ms")).to.deep.equal(["2000", "broker"]);
      await client.admin.configs.alter(BROKER, { delete: ["log.retention.ms"] });
      expect(await value(WORDS, "retention.ms")).to.deep.equal(["3000", "cluster"]);
      expect(await value(WORDS, "segment.bytes")).to.deep.equal(["1048576", "cluster"]);
      await client.admin.configs.alter(CLUSTER, { delete: ["log.retention.ms"] });
      expect(await value(WORDS, "retention.ms")).to.deep.equal(["604800000", "default"]);
    });

    it("describe all keys of a resource in one order, read-only ones among them", async () => {
      const { configs } = client.admin;
      const entries = await configs.get(BROKER);
      const byName = new Map(entries.map((entry) => [entry.name, entry]));
      expect(byName.get("node.id")).to.include({ value: "1", readOnly: true, updateMode: "read-only" });
      expect(byName.get("max.connections")).to.include({ readOnly: false, updateMode: "cluster-wide" });
      expect(byName.get("min.insync.replicas")).to.include({ readOnly: true, updateMode: "cluster-only" });
      expect(byName.size).to.equal(entries.length).and.be.above(80);
      const reversed = entries.map(({ name }) => name).toReversed();
      expect((await configs.get(BROKER, { keys: reversed })).map(({ name }) => name)).to.deep.equal(reversed);
      expect(await configs.get(BROKER, { keys: [] })).to.deep.equal([]);
    });

    it("change lists item by item, and the same change twice is the change", async () => {
      const { configs, topics } = client.admin;
      await topics.create({ name: "words" });
      for (let times = 0; times < 2; times++) {
        await configs.alter(WORDS, { append: { "cleanup.policy": "compact" } });
        expect(await value(WORDS, "cleanup.policy")).to.deep.equal(["delete,compact", "topic"]);
      }
      for (let times = 0; times < 2; times++) {
        await configs.alter(WORDS, { subtract: { "cleanup.policy": "delete" } });
        expect(await value(WORDS, "cleanup.policy")).to.deep.equal(["compact", "topic"]);
      }
      expect(await refusal(configs.alter(WORDS, { subtract: { "cleanup.policy": "compact" } }))).to.include({
        kafkaCode: 40,
      });
    });

    it("change nothing when they are only validated, and all of one call or none", async () => {
      const { configs, topics } = client.admin;
      await topics.create({ name: "words" });
      await configs.alter(WORDS, { set: { "retention.ms": "5" } }, { validateOnly: true });
      const half = { set: { "retention.ms": "5", "segment.bytes": "five" } };
      const error = await refusal(configs.alter(WORDS, half));
      expect(error).to.include({ code: "INVALID_ARGUMENT", kafkaCode: 40, topic: "words" });
      expect(error.message).to.contain("segment.bytes=five: expected a whole number");
      expect(await refusal(configs.alter(WORDS, half, { validateOnly: true }))).to.include({ kafkaCode: 40 });
      expect(await value(WORDS, "retention.ms")).to.deep.equal(["604800000", "default"]);
    });

    const bad: [name: string, resource: ConfigResource, changes: object, kafkaCode: number, told: string][] = [
      ["an unknown key", WORDS, { set: { "retention.msec": "1" } }, 40, "the nearest is retention.ms"],
      ["an unknown key to delete", WORDS, { delete: ["retention.msec"] }, 40, "the nearest is retention.ms"],
      ["a broker's key for a topic", WORDS, { set: { "log.retention.ms": "1" } }, 40, "a topic sets retention.ms"],
      ["a topic's key for the cluster", CLUSTER, { set: { "retention.ms": "1" } }, 40, "is log.retention.ms"],
      ["a value out of range", WORDS, { set: { "retention.ms": "-2" } }, 40, "from -1 to"],
      ["a read-only key", BROKER, { set: { listeners: "GRPC://0.0.0.0:1" } }, 40, "read when a broker starts"],
      ["a read-only key to delete", BROKER, { delete: ["log.dirs"] }, 40, "read when a broker starts"],
      ["a coarser spelling", CLUSTER, { set: { "log.retention.hours": "1" } }, 40, "set log.retention.ms"],
      [
        "min.insync.replicas for one broker",
        BROKER,
        { set: { "min.insync.replicas": "1" } },
        40,
        "set it for the cluster",
      ],
      ["an item for a key that is no list", WORDS, { append: { "retention.ms": "1" } }, 40, "is no list"],
      ["an item that is not allowed", WORDS, { append: { "cleanup.policy": "burn" } }, 40, '"burn" is not one of'],
      ["a lower durability", WORDS, { set: { "tidemark.durability": "none" } }, 40, "raised and not lowered"],
      ["no durability of its own", WORDS, { delete: ["tidemark.durability"] }, 40, "keeps the mode"],
      ["a key twice", WORDS, { set: { "retention.ms": "1" }, delete: ["retention.ms"] }, 42, "twice"],
      [
        "values that contradict each other",
        CLUSTER,
        { set: { "message.max.bytes": "2MiB" } },
        40,
        "queued.max.request.bytes",
      ],
      ["a topic that is not there", { type: "topic", name: "none" }, { set: { "retention.ms": "1" } }, 3, "no topic"],
      ["a topic name that is not legal", { type: "topic", name: "a/b" }, { set: { "retention.ms": "1" } }, 17, "name"],
      ["a broker that is not there", { type: "broker", id: 9 }, { set: { "log.level": "info" } }, 102, "no broker 9"],
    ];
    for (const [name, resource, changes, kafkaCode, told] of bad) {
      it(`refuse ${name}: ${kafkaCode}`, async () => {
        await restart({ "queued.max.request.bytes": "1500000" });
        await client.admin.topics.create({ name: "words" });
        const before = await client.admin.configs.get(WORDS);
        const error = await refusal(client.admin.configs.alter(resource, changes));
        expect([error.kafkaCode, error.message]).to.satisfy(
          ([code, text]: [number, string]) => code === kafkaCode && text.includes(told),
          `${error.kafkaCode} ${error.message}`,
        );
        expect(await client.admin.configs.get(WORDS)).to.deep.equal(before);
      });
    }

    it("refuse a question for a key that does not exist, or for a broker or topic that does not", async () => {
      const { configs, topics } = client.admin;
      await topics.create({ name: "words" });
      const unknown = await refusal(configs.get(WORDS, { keys: ["segment.byte"] }));
      expect(unknown).to.include({ kafkaCode: 40 });
      expect(unknown.message).to.contain("the nearest is segment.bytes");
      expect(await refusal(configs.get({ type: "topic", name: "none" }))).to.include({ kafkaCode: 3 });
      expect(await refusal(configs.get({ type: "broker", id: 7 }))).to.include({ kafkaCode: 102, broker: 7 });
      expect(await refusal(configs.get({ type: "broker", id: 1.5 }))).to.include({ code: "INVALID_ARGUMENT" });
    });
  });

  it("start with a file that contradicts what was set since, and can be mended then", async () => {
    const { configs } = client.admin;
    await configs.alter(CLUSTER, { set: { "message.max.bytes": "2MiB" } });
    await restart({ "queued.max.request.bytes": "1500000" });
    expect(await value(CLUSTER, "message.max.bytes")).to.deep.equal(["2097152", "cluster"]);
    await client.admin.configs.alter(CLUSTER, { delete: ["message.max.bytes"] });
    expect(await value(CLUSTER, "message.max.bytes")).to.deep.equal(["1048588", "default"]);
  });

  describe("settings in force without a restart", () => {
    it("the largest batch: of a topic, of the cluster, of a broker", async () => {
      const { configs, topics } = client.admin;
      await topics.create({ name: "words" });
      const large = { value: "x".repeat(20_000) };
      const producer = client.producer({ compression: "none" });
      const tooLarge = async (): Promise<boolean> =>
        producer.send(words, large).then(
          () => false,
          (error: unknown) => BrokerError.is(error, "RECORD_TOO_LARGE"),
        );
      expect(await tooLarge()).to.equal(false);
      await configs.alter(WORDS, { set: { "max.message.bytes": "10000" } });
      expect(await tooLarge()).to.equal(true);
      await configs.alter(WORDS, { delete: ["max.message.bytes"] });
      expect(await tooLarge()).to.equal(false);
      await configs.alter(CLUSTER, { set: { "message.max.bytes": "10000" } });
      expect(await tooLarge()).to.equal(true);
      await configs.alter(BROKER, { set: { "message.max.bytes": "1MiB" } });
      expect(await tooLarge()).to.equal(false);
    });

    it("the time of records", async () => {
      const { configs, topics } = client.admin;
      await topics.create({ name: "words" });
      const producer = client.producer();
      await producer.send(words, { value: "theirs", timestamp: 1000 });
      await configs.alter(WORDS, { set: { "message.timestamp.type": "LogAppendTime" } });
      await producer.send(words, { value: "ours", timestamp: 1000 });
      const [theirs, ours] = await client.reader(words).toArray();
      expect(theirs).to.include({ timestamp: 1000, timestampType: "create" });
      expect(ours?.timestampType).to.equal("append");
      expect(ours?.timestamp).to.be.above(1000);
    });

    it("the durability of a topic that is raised under load: nothing is lost or doubled, and it stays raised", async () => {
      const { configs, topics } = client.admin;
      await topics.create({ name: "words", config: { "tidemark.durability": "page-cache" } });
      const producer = client.producer({ batchBytes: 2_000 });
      const sends = Array.from({ length: 3_000 }, (_, index) => producer.send(words, { value: `v${index}` }));
      await sends[500];
      await configs.alter(WORDS, { set: { "tidemark.durability": "group-commit" } });
      await configs.alter(WORDS, { set: { "tidemark.durability": "fsync-each" } });
      await Promise.all(sends);
      const read = await client.reader(words).toArray();
      expect(read.map(({ value: text }) => text)).to.deep.equal(sends.map((_, index) => `v${index}`));
      await restart();
      expect(await value(WORDS, "tidemark.durability")).to.deep.equal(["fsync-each", "topic"]);
    });

    it("where segments end", async () => {
      const { configs, topics } = client.admin;
      await topics.create({ name: "words", config: { "segment.bytes": "1MiB" } });
      await configs.alter(WORDS, { set: { "segment.bytes": "4096" } });
      const producer = client.producer({ compression: "none" });
      for (let n = 0; n < 6; n++) await producer.send(words, { value: "x".repeat(2_000) });
      const fs = await import("node:fs");
      const files = fs.readdirSync(`${directory}/words-0`).filter((name) => name.endsWith(".log"));
      expect(files.length).to.be.above(2);
    });

    it("how many connections there may be, and one that is too low can be taken back from the broker's own machine", async () => {
      await client.admin.configs.alter(CLUSTER, { set: { "max.connections": "1", "max.connections.per.ip": "1" } });
      const port = Number(broker.grpcAddress.split(":")[1]);
      await using operator = new Client(broker.grpcAddress);
      await operator.ready();
      // Eight places are kept for this machine, one of them is the operator's.
      const sockets = Array.from({ length: 9 }, () => net.connect(port, "127.0.0.1").on("error", () => undefined));
      await Promise.any(sockets.map((socket) => once(socket, "close")));
      await operator.admin.configs.alter(CLUSTER, { delete: ["max.connections", "max.connections.per.ip"] });
      await using third = new Client(broker.grpcAddress);
      await third.ready();
      for (const socket of sockets) socket.destroy();
    });

    it("how many partitions a broker may host, for the very next topic", async () => {
      const { configs, topics } = client.admin;
      await configs.alter(CLUSTER, { set: { "max.partitions.per.broker": "4" } });
      expect(await refusal(topics.create({ name: "wide", partitions: 9 }))).to.include({ kafkaCode: 44 });
      await topics.create({ name: "words", partitions: 2 });
      expect(await refusal(topics.addPartitions("words", 8))).to.include({ kafkaCode: 44 });
    });
  });

  describe("partitions", () => {
    it("are added while the topic is written and read, and take records at once", async () => {
      const { topics } = client.admin;
      await topics.create({ name: "words", partitions: 2 });
      await client.producer().send(words, { value: "before", partition: 1 });
      await topics.addPartitions("words", 5);
      expect((await topics.describe("words")).detail.map(({ leader }) => leader)).to.deep.equal([1, 1, 1, 1, 1]);
      await client.producer().send(words, { value: "after", partition: 4 });
      await restart();
      const read = await client.reader(words).toArray();
      expect(read.map(({ partition, value: text }) => [partition, text])).to.have.deep.members([
        [1, "before"],
        [4, "after"],
      ]);
    });

    it("are added by the thousand, each with a leader when the call returns", async () => {
      const { topics } = client.admin;
      await topics.create({ name: "words", partitions: 1 });
      await topics.addPartitions("words", 1_000, { timeout: "10m" });
      const { detail } = await topics.describe("words");
      expect(detail.map(({ partition, leader }) => [partition, leader])).to.deep.equal(
        Array.from({ length: 1_000 }, (_, partition) => [partition, 1]),
      );
      await client.producer().send(words, { value: "last", partition: 999 });
      expect((await topics.offsets("words", "latest")).get(999)).to.equal(1);
    });

    it("are only counted when they are validated", async () => {
      const { topics } = client.admin;
      await topics.create({ name: "words", partitions: 2 });
      await topics.addPartitions("words", 5, { validateOnly: true });
      expect((await topics.describe("words")).partitions).to.equal(2);
      await topics.addPartitions("words", 4, { assignment: [[1], [1]] });
      expect((await topics.describe("words")).partitions).to.equal(4);
    });

    const bad: [name: string, add: () => Promise<unknown>, kafkaCode: number | undefined, told: string][] = [
      ["fewer than there are", () => client.admin.topics.addPartitions("words", 1), 37, "only grows"],
      ["as many as there are", () => client.admin.topics.addPartitions("words", 3), 37, "3 partitions already"],
      ["none", () => client.admin.topics.addPartitions("words", 0), undefined, "whole number from 1"],
      ["half of one", () => client.admin.topics.addPartitions("words", 3.5), undefined, "whole number from 1"],
      [
        "more than a request may make",
        () => client.admin.topics.addPartitions("words", 20_000),
        37,
        "10000 are allowed",
      ],
      ["an absurd number", () => client.admin.topics.addPartitions("words", 2 ** 31 - 1), 37, "10000 are allowed"],
      ["those of no topic", () => client.admin.topics.addPartitions("none", 3), 3, "no topic"],
      ["those of a name that is not legal", () => client.admin.topics.addPartitions("a/b", 3), 17, "name"],
      ["those of an internal topic", () => client.admin.topics.addPartitions("__tidemark_ready", 3), 17, "internal"],
      [
        "with too few assigned",
        () => client.admin.topics.addPartitions("words", 5, { assignment: [[1]] }),
        39,
        "2 are new",
      ],
      [
        "on a broker that is not there",
        () => client.admin.topics.addPartitions("words", 4, { assignment: [[8]] }),
        39,
        "no broker 8",
      ],
      [
        "with other replicas",
        () => client.admin.topics.addPartitions("words", 4, { assignment: [[1, 2]] }),
        39,
        "partition 0 has 1",
      ],
    ];
    for (const [name, add, kafkaCode, told] of bad) {
      it(`refuse ${name}: ${kafkaCode ?? "INVALID_ARGUMENT"}`, async () => {
        await client.admin.topics.create({ name: "words", partitions: 3 });
        const error = await refusal(add());
        expect(error.message).to.contain(told);
        expect(error.kafkaCode).to.equal(kafkaCode);
        expect((await client.admin.topics.describe("words")).partitions).to.equal(3);
      });
    }
  });

  describe("records that are deleted", () => {
    async function write(count: number): Promise<void> {
      const producer = client.producer();
      for (let n = 0; n < count; n++) await producer.send(words, { value: `v${n}`, partition: 0 });
    }

    it("are gone for readers at once and after a restart, and the log goes on where it was", async () => {
      const { topics } = client.admin;
      await topics.create({ name: "words", partitions: 1 });
      await write(10);
      expect(await topics.truncate({ topic: "words", partition: 0, before: 4 })).to.deep.equal({ lowWatermark: 4 });
      expect((await client.reader(words).toArray()).map(({ offset }) => offset)).to.deep.equal([4, 5, 6, 7, 8, 9]);
      expect((await topics.offsets("words", "earliest")).get(0)).to.equal(4);
      await restart();
      expect((await client.admin.topics.offsets("words", "earliest")).get(0)).to.equal(4);
      const all = await client.admin.topics.truncate({ topic: "words", partition: 0, before: -1 });
      expect(all).to.deep.equal({ lowWatermark: 10 });
      expect(await client.reader(words).toArray()).to.deep.equal([]);
      await write(1);
      expect((await client.reader(words).toArray()).map(({ offset }) => offset)).to.deep.equal([10]);
    });

    it("are deleted once however often it is asked", async () => {
      const { topics } = client.admin;
      await topics.create({ name: "words", partitions: 1 });
      await write(5);
      for (const before of [3, 3, 1, 0])
        expect(await topics.truncate({ topic: "words", partition: 0, before })).to.deep.equal({ lowWatermark: 3 });
      const both = await Promise.all(
        [4, 5, 2].map((before) => topics.truncate({ topic: "words", partition: 0, before })),
      );
      expect(both.map(({ lowWatermark }) => lowWatermark)).to.include(5);
      expect((await topics.offsets("words", "earliest")).get(0)).to.equal(5);
    });

    const bad: [name: string, before: number, partition: number, kafkaCode: number | undefined, told: string][] = [
      ["beyond the high watermark", 6, 0, 1, "the high watermark"],
      ["below -1", -2, 0, undefined, "before must be"],
      ["at half an offset", 1.5, 0, undefined, "before must be"],
      ["of a partition that is not there", 1, 7, 3, "partitions 0 to 0"],
    ];
    for (const [name, before, partition, kafkaCode, told] of bad) {
      it(`are refused ${name}: ${kafkaCode ?? "INVALID_ARGUMENT"}`, async () => {
        await client.admin.topics.create({ name: "words", partitions: 1 });
        await write(5);
        const error = await refusal(
          client.admin.topics.truncate({ topic: "words", partition, before }, { timeout: "3s" }),
        );
        expect(error.message).to.contain(told);
        expect(error.kafkaCode).to.equal(kafkaCode);
        expect((await client.admin.topics.offsets("words", "earliest")).get(0)).to.equal(0);
      });
    }

    it("stay in a topic that is only compacted: POLICY_VIOLATION", async () => {
      const { topics, configs } = client.admin;
      await topics.create({ name: "words", partitions: 1, config: { "cleanup.policy": "compact" } });
      await write(2);
      const before = { topic: "words", partition: 0, before: 1 };
      expect(await refusal(topics.truncate(before))).to.include({ kafkaCode: 44 });
      await configs.alter(WORDS, { append: { "cleanup.policy": "delete" } });
      expect(await topics.truncate(before)).to.deep.equal({ lowWatermark: 1 });
    });
  });

  it("finds offsets by name and by time", async () => {
    const { topics } = client.admin;
    await topics.create({ name: "words", partitions: 1 });
    const producer = client.producer();
    for (const timestamp of [1_000, 3_000, 2_000]) await producer.send(words, { value: "x", timestamp });
    const at = async (when: Parameters<typeof topics.offsets>[1]): Promise<number | undefined> =>
      (await topics.offsets("words", when)).get(0);
    expect([await at("earliest"), await at("latest"), await at("max-timestamp")]).to.deep.equal([0, 3, 1]);
    expect([await at(new Date(1_500)), await at(new Date(9_000))]).to.deep.equal([1, 3]);
    expect(await refusal(at(new Date(Number.NaN)))).to.include({ code: "INVALID_ARGUMENT" });
    await topics.truncate({ topic: "words", partition: 0, before: -1 });
    expect([await at("earliest"), await at("max-timestamp")]).to.deep.equal([3, -1]);
  });

  it("tells what lies on the disks, and how well the cluster is", async () => {
    const { logs, topics } = client.admin;
    await topics.create({ name: "words", partitions: 2 });
    await client.producer().send(words, { value: "x".repeat(1_000), partition: 1 });
    const rows = [];
    for await (const row of logs.dirs({ broker: 1 })) if (row.topic === "words") rows.push(row);
    expect(rows.map(({ partition, broker: id, path, lag }) => [partition, id, path, lag])).to.deep.equal([
      [0, 1, directory, 0],
      [1, 1, directory, 0],
    ]);
    expect([rows[0]?.bytes, (rows[1]?.bytes ?? 0) > 0]).to.deep.equal([0, true]);
    for await (const disk of logs.disks()) {
      expect(disk).to.include({ broker: 1, path: directory, error: null });
      expect(disk.totalBytes).to.be.above(disk.freeBytes ?? Number.NaN);
    }
    expect(await refusal(logs.dirs({ broker: 5 }).next())).to.include({ kafkaCode: 102 });
    expect(await client.admin.health()).to.deep.equal({
      healthy: true,
      cause: null,
      troubles: [],
      reasons: [],
      controller: 1,
      brokersDown: [],
      leaderless: [],
      underReplicated: [],
      underMinIsr: [],
      recovering: [],
    });
  });
});
