/** Replicas that are held against each other while brokers run: what is rotten is found, named, and repaired. */
import fs from "node:fs";
import path from "node:path";
import { Client, topic } from "@tidemark/client";
import { expect } from "chai";
import { startBrokerGroup } from "../../src/index.ts";
import { freshDirectory, removeDirectory } from "../e2e/support/test-broker.ts";

const words = topic("words");
const PLACE = { topic: "words", partition: 0 };
const RECORDS = 60;

describe("replicas that are compared", () => {
  it("are the same, until a bit flips in one of them, and again when that is repaired", async () => {
    const directory = freshDirectory();
    const cluster = await startBrokerGroup({
      dataDirectory: directory,
      config: { "tidemark.tail.cache.bytes": "0" },
    });
    const client = new Client({ brokers: cluster.bootstrap });
    try {
      await client.admin.topics.create({ name: "words", replicas: 3 });
      const producer = client.producer({ linger: 0 });
      for (let count = 0; count < RECORDS; count++)
        await producer.send(words, { value: Buffer.alloc(1_000, `${count} `) });
      await producer.close();
      let verified = await client.admin.partitions.verify(PLACE);
      expect([verified.start, verified.end]).to.deep.equal([0, RECORDS]);
      for (const { verdict } of verified.replicas) expect(verdict).to.be.oneOf(["same", "behind"]);

      const victim = [1, 2, 3].find((id) => id !== verified.leader) ?? 0;
      const home = path.join(directory, `broker-${victim}`, "words-0");
      const [first = ""] = fs
        .readdirSync(home)
        .filter((name) => name.endsWith(".log"))
        .sort();
      const file = fs.openSync(path.join(home, first), "r+");
      const byte = Buffer.alloc(1);
      fs.readSync(file, byte, 0, 1, 5_000);
      fs.writeSync(file, Buffer.from([byte.readUInt8(0) ^ 1]), 0, 1, 5_000);
      fs.closeSync(file);

      verified = await client.admin.partitions.verify(PLACE);
      const found = verified.replicas.find(({ broker }) => broker === victim);
      expect(found).to.include({ verdict: "damaged" });
      expect(found?.offset).to.be.within(1, 8);
      for (const { broker, verdict } of verified.replicas)
        if (broker !== victim) expect(verdict, `broker ${broker}`).to.be.oneOf(["same", "behind"]);
      for (;;) {
        verified = await client.admin.partitions.verify(PLACE);
        if (verified.replicas.every(({ verdict }) => verdict === "same")) break;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    } finally {
      await client.close();
      await cluster.stop();
      removeDirectory(directory);
    }
  });
});
