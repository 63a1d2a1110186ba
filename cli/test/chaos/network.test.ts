import { once } from "node:events";
import net, { type AddressInfo, type Server, type Socket } from "node:net";
import { expect } from "chai";
import { ProxiedLoopback } from "./network.ts";

describe("brokers on one loopback, with proxies between them", () => {
  const network = new ProxiedLoopback();
  const servers: Server[] = [];
  const sockets: Socket[] = [];
  const ports = new Map<number, number>();

  before(async () => {
    for (const nodeId of [1, 2, 3]) {
      const server = net.createServer().listen(0, "127.0.0.1");
      await once(server, "listening");
      servers.push(server);
      ports.set(nodeId, (server.address() as AddressInfo).port);
    }
    await network.connect(ports);
  });
  after(async () => {
    for (const socket of sockets) socket.destroy();
    for (const server of servers) server.close();
    await network[Symbol.asyncDispose]();
  });

  /** Its end at the dialler, and the one at the dialled. */
  async function dial(from: number, to: number): Promise<[Socket, Socket]> {
    const server = servers[to - 1] as Server;
    const accepted = once(server, "connection") as Promise<[Socket]>;
    const socket = net.connect(Number(network.peerAddress(from, to).split(":")[1]), "127.0.0.1");
    const [other] = await accepted;
    sockets.push(socket, other);
    return [socket, other];
  }

  /** The next bytes that arrive. */
  async function next(socket: Socket): Promise<string> {
    const [chunk] = (await once(socket, "data")) as [Buffer];
    return chunk.toString();
  }

  it("give each broker addresses of its own for the others, and the door itself for its own", () => {
    expect(network.peerAddress(2, 2)).to.equal(`127.0.0.1:${ports.get(2)}`);
    const addresses = [...ports.keys()].flatMap((from) => [...ports.keys()].map((to) => network.peerAddress(from, to)));
    expect(new Set(addresses)).to.have.property("size", 9);
  });

  it("cut one way, on whosoever's connection, and between those two alone", async () => {
    const [one, two] = await dial(1, 2);
    const [twoDialled, oneDialled] = await dial(2, 1);
    const [three, oneOfThree] = await dial(3, 1);
    network.cut(1, 2);
    let heard = 0;
    for (const end of [two, twoDialled]) end.on("data", () => heard++);
    for (const end of [one, oneDialled]) end.write("lost for now");
    // Later than what was sent before, had that gone on.
    for (const [from, to] of [
      [two, one],
      [twoDialled, oneDialled],
      [oneOfThree, three],
      [three, oneOfThree],
    ] as const) {
      const arrived = next(to);
      from.write("heard");
      expect(await arrived).to.equal("heard");
    }
    expect(heard).to.equal(0);
    const arrived = Promise.all([next(two), next(twoDialled)]);
    network.heal();
    expect(await arrived).to.deep.equal(["lost for now", "lost for now"]);
  });
});
