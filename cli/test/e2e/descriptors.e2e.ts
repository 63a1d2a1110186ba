/** A broker whose descriptors are taken by connections: it says so, loses nothing, and serves on when they are gone. */
import { Client, codecs, topic } from "@tidemark/client";
import { expect } from "chai";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { DevBroker, ScratchDirectory } from "../support/tidemark.ts";

const words = topic("words", { value: codecs.string });

describe("tidemark dev without a descriptor left", function () {
  this.timeout(60_000);
  const scratch = new ScratchDirectory();
  after(() => scratch.remove());

  it("lives through more connections than it may have files, and keeps what it acknowledged", async () => {
    const broker = await DevBroker.start(["--data-dir", scratch.join("data")], { openFilesMax: 200 });
    await using client = new Client({ brokers: broker.address });
    await client.admin.topics.create({ name: "words", partitions: 1 });
    const producer = client.producer();
    await producer.send(words, { value: "before" });

    const said = once(broker.process.stderr, "data");
    const sockets: Socket[] = [];
    const closed: Promise<unknown>[] = [];
    for (let slot = 0; slot < 400; slot += 1) {
      const socket = connect(broker.grpcPort, "127.0.0.1");
      socket.on("error", () => undefined);
      sockets.push(socket);
      closed.push(once(socket, "close"));
    }
    // The system hangs up on those for which no descriptor is left; the broker says what it lacks.
    await Promise.race(closed);
    const [line] = await said;
    expect(JSON.parse(String(line).split("\n", 1)[0] ?? "")).to.include({ level: "warn", node: 1 });
    await producer.send(words, { value: "during" });
    for (const socket of sockets) socket.destroy();
    await Promise.all(closed);

    await producer.send(words, { value: "after" });
    await client.admin.topics.create({ name: "more", partitions: 3 });
    const kept = await client.reader(words, { from: "earliest", to: "end" }).toArray();
    expect(kept.map(({ value }) => value)).to.deep.equal(["before", "during", "after"]);
    const { code, stderr } = await broker.stop();
    expect(code, stderr).to.equal(143);
  });
});
