import { once } from "node:events";
import net from "node:net";
import type { AddressInfo } from "node:net";
import { expect } from "chai";
import { createBroker, createBrokerGroup } from "../../src/index.ts";

/** What hangs here would hang for ever. */
const HANG_MS = 60_000;

describe("brokers of one process", function () {
  this.timeout(HANG_MS);

  it("all end when the ports of a majority are taken, and say which", async () => {
    const strangers = await Promise.all(
      [0, 1].map(async () => {
        const server = net.createServer().listen(0, "127.0.0.1");
        await once(server, "listening");
        return server;
      }),
    );
    const taken = strangers.map((server) => (server.address() as AddressInfo).port);
    const group = await createBrokerGroup({
      count: 3,
      firstPeerPort: 0,
      make: ({ nodeId, keys, peerListener, peerServer }) =>
        createBroker({
          memory: true,
          peerServer,
          config: {
            ...keys,
            "log.level": "silent",
            // Only broker 1 gets a door of its own: it has nobody to form a majority with.
            listeners: `GRPC://127.0.0.1:${taken[nodeId - 2] ?? 0},${peerListener}`,
          },
        }),
    });
    const failure = await group.start().then(
      () => null,
      (error: unknown) => error as { code?: string; message: string },
    );
    for (const server of strangers) server.close();
    expect(failure?.code).to.equal("EADDRINUSE");
    expect(taken.some((port) => failure?.message.includes(String(port)))).to.equal(true);
    await group.stop();
  });

  it("ends when it is stopped while it looks for a majority", async () => {
    const group = await createBrokerGroup({
      count: 3,
      firstPeerPort: 0,
      make: ({ keys, peerListener, peerServer }) =>
        createBroker({
          memory: true,
          peerServer,
          config: { ...keys, "log.level": "silent", listeners: `GRPC://127.0.0.1:0,${peerListener}` },
        }),
    });
    const [alone] = group.brokers;
    const started = alone?.start().then(
      () => "ready",
      () => "ended",
    );
    await alone?.stop();
    expect(await started).to.equal("ended");
    await group.stop();
  });
});
