import { once } from "node:events";
import net from "node:net";
import type { AddressInfo } from "node:net";
import { expect } from "chai";
import { createBroker, createBrokerGroup, startBrokerGroup } from "../../src/index.ts";
import { freshDirectory, removeDirectory } from "./support/test-broker.ts";

/** What hangs here would hang for ever. */

describe("brokers of one process", () => {
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

describe("startBrokerGroup", () => {
  const quiet = { "log.level": "silent" };

  it("is one cluster of brokers 1 to 3 that serve, and can be stopped twice", async () => {
    const cluster = await startBrokerGroup({ config: quiet });
    expect(cluster.brokers.map(({ nodeId, isReady }) => [nodeId, isReady])).to.deep.equal([
      [1, true],
      [2, true],
      [3, true],
    ]);
    expect(new Set(cluster.brokers.map(({ clusterId }) => clusterId)).size).to.equal(1);
    expect(new Set(cluster.bootstrap).size).to.equal(3);
    await cluster.stop();
    await cluster.stop();
    expect(cluster.brokers.some(({ isReady }) => isReady)).to.equal(false);
  });

  it("of one broker is a broker alone, without a peer door", async () => {
    await using cluster = await startBrokerGroup({ brokers: 1, config: quiet });
    expect(cluster.brokers.map(({ isReady, peerAddress }) => [isReady, peerAddress])).to.deep.equal([[true, ""]]);
  });

  it("on a directory is the same cluster when it is started again, each broker on its own part of it", async () => {
    const dataDirectory = freshDirectory();
    try {
      const ids: string[] = [];
      for (let life = 0; life < 2; life += 1) {
        await using cluster = await startBrokerGroup({ dataDirectory, config: quiet });
        ids.push(...cluster.brokers.map(({ clusterId }) => clusterId));
      }
      expect(ids.length).to.equal(6);
      expect(new Set(ids).size).to.equal(1);
      // Its parts are those of a cluster: a broker alone that is given one says whose it is instead of waiting for ever.
      const broker = await createBroker({
        config: { "log.dirs": `${dataDirectory}/broker-1`, "node.id": "1", listeners: "GRPC://127.0.0.1:0", ...quiet },
      });
      const failure = await broker.start().catch((error: unknown) => error);
      expect(failure).to.include({ code: "INVALID_CONFIG" });
    } finally {
      removeDirectory(dataDirectory);
    }
  });

  it("leaves nothing running where one of its brokers cannot start", async () => {
    const dataDirectory = freshDirectory();
    try {
      const held = await startBrokerGroup({ brokers: 1, dataDirectory, config: quiet });
      const failure = await startBrokerGroup({ dataDirectory, config: quiet }).catch((error: unknown) => error);
      expect(failure).to.be.instanceOf(Error);
      await held.stop();
      // The directories of the others are free again.
      for (const nodeId of [2, 3]) {
        const broker = await createBroker({
          config: {
            "log.dirs": `${dataDirectory}/broker-${nodeId}`,
            "node.id": String(nodeId),
            listeners: "GRPC://127.0.0.1:0",
            ...quiet,
          },
        });
        await broker.start();
        await broker.stop();
      }
    } finally {
      removeDirectory(dataDirectory);
    }
  });
});
