/** A partition whose disk hangs, beside others of the same producer on the same broker. */
import { Client, topic } from "@tidemark/client";
import { expect } from "chai";
import { FileDisk } from "../../src/platform/index.ts";
import { HeldSyncs } from "../e2e/support/held-syncs.ts";
import { freshDirectory, removeDirectory, startBroker } from "../e2e/support/test-broker.ts";

const slow = topic("slow");
const quick = topic("quick");

describe("a producer with a partition whose write hangs", () => {
  it("goes on with the others, whatever requests they shared", async () => {
    const directory = freshDirectory();
    const syncs = new HeldSyncs(new FileDisk(), (path) => path.includes("/slow-0/"));
    const broker = await startBroker(
      { "log.dirs": directory, "tidemark.durability": "group-commit" },
      { world: { disk: syncs.disk } },
    );
    const client = new Client({ brokers: [broker.grpcAddress] });
    const producer = client.producer({ linger: 0 });
    try {
      await client.admin.topics.create([{ name: "slow" }, { name: "quick" }]);
      await Promise.all([
        producer.send(slow, { value: Buffer.from("0") }),
        producer.send(quick, { value: Buffer.from("0") }),
      ]);
      syncs.hold();
      const hanging: Promise<unknown>[] = [];
      // As many as a partition may have in flight, each in a request with one of the neighbour.
      for (let count = 1; count <= 20; count++) {
        let isOver = false;
        hanging.push(producer.send(slow, { value: Buffer.from(`${count}`) }).then(() => (isOver = true)));
        const { offset } = await producer.send(quick, { value: Buffer.from(`${count}`) });
        expect(offset).to.equal(count);
        expect(isOver).to.equal(false);
      }
      syncs.release();
      await Promise.all(hanging);
      expect((await producer.send(slow, { value: Buffer.from("last") })).offset).to.equal(21);
    } finally {
      syncs.release();
      await producer.close();
      await client.close();
      await broker.stop();
      removeDirectory(directory);
    }
  });
});
