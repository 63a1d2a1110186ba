import { once } from "node:events";
import net, { type AddressInfo, type Server, type Socket } from "node:net";
import { expect } from "chai";
import { CuttableProxy } from "./cuttable-proxy.ts";

/** A target, and what dialled it. */
class Target {
  readonly sockets: Socket[] = [];
  readonly #waiting: ((socket: Socket) => void)[] = [];
  #server: Server | null = null;
  isEcho = false;
  port = 0;

  async listen(): Promise<void> {
    const server = net.createServer({ allowHalfOpen: true }, (socket) => {
      socket.on("error", () => undefined);
      this.sockets.push(socket);
      if (this.isEcho) socket.pipe(socket);
      this.#waiting.shift()?.(socket);
    });
    this.#server = server.listen(this.port, "127.0.0.1");
    await once(server, "listening");
    this.port = (server.address() as AddressInfo).port;
  }

  /** The next one that dials. */
  next(): Promise<Socket> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** As a process that is killed. */
  async die(): Promise<void> {
    const server = this.#server;
    if (server === null) return;
    this.#server = null;
    const ended = once(server, "close");
    server.close();
    for (const socket of this.sockets.splice(0)) socket.resetAndDestroy();
    await ended;
  }
}

/** Reads `count` bytes, no more. */
async function read(socket: Socket, count: number): Promise<string> {
  let text = "";
  while (text.length < count) {
    const chunk: Buffer | null = socket.read(Math.min(count - text.length, Math.max(socket.readableLength, 1)));
    if (chunk === null) await once(socket, "readable");
    else text += chunk.toString();
  }
  return text;
}

/** Resolves however it is closed. */
function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.resume().once("close", () => resolve()));
}

describe("a proxy that can be cut", () => {
  let target: Target;
  let proxy: CuttableProxy;
  let clients: Socket[];

  beforeEach(async () => {
    clients = [];
    target = new Target();
    await target.listen();
    proxy = await CuttableProxy.open(target.port);
  });
  afterEach(async () => {
    for (const client of clients) client.destroy();
    await proxy[Symbol.asyncDispose]();
    await target.die();
  });

  async function dial(): Promise<Socket> {
    const client = net.connect({ host: "127.0.0.1", port: proxy.port, allowHalfOpen: true });
    client.on("error", () => undefined);
    clients.push(client);
    await once(client, "connect");
    return client;
  }

  async function dialThrough(): Promise<[near: Socket, far: Socket]> {
    const dialled = target.next();
    const near = await dial();
    return [near, await dialled];
  }

  /** How a dial went. */
  function dialOnce(): Promise<string> {
    return new Promise((resolve) => {
      const client = net.connect({ host: "127.0.0.1", port: proxy.port });
      client.once("connect", () => resolve("connected"));
      client.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? ""));
      client.once("close", () => client.destroy());
      clients.push(client);
    });
  }

  async function dialUntil(outcome: string): Promise<void> {
    while ((await dialOnce()) !== outcome) await new Promise((resolve) => setImmediate(resolve));
  }

  it("forwards both ways, and the end of each way by itself", async () => {
    const [near, far] = await dialThrough();
    near.end("question");
    expect(await read(far, 8)).to.equal("question");
    far.resume();
    await once(far, "end");
    far.end("answer");
    expect(await read(near, 6)).to.equal("answer");
    near.resume();
    await once(near, "end");
  });

  it("cut one way, lets the other way go on; what was sent comes in order when it heals, its end too", async () => {
    const [near, far] = await dialThrough();
    proxy.cut("there");
    near.write("one");
    // It would have come by now: the way back carries what was sent after it.
    for (const text of ["a", "b", "c"]) {
      far.write(text);
      expect(await read(near, 1)).to.equal(text);
    }
    expect(far.readableLength).to.equal(0);
    near.end("two");
    proxy.heal();
    expect(await read(far, 6)).to.equal("onetwo");
    far.resume();
    await once(far, "end");
  });

  it("cut the way back, lets questions through and holds the answers", async () => {
    const [near, far] = await dialThrough();
    proxy.cut("back");
    far.write("answer");
    near.write("question");
    expect(await read(far, 8)).to.equal("question");
    expect(near.readableLength).to.equal(0);
    proxy.heal();
    expect(await read(near, 6)).to.equal("answer");
  });

  it("leaves who dials during a cut hanging, and dials when it heals", async () => {
    proxy.cut("back");
    const near = await dial();
    near.write("hello");
    // Another way round: the target hears of nobody but of him who dials it without the proxy.
    const direct = net.connect({ host: "127.0.0.1", port: target.port });
    clients.push(direct);
    const first = await target.next();
    expect(first.remotePort).to.equal(direct.localPort);
    const dialled = target.next();
    proxy.heal();
    expect(await read(await dialled, 5)).to.equal("hello");
  });

  it("cut both ways, says nothing of a death until it heals", async () => {
    const [near, far] = await dialThrough();
    proxy.cut("there");
    proxy.cut("back");
    far.resetAndDestroy();
    const stranger = await dial();
    expect(near.destroyed).to.equal(false);
    expect(stranger.destroyed).to.equal(false);
    const told = closed(near);
    proxy.heal();
    await told;
  });

  it("reads no more from a cut way than fits", async () => {
    const [near] = await dialThrough();
    proxy.cut("there");
    const before = process.memoryUsage().arrayBuffers;
    // Far more than kernel and streams hold: the writer is told to wait, for ever.
    let written = 0;
    const chunk = Buffer.alloc(1024 * 1024);
    const isStuck = (): boolean => near.writableLength > 0 && near.bytesWritten - near.writableLength === written;
    for (let turns = 0; turns < 200 || !isStuck(); turns++) {
      written = near.bytesWritten - near.writableLength;
      if (near.writableLength === 0) near.write(chunk);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(process.memoryUsage().arrayBuffers - before).to.be.lessThan(16 * chunk.length);
  });

  it("refuses, as its target does, while that is away; and is there again with it", async () => {
    const [near] = await dialThrough();
    const told = closed(near);
    await target.die();
    await told;
    // Whoever was cut off by the death and dials again is refused at once.
    expect(await dialOnce()).to.equal("ECONNREFUSED");
    // The proxy looks whether the target is there, so that its connection is one of several.
    target.isEcho = true;
    await target.listen();
    await dialUntil("connected");
    const again = await dial();
    again.write("back");
    expect(await read(again, 4)).to.equal("back");
  });

  it("resets who dials a target that went unseen, and then refuses", async () => {
    await target.die();
    const near = await dial();
    await closed(near);
    expect(await dialOnce()).to.equal("ECONNREFUSED");
  });

  it("during a cut lets who dials a target that is away hang, like one that is there", async () => {
    await target.die();
    await dialUntil("ECONNREFUSED");
    proxy.cut("there");
    await dialUntil("connected");
    proxy.heal();
    await dialUntil("ECONNREFUSED");
  });

  it("holds nothing of hundreds of connections that were broken on either side", async () => {
    for (let round = 0; round < 150; round++) {
      const [near, far] = await dialThrough();
      const [here, there] = round % 2 === 0 ? [near, far] : [far, near];
      if (round % 3 === 0) proxy.cut("there");
      const told = closed(there);
      here.resetAndDestroy();
      proxy.heal();
      await told;
    }
    while (proxy.socketsCount > 0) await new Promise((resolve) => setImmediate(resolve));
    expect(proxy.socketsCount).to.equal(0);
  });

  it("closed, leaves no socket and no port", async () => {
    const [near] = await dialThrough();
    proxy.cut("back");
    const hanging = await dial();
    const gone = Promise.all([closed(near), closed(hanging)]);
    await proxy[Symbol.asyncDispose]();
    // Their side ends: half-open sockets close when both have.
    near.end();
    hanging.end();
    await gone;
    expect(proxy.socketsCount).to.equal(0);
    expect(await dialOnce()).to.equal("ECONNREFUSED");
  });
});
