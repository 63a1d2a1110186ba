/** The sockets that the doors accept: small answers leave at once, without Nagle's wait for the peer's acknowledgement. */
import diagnostics from "node:diagnostics_channel";
import net from "node:net";
import type { Socket } from "node:net";
import { expect } from "chai";
import type { Broker } from "../../src/index.ts";
import { startMemoryBroker } from "./support/test-broker.ts";

/** Node's channel for sockets that a server of this process accepted. */
const ACCEPTED = "net.server.socket";

describe("accepted sockets", () => {
  let broker: Broker;

  before(async () => {
    broker = await startMemoryBroker();
  });

  after(() => broker.stop());

  for (const door of ["gRPC", "HTTP"]) {
    it(`of the ${door} door do not delay`, async () => {
      const address = door === "gRPC" ? broker.grpcAddress : broker.httpAddress;
      let onAccepted: (message: unknown) => void = () => undefined;
      const accepted = new Promise<Socket>((resolve) => {
        onAccepted = (message) => resolve((message as { socket: Socket }).socket);
      });
      diagnostics.subscribe(ACCEPTED, onAccepted);
      const client = net.connect(Number(address.split(":").at(-1)), "127.0.0.1");
      expect(isWithoutDelay(await accepted)).to.equal(true);
      diagnostics.unsubscribe(ACCEPTED, onAccepted);
      client.destroy();
    });
  }

  it("would be seen to delay", async () => {
    const server = net.createServer().listen(0, "127.0.0.1");
    const accepted = new Promise<Socket>((resolve) => server.once("connection", resolve));
    await new Promise((resolve) => server.once("listening", resolve));
    const client = net.connect((server.address() as net.AddressInfo).port, "127.0.0.1");
    expect(isWithoutDelay(await accepted)).to.equal(false);
    client.destroy();
    server.close();
  });
});

/** There is no public way to ask: a socket remembers under a symbol what it was last told. */
function isWithoutDelay(socket: Socket): boolean {
  const symbol = Object.getOwnPropertySymbols(socket).find(({ description }) => description === "kSetNoDelay");
  return symbol !== undefined && Reflect.get(socket, symbol) === true;
}
