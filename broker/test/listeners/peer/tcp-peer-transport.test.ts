/** Brokers over real sockets: the contract of the port, and what only sockets can do. */
import { once } from "node:events";
import net from "node:net";
import type { AddressInfo } from "node:net";
import { expect } from "chai";
import {
  decodePeerHello,
  encodePeerHello,
  FrameReader,
  PeerFrameKind,
  peerFrameHead,
  PeerPurpose,
  peerWire,
} from "@tidemark/proto";
import { FramedSocket, type FramedSocketListener } from "../../../src/listeners/peer/framed-socket.ts";
import { PeerDoor, TcpPeerTransport } from "../../../src/listeners/peer/index.ts";
import { SystemClock } from "../../../src/platform/index.ts";
import { PEER_STREAM_AHEAD_BYTES } from "../../../src/ports/index.ts";
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
    options: { strangerMs?: number; aliveMs?: number } = {},
  ): Promise<PeerNode> {
    const slabs = new SlabPool();
    const { missedAfterMs } = this;
    const transport = new TcpPeerTransport({ identity: () => identity, slabs, logger: this.logs, missedAfterMs });
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
        ...options,
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

transportSuite("the TCP transport", socketPeers);

describe("TcpPeerTransport", () => {
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
    (one.transport as TcpPeerTransport).leave();
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
    expect(error).to.include({
      kind: "refused",
      message: `no peer of this version stands at 127.0.0.1:${address.port}`,
    });
    server.close();
  });

  it("gives up who answers nothing at all", async () => {
    const held: net.Socket[] = [];
    const server = net.createServer((socket) => held.push(socket.pause()));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const to = { nodeId: 5, host: "127.0.0.1", port: (server.address() as AddressInfo).port };
    const closed = new Happenings<Error | null>();
    const silent = FramedSocket.dial(
      to,
      { slabs: new SlabPool(), aliveMs: 20 },
      listenerOf({ onClosed: (cause) => closed.add(cause) }),
    );
    const [cause] = await peers.outcome(closed.reached(1));
    expect(cause?.message).to.equal("nothing was heard for 40 ms");
    expect(silent.isOver).to.equal(true);
    for (const socket of held) socket.destroy();
    server.close();
  });

  it("keeps a connection on which nobody has anything to say", async () => {
    const quiet = await peers.start(identityOf(6), service, undefined, { aliveMs: 20 });
    const closed = new Happenings<Error | null>();
    const kinds: number[] = [];
    const socket = FramedSocket.dial(
      quiet.address,
      { slabs: new SlabPool(), aliveMs: 20 },
      listenerOf({
        onOpen: () =>
          socket.send(PeerFrameKind.HELLO, [encodePeerHello(identityOf(2), { to: 6, purpose: PeerPurpose.RAFT })]),
        onFrame: (kind) => kinds.push(kind),
        onClosed: (cause) => closed.add(cause),
      }),
    );
    // Longer than silence is borne with, many times over.
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(closed.all).to.deep.equal([]);
    expect(kinds).to.deep.equal([PeerFrameKind.HELLO]);
    socket.destroy();
  });

  it("says that it is alive no less often where it has something else to say between", async () => {
    const aliveMs = 20;
    let ticks = 0;
    const spoken = new Happenings<number>();
    const alive = frame(PeerFrameKind.ALIVE);
    const server = net.createServer((accepted) => {
      const timer = setInterval(() => (ticks += 1), aliveMs);
      const speaker = FramedSocket.of(
        accepted,
        { slabs: new SlabPool(), aliveMs },
        listenerOf({ onClosed: () => clearInterval(timer) }),
      );
      speaker.send(PeerFrameKind.DATA, []);
      const reader = readerOf((kind) => {
        listening.write(alive);
        if (kind !== PeerFrameKind.ALIVE) return;
        spoken.add(ticks);
        // Long past when the next one is due.
        speaker.send(PeerFrameKind.DATA, []);
      });
      listening.on("data", (chunk: Buffer) => reader.push(chunk));
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const listening = net.connect((server.address() as AddressInfo).port, "127.0.0.1");
    listening.on("error", () => undefined);
    await peers.outcome(spoken.reached(10));
    expect(ticks, "one each time").to.be.below(15);
    listening.destroy();
    server.close();
  });

  it("does not say of a call that it was answered when the connection is refused behind it", async () => {
    const server = net.createServer((socket) => {
      const reader = readerOf((kind) => {
        if (kind === PeerFrameKind.HELLO) socket.write(frame(PeerFrameKind.HELLO, encodePeerHello(identityOf(5))));
        if (kind !== PeerFrameKind.CALL) return;
        const failure = { id: 0, code: "REQUEST_TIMED_OUT", message: "another frame was not whole" };
        socket.end(frame(PeerFrameKind.REFUSED, peerWire.failure.encode(failure)));
      });
      socket.on("data", (chunk: Buffer) => reader.push(chunk));
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const to = { nodeId: 5, host: "127.0.0.1", port: (server.address() as AddressInfo).port };
    const error = await peers.outcome(one.transport.call(to, "ask", Buffer.alloc(0), 60_000).catch((e: unknown) => e));
    expect(error).to.include({ kind: "closed", code: "REQUEST_TIMED_OUT", message: "another frame was not whole" });
    server.close();
  });

  it("names itself anew when it is another one by now, and is taken for that", async () => {
    const identity = { ...identityOf(4), clusterId: "" };
    const born = await peers.start(identity, new NotingService());
    const froms = new Happenings<PeerIdentity>();
    service.answer = async (_, body, from) => {
      froms.add(from);
      return body;
    };
    await peers.outcome(born.transport.call(two.address, "ask", Buffer.alloc(0), 60_000));
    born.transport.sendRaft(two.address, Buffer.from("before"));
    await peers.outcome(service.raft.reached(1));
    Object.assign(identity, { clusterId: "cluster-a", directoryId: "renewed" });
    await peers.outcome(born.transport.call(two.address, "ask", Buffer.alloc(0), 60_000));
    expect(froms.all.map(({ clusterId, directoryId }) => [clusterId, directoryId])).to.deep.equal([
      ["", "directory-4"],
      ["cluster-a", "renewed"],
    ]);
    born.transport.sendRaft(two.address, Buffer.from("after"));
    const heard = await peers.outcome(service.raft.reached(2));
    expect(heard.map(({ frame }) => frame)).to.deep.equal(["before", "after"]);
  });

  it("hands on nothing of who was met before this node was born into another cluster", async () => {
    const identity = { ...identityOf(4), clusterId: "" };
    const born = await peers.start(identity, service);
    const stranger = await peers.start(identityOf(3, "cluster-b"), new NotingService());
    stranger.transport.sendRaft(born.address, Buffer.from("before"));
    await peers.outcome(service.raft.reached(1));
    Object.assign(identity, { clusterId: "cluster-a" });
    stranger.transport.sendRaft(born.address, Buffer.from("secret"));
    const refused = await peers.outcome(
      stranger.transport.call(born.address, "ask", Buffer.alloc(0), 60_000).catch((e: unknown) => e),
    );
    expect(refused).to.include({ kind: "refused", code: "INCONSISTENT_CLUSTER_ID" });
    expect(service.raft.all.map(({ frame }) => frame)).to.deep.equal(["before"]);
  });

  it("survives a reset at any byte of what a leader sends, and never hands on half a frame", async () => {
    const sent = [Buffer.alloc(10, 1), Buffer.alloc(40_000, 2), Buffer.alloc(100, 3)];
    const frames = sent.map((payload) => Buffer.concat([peerFrameHead(PeerFrameKind.DATA, payload.length), payload]));
    const hello = encodePeerHello(identityOf(5));
    const bytes = Buffer.concat([peerFrameHead(PeerFrameKind.HELLO, hello.length), hello, ...frames]);
    const ends = [
      0,
      1,
      4,
      5,
      6,
      hello.length,
      hello.length + 5,
      hello.length + 6,
      hello.length + 24,
      hello.length + 25,
    ];
    ends.push(hello.length + 26, 20_000, bytes.length - 106, bytes.length - 105, bytes.length - 1, bytes.length);
    let end = 0;
    const server = net.createServer((socket) => {
      socket.on("error", () => undefined);
      // Only what was read is acknowledged: a reset with unread bytes would take those along that were sent.
      socket.once("data", () => socket.write(bytes.subarray(0, end), () => socket.destroySoon()));
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const to = { nodeId: 5, host: "127.0.0.1", port: (server.address() as AddressInfo).port };
    for (end of ends) {
      const near = new NotingStream();
      one.transport.openReplication(to, near);
      const [error] = await peers.outcome(near.closed.reached(1));
      expect(error?.kind, `after ${end} bytes`).to.equal("closed");
      const whole = sent.filter(
        (_, i) => end >= hello.length + 5 + frames.slice(0, i + 1).reduce((sum, { length }) => sum + length, 0),
      );
      expect(near.frames.all.map(({ length }) => length)).to.deep.equal(whole.map(({ length }) => length));
    }
    server.close();
  });

  it("holds no more than its bound for who does not read, and gives the memory of what it sent back only when it left", async () => {
    const held: net.Socket[] = [];
    const server = net.createServer((socket) => held.push(socket.pause()));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const to = { nodeId: 5, host: "127.0.0.1", port: (server.address() as AddressInfo).port };
    const near = new NotingStream();
    const stream = one.transport.openReplication(to, near);
    let written = 0;
    let sent = 0;
    let drains = 0;
    // Until nothing moves any more: what the network between the two takes in is not ours to know.
    for (let idleTurns = 0; idleTurns < 20; idleTurns++) {
      for (let isRoom = sent === 0 || near.drains.all.length > drains; isRoom; sent++, idleTurns = 0) {
        drains = near.drains.all.length;
        isRoom = stream.send(Buffer.alloc(1024 * 1024), () => void written++);
      }
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    expect(sent - written).to.be.within(1, 1 + PEER_STREAM_AHEAD_BYTES / (1024 * 1024));
    expect(stream.bufferedBytes).to.be.at.least((sent - written) * 1024 * 1024);
    const writtenBefore = written;
    for (const socket of held) socket.destroy();
    await peers.outcome(near.closed.reached(1));
    await new Promise((resolve) => setImmediate(resolve));
    expect(written, "what never left is not said to be free").to.equal(writtenBefore);
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

function frame(kind: number, payload: Uint8Array = Buffer.alloc(0)): Buffer {
  return Buffer.concat([peerFrameHead(kind, payload.length), payload]);
}

/** For the bytes of the other end. */
function readerOf(onFrame: (kind: number, payload: Buffer) => void): FrameReader {
  return new FrameReader({ maxBytes: 100_000, slabs: new SlabPool(), onFrame });
}

/** For a FramedSocket; what is not given is not expected. */
function listenerOf(listener: Partial<FramedSocketListener>): FramedSocketListener {
  const unexpected = (): void => expect.fail("it was not expected");
  return { onFrame: unexpected, onWritten: () => undefined, onFault: unexpected, onClosed: unexpected, ...listener };
}

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

  const hello = encodePeerHello(identityOf(2), { to: 1, purpose: PeerPurpose.CALLS });
  const named = (purpose: PeerPurpose, identity = identityOf(2), to = 1): Buffer =>
    frame(PeerFrameKind.HELLO, encodePeerHello(identity, { to, purpose }));

  const { version: newest } = peerWire.hello.decode(hello);
  /** A good name, in other versions than this build's. */
  const speaking = (versions: { version: number; oldestVersion: number }): Buffer =>
    frame(PeerFrameKind.HELLO, peerWire.hello.encode({ ...peerWire.hello.decode(hello), ...versions }));

  /** What the door answers before it closes the connection: the kinds of its frames, and what it says last. */
  async function answered(sent: Buffer): Promise<{ kinds: number[]; code: string; message: string }> {
    const socket = net.connect(node.address.port, "127.0.0.1");
    socket.on("error", () => undefined);
    const kinds: number[] = [];
    let last = { code: "", message: "" };
    const reader = readerOf((kind, payload) => {
      kinds.push(kind);
      if (kind === PeerFrameKind.REFUSED) last = peerWire.failure.decode(payload);
    });
    socket.on("data", (chunk: Buffer) => reader.push(chunk));
    socket.write(sent);
    await peers.outcome(once(socket, "close"));
    return { kinds, ...last };
  }

  it("refuses who does not speak its language, and says what it is", async () => {
    const strangers = {
      "a browser": Buffer.from("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
      "a client of the gRPC door": Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
      "a TLS client": Buffer.from("16030100f8010000f403030102030405060708090a0b0c0d0e0f", "hex"),
      "a Kafka client": Buffer.from("0000000e001200030000000100046b61666b", "hex"),
      "one who says something else first": frame(PeerFrameKind.DATA, Buffer.from("x")),
      "one whose hello is garbage": frame(PeerFrameKind.HELLO, Buffer.from("ffffff", "hex")),
      "one whose hello is too long": frame(PeerFrameKind.HELLO, Buffer.alloc(5_000)),
      "one who announces all there is": Buffer.from("ffffffff01", "hex"),
      "one who announces nothing": Buffer.from("0000000001", "hex"),
    };
    for (const [who, bytes] of Object.entries(strangers)) {
      const { kinds, code, message } = await answered(bytes);
      expect([kinds, code, message], who).to.deep.equal([
        [PeerFrameKind.REFUSED],
        "UNSUPPORTED_VERSION",
        "this is the peer door of a Tidemark broker",
      ]);
    }
    expect(peers.doors[0]?.unfinishedBytes).to.equal(0);
  });

  it("refuses who speaks other versions alone, and says which ones would do", async () => {
    const others = {
      [`${newest + 1} to ${newest + 2}`]: speaking({ version: newest + 2, oldestVersion: newest + 1 }),
      // Who names no oldest one speaks one alone.
      [`${newest + 1}`]: speaking({ version: newest + 1, oldestVersion: 0 }),
    };
    for (const [theirs, bytes] of Object.entries(others)) {
      const { kinds, code, message } = await answered(bytes);
      expect([kinds, code], theirs).to.deep.equal([[PeerFrameKind.REFUSED], "UNSUPPORTED_VERSION"]);
      expect(message).to.match(
        new RegExp(`^this broker speaks version ${newest} of .*, not ${theirs}: upgrade by way of`, "u"),
      );
    }
  });

  it("serves who speaks later versions and this one too: the peer of the next release", async () => {
    const socket = net.connect(node.address.port, "127.0.0.1");
    const said = new Happenings<{ kind: number; payload: Buffer }>();
    const reader = readerOf((kind, payload) => {
      if (kind !== PeerFrameKind.ALIVE) said.add({ kind, payload: Buffer.from(payload) });
    });
    socket.on("data", (chunk: Buffer) => reader.push(chunk));
    socket.write(speaking({ version: newest + 1, oldestVersion: newest }));
    const call = { id: 1, method: "ask", body: Buffer.from("who") };
    socket.write(frame(PeerFrameKind.CALL, peerWire.call.encode(call)));
    const [met, answer] = await peers.outcome(said.reached(2));
    expect([met?.kind, answer?.kind]).to.deep.equal([PeerFrameKind.HELLO, PeerFrameKind.ANSWER]);
    const versions = { oldest: newest, newest: newest + 1 };
    expect(decodePeerHello(met?.payload ?? Buffer.alloc(0), versions)?.version, "as that peer reads it").to.equal(
      newest,
    );
    expect(peerWire.answer.decode(answer?.payload ?? Buffer.alloc(0)).body.toString()).to.equal("ask(who) from 2");
    socket.destroy();
  });

  it("refuses who means another node, has the id of this one, or wants what is not served", async () => {
    const lost = await answered(named(PeerPurpose.CALLS, identityOf(2), 8));
    expect([lost.kinds, lost.code, lost.message]).to.deep.equal([
      [PeerFrameKind.REFUSED],
      "INVALID_VOTER_KEY",
      "this is node 1, not node 8",
    ]);
    const double = await answered(named(PeerPurpose.CALLS, { ...identityOf(1), directoryId: "other" }));
    expect(double.message).to.match(/the id 1 is taken/);
    const odd = await answered(named(9 as PeerPurpose));
    expect([odd.kinds, odd.code]).to.deep.equal([[PeerFrameKind.REFUSED], "UNSUPPORTED_VERSION"]);
    expect((await answered(named(PeerPurpose.NONE))).code).to.equal("UNSUPPORTED_VERSION");
  });

  it("refuses garbage behind a good name, on every kind of connection, and lives", async () => {
    const garbage = {
      "a kind that is not known": frame(99),
      "a hello again": named(PeerPurpose.CALLS),
      "an answer": frame(PeerFrameKind.ANSWER, peerWire.answer.encode({ id: 1, body: Buffer.alloc(0) })),
      "a frame that is too large": peerFrameHead(PeerFrameKind.DATA, 2 ** 32 - 2),
    };
    for (const purpose of [PeerPurpose.RAFT, PeerPurpose.CALLS, PeerPurpose.REPLICATION]) {
      for (const [what, bytes] of Object.entries(garbage)) {
        const { kinds, code } = await answered(Buffer.concat([named(purpose), bytes]));
        expect(kinds, what).to.deep.equal([PeerFrameKind.HELLO, PeerFrameKind.REFUSED]);
        expect(code, what).to.be.oneOf(["INVALID_REQUEST", "MESSAGE_TOO_LARGE"]);
      }
    }
    const malformed = await answered(
      Buffer.concat([named(PeerPurpose.CALLS), frame(PeerFrameKind.CALL, Buffer.from("ffff", "hex"))]),
    );
    expect(malformed.code).to.equal("INVALID_REQUEST");
    const other = await peers.start(identityOf(2), new NotingService());
    await peers.outcome(other.transport.call(node.address, "ask", Buffer.alloc(0), 60_000));
    expect(service.raft.all).to.deep.equal([]);
    expect(peers.doors[0]?.unfinishedBytes).to.equal(0);
  });

  it("refuses a frame that does not become whole", async () => {
    const patient = await peers.start(identityOf(3), service, undefined, { aliveMs: 30 });
    const socket = net.connect(patient.address.port, "127.0.0.1");
    const refused = new Happenings<string>();
    const reader = readerOf((kind, payload) => {
      if (kind === PeerFrameKind.REFUSED) refused.add(peerWire.failure.decode(payload).code);
    });
    socket.on("data", (chunk: Buffer) => reader.push(chunk));
    socket.write(named(PeerPurpose.RAFT, identityOf(2), 3));
    socket.write(peerFrameHead(PeerFrameKind.DATA, 1_000_000));
    // Never silent, never done.
    const drip = setInterval(() => socket.write("."), 10);
    expect(await peers.outcome(refused.reached(1))).to.deep.equal(["REQUEST_TIMED_OUT"]);
    clearInterval(drip);
    socket.destroy();
  });

  it("closes a connection on which nobody names himself", async () => {
    const { port } = (await peers.start(identityOf(3), new NotingService(), undefined, { strangerMs: 50 })).address;
    const socket = net.connect(port, "127.0.0.1");
    socket.resume();
    await peers.outcome(once(socket, "close"));
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

  it("outlives a connection that its server cannot accept, whoever has bound it", async () => {
    const bound = net.createServer().listen(0, "127.0.0.1");
    await once(bound, "listening");
    const { port } = bound.address() as AddressInfo;
    const logs = new LogBook();
    const door = new PeerDoor(
      {
        host: "127.0.0.1",
        port,
        bound,
        limits: () => ({ maxConnections: 1, maxConnectionsPerIp: 1, maxConnectionCreationRate: 1 }),
      },
      {
        service,
        identity: () => identityOf(5),
        slabs: new SlabPool(),
        clock: new SystemClock(),
        logger: logs,
      },
    );
    await door.listen();
    bound.emit("error", Object.assign(new Error("accept ENOBUFS"), { code: "ENOBUFS" }));
    expect(logs.lines.map(({ message }) => message)).to.deep.equal(["the peer door failed"]);
    await door.close();
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
