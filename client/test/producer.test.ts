import { expect } from "chai";
import { Client, codecs, topic } from "../src/index.ts";
import { MemoryBroker } from "./support/memory-broker.ts";

const words = topic("words", { key: codecs.string, value: codecs.string });

describe("producer over a socket", () => {
  let broker: MemoryBroker;
  let client: Client;

  beforeEach(async () => {
    broker = await MemoryBroker.start({ words: 1 });
    client = new Client({ brokers: broker.address, retry: { initialDelay: 5, maxDelay: 50 } });
  });

  afterEach(async () => {
    await client.close();
    await broker.stop();
  });

  it("resolves send with the offset of the record", async () => {
    const producer = client.producer();
    const first = await producer.send(words, { value: "one" });
    const second = await producer.send(words, { value: "two", timestamp: 12345 });
    expect(first).to.include({ topic: "words", partition: 0, offset: 0, duplicate: false });
    expect(second).to.include({ offset: 1, timestamp: 12345 });
    expect(broker.values("words")).to.deep.equal(["one", "two"]);
  });
});
