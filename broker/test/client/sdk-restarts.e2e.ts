/** The SDK through restarts of a real broker, in a process of its own: killed and stopped, it comes back on its port. */
import { Client, codecs, topic } from "@tidemark/client";
import { expect } from "chai";
import { BrokerProcess, freshDirectory, removeDirectory } from "../e2e/support/test-broker.ts";

const words = topic("words", { value: codecs.string });

describe("the SDK and a broker that goes and comes", function () {
  this.timeout(60_000);
  let directory: string;
  let broker: BrokerProcess;

  beforeEach(async () => {
    directory = freshDirectory();
    broker = await BrokerProcess.start({ "log.dirs": directory });
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
      const reader = client.reader(words, { follow: true, limit: 30_000 });
      const read = reader.toArray();
      const producer = client.producer({ batchBytes: 8_000 });
      const values = Array.from({ length: 30_000 }, (_, index) => `v${index}`);
      let acknowledged = 0;
      const sends = values.map((value) => producer.send(words, { value }).then(() => (acknowledged += 1)));
      while (acknowledged < 2_000) await new Promise((resolve) => setImmediate(resolve));
      await end();
      await comeBack();
      await Promise.all(sends);
      expect(acknowledged).to.equal(30_000);
      expect((await read).map(({ value, offset }) => [offset, value])).to.deep.equal(
        values.map((value, index) => [index, value]),
      );
      const again = await client.reader(words).toArray();
      expect(again.map(({ value }) => value)).to.deep.equal(values);
    });
  }

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
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    await comeBack();
    expect((await sent).offset).to.equal(1);
    expect((await next).value?.value).to.equal("after");
  });
});
