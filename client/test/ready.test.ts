/** First contact: what a user is told when there is none. */
import { expect } from "chai";
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { Client } from "../src/index.ts";
import { rejection } from "./support/rejection.ts";

describe("Client.ready", () => {
  it("says why the brokers could not be reached", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    server.close();
    await once(server, "close");
    await using client = new Client(`127.0.0.1:${port}`);
    const error = await rejection(client.ready({ timeout: 5_000 }));
    expect(error).to.include({ code: "CONNECTION_LOST", message: `connect ECONNREFUSED 127.0.0.1:${port}` });
    await using lost = new Client({ brokers: "broker.invalid:9192", retry: { budget: 50 } });
    const unresolved = await rejection(lost.ready({ timeout: 5_000 }));
    expect(unresolved).to.have.property("message").that.includes("broker.invalid:9192");
  });

  it("is a time-out where somebody listens and says nothing", async () => {
    const sockets: Socket[] = [];
    const server = createServer((socket) => sockets.push(socket)).listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    try {
      await using client = new Client(`127.0.0.1:${port}`);
      expect(await rejection(client.ready({ timeout: 200 }))).to.include({ code: "TIMEOUT", outcome: "not-sent" });
    } finally {
      for (const socket of sockets) socket.destroy();
      server.close();
    }
  });
});
