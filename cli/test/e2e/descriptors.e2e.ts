/** Storms of connections where the process may have few descriptors: they are refused before the log and the program lack any. */
import { Client, codecs, topic } from "@tidemark/client";
import { expect } from "chai";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { DevBroker, ScratchDirectory } from "../support/tidemark.ts";

const words = topic("words", { value: codecs.string });

describe("tidemark dev with few descriptors", () => {
  const scratch = new ScratchDirectory();
  after(() => scratch.remove());

  it("refuses connections beyond its share, and serves the others, also what it has not done before", async () => {
    const broker = await DevBroker.start(["--data-dir", scratch.join("data")], { openFilesMax: 256 });
    await using client = new Client({ brokers: broker.address });
    const producer = client.producer();
    await producer.send(words, { value: "before" });

    const sockets: Socket[] = [];
    const closed: Promise<unknown>[] = [];
    for (let slot = 0; slot < 400; slot += 1) {
      const socket = connect(broker.grpcPort, "127.0.0.1");
      socket.on("error", () => undefined);
      sockets.push(socket);
      closed.push(once(socket, "close"));
    }
    await Promise.race(closed);
    // Both load modules at their first call, and Node keeps a failure of that for good.
    await client.admin.topics.create({ name: "more", partitions: 3 });
    expect((await fetch(`http://${broker.ready.brokers[0]?.http ?? ""}/metrics`)).status).to.equal(200);
    await producer.send(words, { value: "during" });
    for (const socket of sockets) socket.destroy();
    await Promise.all(closed);

    const kept = await client.reader(words, { from: "earliest", to: "end" }).toArray();
    expect(kept.map(({ value }) => value)).to.deep.equal(["before", "during"]);
    const { code, stderr } = await broker.stop();
    expect(code, stderr).to.equal(143);
    const lines: { level: string; reason?: string }[] = stderr
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(lines.map(({ level, reason }) => `${level} ${reason}`)).to.include("warn connections");
  });
});
