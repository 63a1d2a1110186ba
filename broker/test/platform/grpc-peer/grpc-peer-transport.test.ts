/** Brokers over real sockets: the contract of the port, and what only sockets can do. */
import { once } from "node:events";
import http2 from "node:http2";
import net from "node:net";
import type { AddressInfo } from "node:net";
import { expect } from "chai";
import { PEER_METHODS, peerHeaders } from "@tidemark/proto";
import { PeerDoor } from "../../../src/listeners/grpc/peer/index.ts";
import { SystemClock } from "../../../src/platform/index.ts";
import { GrpcPeerTransport } from "../../../src/platform/grpc-peer/index.ts";
import type { PeerAddress, PeerIdentity, PeerService } from "../../../src/ports/index.ts";
import { SlabPool } from "../../../src/runtime/index.ts";
import { steadyPort } from "../../e2e/support/steady-port.ts";
import { LogBook } from "../../listeners/http/fixtures.ts";
import {
  Happenings,
  identityOf,
  NotingService,
  NotingStream,
  type PeerNode,
  type PeersUnderTest,
  transportSuite,
} from "../../suites/transport-suite.ts";
import { keptBytes } from "../../support/garbage.ts";

const DEADLINE_MS = 120_000;

class SocketPeers implements PeersUnderTest {
  readonly logs = new LogBook();
  readonly doors: PeerDoor[] = [];
  missedAfterMs = 1;
  readonly #closers: (() => Promise<void>)[] = [];
  #nowhere = 0;

  async start(
    identity: PeerIdentity,
    service: PeerService,
    at?: PeerAddress,
    options: { strangerMs?: number } = {},
  ): Promise<PeerNode> {
    const slabs = new SlabPool();
    const { missedAfterMs } = this;
    const transport = new GrpcPeerTransport({ identity: () => identity, slabs, logger: this.logs, missedAfterMs });
    const door = new PeerDoor(
      {
        host: "127.0.0.1",
        port: at?.port ?? (await steadyPort()),
        limits: () => ({ maxConnections: 100, maxConnectionsPerIp: 100, maxConnectionCreationRate: 1_000 }),
      },
      {
        service,
        identity: () => identity,
        onHeard: ({ nodeId }) => transport.onPeerHeard(nodeId),
        slabs,
        clock: new SystemClock(),
        logger: this.logs,
        strangerMs: options.strangerMs,
      },
    );
    await door.listen();
    this.doors.push(door);
    const crash = async (): Promise<void> => {
      await Promise.all([transport.close(), door.close()]);
    };
    this.#closers.push(crash);
    return { address: { nodeId: identity.nodeId, ...door.address }, transport, crash };
  }

  nowhere(nodeId: number): PeerAddress {
    return { nodeId, host: "127.0.0.1", port: this.#nowhere };
  }

  async reserveNowhere(): Promise<void> {
    this.#nowhere = await steadyPort();
  }

  async outcome<T>(promise: Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`nothing within ${DEADLINE_MS} ms`)), DEADLINE_MS);
    });
    return Promise.race([promise, late]).finally(() => clearTimeout(timer));
  }

  async cleanUp(): Promise<void> {
    for (const close of this.#closers) await close();
  }
}

async function socketPeers(): Promise<SocketPeers> {
  const peers = new SocketPeers();
  await peers.reserveNowhere();
  return peers;
}

transportSuite("the gRPC transport", socketPeers);

describe("GrpcPeerTransport", () => {
  let peers: SocketPeers;
  let one: PeerNode;
  let two: PeerNode;
  let service: NotingService;

  beforeEach(async () => {
    peers = await socketPeers();
    service = new NotingService();
    one = await peers.start(identityOf(1), new NotingService());
    two = await peers.start(identityOf(2), service);
  });
  afterEach(() => peers.cleanUp());

  it("never lets Raft, control and records share a connection", async () => {
    const [, door] = peers.doors;
    one.transport.sendRaft(two.address, Buffer.from("x"));
    await peers.outcome(service.raft.reached(1));
    await peers.outcome(one.transport.call(two.address, "ask", Buffer.alloc(0), 60_000));
    expect(door?.connectionsCount).to.equal(2);
    one.transport.openReplication(two.address, new NotingStream());
    one.transport.openReplication(two.address, new NotingStream());
    await peers.outcome(service.streams.reached(2));
    expect(door?.connectionsCount).to.equal(4);
  });

  it("keeps the order of Raft frames on one connection", async () => {
    const sent = Array.from({ length: 1_000 }, (_, i) => String(i));
    for (const frame of sent) one.transport.sendRaft(two.address, Buffer.from(frame));
    const received = await peers.outcome(service.raft.reached(1_000));
    expect(received.map(({ frame }) => frame)).to.deep.equal(sent);
  });

  it("answers a call while megabytes of records are under way to who does not take them", async () => {
    const near = new NotingStream();
    const stream = one.transport.openReplication(two.address, near);
    await peers.outcome(service.streams.reached(1));
    for (let i = 0; i < 64; i++) stream.send(Buffer.alloc(1024 * 1024));
    const answer = await peers.outcome(one.transport.call(two.address, "ask", Buffer.from("?"), 60_000));
    expect(Buffer.from(answer).toString()).to.equal("ask(?) from 1");
  });

  /** What it says of its peers coming and going. */
  const said = (): string[] =>
    peers.logs.lines.map(({ message }) => message).filter((message) => message.startsWith("a peer is"));
  const isThere = (): Promise<boolean> =>
    one.transport.call(two.address, "ask", Buffer.alloc(0), 60_000).then(
      () => true,
      () => false,
    );
  const untilItIsThere = async (): Promise<void> => {
    // The first one may still meet a dial from before.
    while (!(await peers.outcome(isThere())));
  };
  const untilSaid = async (count: number): Promise<void> => {
    while (said().length < count) await new Promise((resolve) => setTimeout(resolve, 1));
  };

  it("logs once that a peer is away, and once that it is back", async () => {
    await untilItIsThere();
    await two.crash();
    for (let i = 0; i < 3; i++) await isThere();
    await peers.outcome(untilSaid(1));
    await peers.start(identityOf(2), service, two.address);
    await untilItIsThere();
    expect(said()).to.deep.equal(["a peer is away", "a peer is there again"]);
  });

  it("takes one that was never there for one that has yet to come", async () => {
    await two.crash();
    await isThere();
    await peers.outcome(untilSaid(1));
    await peers.start(identityOf(2), service, two.address);
    await untilItIsThere();
    expect(said()).to.deep.equal(["a peer is not there yet", "a peer is there"]);
    const [line] = peers.logs.lines.filter(({ message }) => message === "a peer is not there yet");
    expect(line?.level).to.equal("info");
  });

  it("does not miss one that is back in a moment, nor anybody while it leaves", async () => {
    peers.missedAfterMs = 60_000;
    one = await peers.start(identityOf(4), new NotingService());
    await untilItIsThere();
    await two.crash();
    await isThere();
    two = await peers.start(identityOf(2), service, two.address);
    await untilItIsThere();
    expect(said()).to.deep.equal([]);

    peers.missedAfterMs = 1;
    one = await peers.start(identityOf(5), new NotingService());
    await untilItIsThere();
    (one.transport as GrpcPeerTransport).leave();
    await two.crash();
    await isThere();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(said()).to.deep.equal([]);
  });

  it("names both clusters in the log of who refuses", async () => {
    const stranger = await peers.start(identityOf(3, "cluster-b"), new NotingService());
    for (let i = 0; i < 3; i++)
      await one.transport.call(stranger.address, "ask", Buffer.alloc(0), 60_000).catch(() => undefined);
    const lines = peers.logs.lines.filter(({ message }) => message === "a broker of another cluster was refused");
    expect(lines.map(({ fields }) => [fields?.["clusterId"], fields?.["theirClusterId"]])).to.deep.equal([
      ["cluster-b", "cluster-a"],
    ]);
  });

  it("gives up a port where something else listens, without keeping what it sends", async () => {
    const server = net.createServer((socket) => {
      socket.on("error", () => undefined);
      socket.on("data", () => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"));
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = { nodeId: 5, host: "127.0.0.1", port: (server.address() as AddressInfo).port };
    const error = await peers.outcome(
      one.transport.call(address, "ask", Buffer.alloc(0), 60_000).catch((e: unknown) => e),
    );
    expect(error).to.have.property("kind").that.is.oneOf(["closed", "unreachable"]);
    server.close();
  });

  it("drops Raft frames beyond the bound while the other side does not read", async () => {
    const held: net.Socket[] = [];
    // Accepts, and says nothing: as a process that was stopped.
    const server = net.createServer((socket) => held.push(socket.pause()));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = { nodeId: 5, host: "127.0.0.1", port: (server.address() as AddressInfo).port };
    const before = await keptBytes();
    for (let i = 0; i < 200; i++) {
      one.transport.sendRaft(address, Buffer.alloc(1024 * 1024));
      if (i % 20 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    expect((await keptBytes()) - before).to.be.below(64 * 1024 * 1024);
    for (const socket of held) socket.destroy();
    server.close();
  });
});

describe("PeerDoor", () => {
  let peers: SocketPeers;
  let node: PeerNode;
  let service: NotingService;

  beforeEach(async () => {
    peers = await socketPeers();
    service = new NotingService();
    node = await peers.start(identityOf(1), service);
  });
  afterEach(() => peers.cleanUp());

  interface Answer {
    readonly headers: http2.IncomingHttpHeaders;
    readonly trailers: http2.IncomingHttpHeaders;
  }

  async function asked(headers: Record<string, string>, body = Buffer.alloc(0)): Promise<Answer> {
    const session = http2.connect(`http://127.0.0.1:${node.address.port}`);
    const stream = session.request({ ":method": "POST", "content-type": "application/grpc", ...headers });
    stream.on("error", () => undefined);
    const answer = { headers: {} as http2.IncomingHttpHeaders, trailers: {} as http2.IncomingHttpHeaders };
    stream.on("response", (received) => (answer.headers = received));
    stream.on("trailers", (received) => (answer.trailers = received));
    stream.resume();
    stream.end(body);
    await peers.outcome(once(stream, "close"));
    session.destroy();
    return answer;
  }

  const named = peerHeaders(identityOf(2), 1);

  it("serves no method of clients, and none that it does not know", async () => {
    for (const path of [
      "/tidemark.v1.Data/GetMetadata",
      "/tidemark.v1.Admin/CreateTopics",
      "/grpc.health.v1.Health/Check",
    ]) {
      const { headers } = await asked({ ...named, ":path": path });
      expect(headers["grpc-status"], path).to.equal("12");
    }
  });

  it("refuses who does not name himself, and who means another node", async () => {
    const nobody = await asked({ ":path": PEER_METHODS.call });
    expect(nobody.headers["grpc-status"]).to.equal("12");
    const lost = await asked({ ...peerHeaders(identityOf(2), 8), ":path": PEER_METHODS.call });
    expect(lost.headers["grpc-message"]).to.match(/this%20is%20node%201,%20not%20node%208/);
    const double = await asked({
      ...peerHeaders({ ...identityOf(1), directoryId: "other" }, 1),
      ":path": PEER_METHODS.call,
    });
    expect(double.headers["grpc-message"]).to.match(/the%20id%201%20is%20taken/);
  });

  it("answers garbage on every method with an error, and lives", async () => {
    const garbage = [
      Buffer.from("not a frame at all"),
      Buffer.from([0, 0, 0, 0, 3, 0xff, 0xff, 0xff]),
      Buffer.from([0, 0xff, 0xff, 0xff, 0xff]),
      Buffer.from([1, 0, 0, 0, 0]),
      Buffer.from([0, 0, 0, 0, 9, 0x0a]),
      Buffer.from([0, 0, 0, 0, 2, 0x0a, 0x7f]),
    ];
    for (const path of Object.values(PEER_METHODS)) {
      for (const body of garbage) {
        const { headers, trailers } = await asked({ ...named, ":path": path }, body);
        expect(headers["grpc-status"] ?? trailers["grpc-status"], `${path} ${body.toString("hex")}`).not.to.equal("0");
      }
    }
    const other = await peers.start(identityOf(2), new NotingService());
    await peers.outcome(other.transport.call(node.address, "ask", Buffer.alloc(0), 60_000));
    expect(service.raft.all).to.deep.equal([]);
  });

  it("closes a connection on which nobody names himself", async () => {
    const { port } = (await peers.start(identityOf(3), new NotingService(), undefined, { strangerMs: 50 })).address;
    const socket = net.connect(port, "127.0.0.1");
    socket.resume();
    await peers.outcome(once(socket, "close"));
    const session = http2.connect(`http://127.0.0.1:${port}`);
    session.on("error", () => undefined);
    await peers.outcome(once(session, "close"));
    expect([...(peers.doors.at(-1)?.refusals ?? [])].map(({ stage, reason }) => `${stage} ${reason}`)).to.include(
      "accept stranger",
    );
  });

  it("is told by name who only watches, and does not take him for a stranger", async () => {
    const watched = await peers.start(identityOf(3), new NotingService(), undefined, { strangerMs: 300 });
    const losses = new Happenings<string>();
    const unwatch = node.transport.watchControl(watched.address, () => losses.add("lost"));
    const late = net.connect(watched.address.port, "127.0.0.1");
    late.resume();
    // Longer than a stranger is borne with: this one came later.
    await peers.outcome(once(late, "close"));
    expect(losses.all).to.deep.equal([]);
    const refused = [...(peers.doors.at(-1)?.refusals ?? [])].map(({ stage, reason, count }) => [stage, reason, count]);
    expect(refused, "the other one alone").to.deep.equal([["accept", "stranger", 1]]);
    unwatch();
  });

  it("keeps nothing of streams that peers open and leave", async () => {
    const other = await peers.start(identityOf(2), new NotingService());
    for (let i = 0; i < 20; i++) {
      const near = new NotingStream();
      const stream = other.transport.openReplication(node.address, near);
      await peers.outcome(service.streams.reached(i + 1));
      stream.close();
      await peers.outcome(near.closed.reached(1));
    }
    const closed = new Happenings<number>();
    for (const stream of service.streams.all) void stream.closed.reached(1).then(() => closed.add(1));
    await peers.outcome(closed.reached(20));
  });
});
