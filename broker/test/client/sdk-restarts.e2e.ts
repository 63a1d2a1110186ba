/** The SDK through restarts of a real broker, in a process of its own: killed and stopped, it comes back on its port. */
import { Client, codecs, topic } from "@tidemark/client";
import { expect } from "chai";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { steadyPort } from "../e2e/support/steady-port.ts";
import { BrokerProcess, freshDirectory, removeDirectory } from "../e2e/support/test-broker.ts";

const words = topic("words", { value: codecs.string });

/** Five times what is acknowledged when the broker ends. */
const RECORDS = 10_000;

describe("the SDK and a broker that goes and comes", () => {
  let directory: string;
  let broker: BrokerProcess;

  beforeEach(async () => {
    directory = freshDirectory();
    broker = await BrokerProcess.start({
      "log.dirs": directory,
      listeners: `GRPC://127.0.0.1:${await steadyPort()}`,
    });
  });

  afterEach(async () => {
    await broker.kill();
    removeDirectory(directory);
  });

  async function comeBack(): Promise<void> {
    broker = await BrokerProcess.start({ "log.dirs": directory, listeners: `GRPC://${broker.grpcAddress}` });
  }

  for (const [how, end] of [
    ["kill -9", () => broker.kill()],
    ["a clean stop", () => broker.stop()],
  ] as const) {
    it(`loses nothing and doubles nothing that was acknowledged, through ${how} in the middle`, async () => {
      await using client = new Client({ brokers: broker.grpcAddress });
      await client.admin.topics.create({ name: "words", partitions: 1 });
      const reader = client.reader(words, { follow: true, limit: RECORDS });
      const read = reader.toArray();
      const producer = client.producer({ batchBytes: 8_000 });
      const values = Array.from({ length: RECORDS }, (_, index) => `v${index}`);
      let acknowledged = 0;
      const sends = values.map((value) => producer.send(words, { value }).then(() => (acknowledged += 1)));
      while (acknowledged < 2_000) await new Promise((resolve) => setImmediate(resolve));
      await end();
      await comeBack();
      await Promise.all(sends);
      expect(acknowledged).to.equal(RECORDS);
      expect((await read).map(({ value, offset }) => [offset, value])).to.deep.equal(
        values.map((value, index) => [index, value]),
      );
      const again = await client.reader(words).toArray();
      expect(again.map(({ value }) => value)).to.deep.equal(values);
    });
  }

  it("keeps settings, partitions and deletions that were answered, through kill -9 right behind the answer", async () => {
    await using client = new Client({ brokers: broker.grpcAddress });
    const warnings: Error[] = [];
    const note = (warning: Error): void => void warnings.push(warning);
    process.on("warning", note);
    const { topics, configs } = client.admin;
    await topics.create({ name: "words", partitions: 1 });
    const producer = client.producer();
    for (let n = 0; n < 10; n++) await producer.send(words, { value: `v${n}` });
    const inForce = async (): Promise<unknown> => {
      const keys = ["retention.ms", "segment.bytes", "tidemark.durability"];
      const entries = await configs.get({ type: "topic", name: "words" }, { keys });
      return entries.map(({ value, source }) => [value, source]);
    };
    const steps: (() => Promise<unknown>)[] = [
      () => configs.alter({ type: "topic", name: "words" }, { set: { "retention.ms": "7d" } }),
      () => configs.alter({ type: "topic", name: "words" }, { set: { "tidemark.durability": "fsync-each" } }),
      () => configs.alter({ type: "cluster" }, { set: { "log.segment.bytes": "2MiB" } }),
      () => topics.addPartitions("words", 20),
      () => topics.truncate({ topic: "words", partition: 0, before: 6 }),
    ];
    for (const step of steps) {
      await step();
      const before = await inForce();
      await broker.kill();
      await comeBack();
      expect(await inForce()).to.deep.equal(before);
    }
    expect(await inForce()).to.deep.equal([
      ["604800000", "topic"],
      ["2097152", "cluster"],
      ["fsync-each", "topic"],
    ]);
    expect((await topics.describe("words")).detail.every(({ leader }) => leader === 1)).to.equal(true);
    const kept = await client.reader(words).toArray();
    expect(kept.map(({ offset, value }) => [offset, value])).to.deep.equal([6, 7, 8, 9].map((n) => [n, `v${n}`]));
    process.off("warning", note);
    expect(
      warnings.map(({ message }) => message),
      "twenty partitions that wait at once are no leak",
    ).to.deep.equal([]);
  });

  it("sends and reads on by itself, however long the broker was away", async () => {
    await using client = new Client({ brokers: broker.grpcAddress });
    await client.admin.topics.create({ name: "words", partitions: 1 });
    const producer = client.producer();
    await producer.send(words, { value: "before" });
    const iterator = client.reader(words, { follow: true })[Symbol.asyncIterator]();
    expect((await iterator.next()).value?.value).to.equal("before");
    await broker.kill();
    const sent = producer.send(words, { value: "after" });
    const next = iterator.next();
    let attempts = 0;
    let onSocket = (): void => {};
    await new Promise<void>((resolve) => {
      onSocket = () => void ((attempts += 1) === 4 && resolve());
      subscribe("net.client.socket", onSocket);
    });
    unsubscribe("net.client.socket", onSocket);
    await comeBack();
    expect((await sent).offset).to.equal(1);
    expect((await next).value?.value).to.equal("after");
  });
});
