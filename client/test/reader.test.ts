import { expect } from "chai";
import { Client, codecs, topic } from "../src/index.ts";
import { MemoryBroker } from "./support/memory-broker.ts";

const words = topic("words", { key: codecs.nullable(codecs.string), value: codecs.string });

describe("reader over a socket", () => {
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

  it("reads from the start to the end of the log and ends", async () => {
    const producer = client.producer();
    for (let index = 0; index < 10; index += 1) await producer.send(words, { value: `v${index}` });
    const records = await client.reader(words).toArray();
    expect(records.map(({ offset, value }) => [offset, value])).to.deep.equal(Array.from({ length: 10 }, (_, index) => [index, `v${index}`]));
  });
});
