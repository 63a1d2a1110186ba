/** The simulated network keeps the contract of the real one, and does to connections what networks do. */
import { expect } from "chai";
import { SeededRandom } from "../../src/base/index.ts";
import type { PeerAddress, PeerStream } from "../../src/ports/index.ts";
import { CALM_NETWORK, SimNetwork, type SimProcess, SimWorld } from "../../src/sim/index.ts";
import {
  Happenings,
  identityOf,
  NotingService,
  NotingStream,
  type PeerNode,
  type PeersUnderTest,
  transportSuite,
} from "../suites/transport-suite.ts";

class SimPeers implements PeersUnderTest {
  readonly world: SimWorld;
  readonly network: SimNetwork;

  constructor(seed = 7) {
    const random = new SeededRandom(seed);
    this.world = new SimWorld(random);
    this.network = new SimNetwork(this.world, random);
  }

  async start(
    identity: ReturnType<typeof identityOf>,
    service: NotingService,
    at?: PeerAddress,
  ): Promise<PeerNode & { process: SimProcess }> {
    const process = this.world.startProcess();
    const address = at ?? { nodeId: identity.nodeId, host: "sim", port: 9_000 + identity.nodeId };
    const transport = this.network.join({ process, address, service, identity: () => identity });
    return {
      process,
      address,
      transport,
      crash: async () => {
        process.kill();
        this.network.leave(address);
      },
    };
  }

  nowhere(nodeId: number): PeerAddress {
    return { nodeId, host: "nowhere", port: 1 };
  }

  async outcome<T>(promise: Promise<T>): Promise<T> {
    let isOver = false;
    const settle = (): void => void (isOver = true);
    promise.then(settle, settle);
    await this.world.settle();
    while (!isOver && (await this.world.step(600_000))) continue;
    if (!isOver) throw new Error("nothing is left that could bring it about");
    return promise;
  }

  async cleanUp(): Promise<void> {}
}

transportSuite("the simulated network", async () => new SimPeers());

describe("SimNetwork", () => {
  const bytes = (text: string): Buffer => Buffer.from(text);
  let peers: SimPeers;
  let one: PeerNode;
  let two: PeerNode;
  let service: NotingService;

  beforeEach(async () => {
    peers = new SimPeers();
    service = new NotingService();
    one = await peers.start(identityOf(1), new NotingService());
    two = await peers.start(identityOf(2), service);
  });

  it("holds back what is sent into a cut, and lets it through in order when that heals", async () => {
    const near = new NotingStream();
    const stream = one.transport.openReplication(two.address, near);
    const [far] = await peers.outcome(service.streams.reached(1));
    peers.network.cut(1, 2);
    for (let i = 0; i < 5; i++) stream.send(bytes(`frame ${i}`));
    far?.stream?.send(bytes("the other way is open"));
    await peers.world.runFor(5_000);
    expect(far?.frames.all).to.deep.equal([]);
    expect(near.frames.all.map(String)).to.deep.equal(["the other way is open"]);
    peers.network.heal(1, 2);
    await peers.world.runFor(100);
    expect(far?.frames.all.map(String)).to.deep.equal(["frame 0", "frame 1", "frame 2", "frame 3", "frame 4"]);
  });

  it("breaks connections that were cut for longer than keepalive bears, at both ends", async () => {
    const near = new NotingStream();
    one.transport.openReplication(two.address, near);
    const [far] = await peers.outcome(service.streams.reached(1));
    peers.network.partition([1], [2]);
    await peers.world.runFor(9_000);
    expect(near.closed.all).to.deep.equal([]);
    await peers.world.runFor(2_000);
    expect([near.closed.all[0]?.kind, far?.closed.all[0]?.kind]).to.deep.equal(["closed", "closed"]);
  });

  /** Frames of 40,000 bytes, too many for one piece of memory of the reader, that say which one they are. */
  const sendLarge = (stream: PeerStream, count: number): void => {
    for (let i = 0; i < count; i++) stream.send(Buffer.alloc(i % 3 === 0 ? 40_000 : 10, i));
  };

  it("cuts what replication streams carry at any byte, and puts it together again", async () => {
    peers.network.options = { ...CALM_NETWORK, streamPieces: 0.5 };
    const stream = one.transport.openReplication(two.address, new NotingStream());
    const [far] = await peers.outcome(service.streams.reached(1));
    sendLarge(stream, 100);
    await peers.world.runFor(1_000);
    const frames = far?.frames.all ?? [];
    expect(frames.map((frame) => frame[0])).to.deep.equal(Array.from({ length: 100 }, (_, i) => i));
    expect(frames.every((frame, i) => frame.length === (i % 3 === 0 ? 40_000 : 10))).to.equal(true);
    expect(stream.bufferedBytes).to.equal(0);
    expect(peers.network.tornFramesCount).to.equal(0);
  });

  it("breaks replication streams inside a frame, of which nothing is handed on", async () => {
    peers.network.options = { ...CALM_NETWORK, streamPieces: 1 };
    for (let pieces = 1; pieces <= 8; pieces++) {
      const near = new NotingStream();
      const stream = one.transport.openReplication(two.address, near);
      const far = (await peers.outcome(service.streams.reached(pieces)))[pieces - 1];
      sendLarge(stream, 4);
      peers.network.resetStreams(1, 2, pieces);
      await peers.world.runFor(1_000);
      expect(near.closed.all).to.have.lengthOf(1);
      const frames = far?.frames.all ?? [];
      expect(frames.length).to.be.below(4);
      expect(frames.every((frame, i) => frame.length === (i % 3 === 0 ? 40_000 : 10))).to.equal(true);
    }
    expect(peers.network.tornFramesCount).to.be.above(0);
  });

  it("loses, doubles and reorders Raft frames, and delivers none through a cut", async () => {
    peers.network.options = { ...CALM_NETWORK, raftLoss: 0.2, raftDuplication: 0.2, raftReordering: 0.5 };
    for (let i = 0; i < 200; i++) one.transport.sendRaft(two.address, bytes(String(i)));
    await peers.world.runFor(1_000);
    const received = service.raft.all.map(({ frame }) => Number(frame));
    expect(new Set(received).size).to.be.within(120, 190);
    expect(received.length).to.be.above(new Set(received).size);
    expect(received).not.to.deep.equal(received.toSorted((a, b) => a - b));
    peers.network.cut(1, 2);
    one.transport.sendRaft(two.address, bytes("lost"));
    await peers.world.runFor(1_000);
    peers.network.healAll();
    await peers.world.runFor(1_000);
    expect(service.raft.all.filter(({ frame }) => frame === "lost")).to.deep.equal([]);
  });

  it("keeps what a stalled machine was sent until it goes on", async () => {
    peers.network.stall(2);
    one.transport.sendRaft(two.address, bytes("patience"));
    await peers.world.runFor(3_000);
    expect(service.raft.all).to.deep.equal([]);
    expect(await peers.outcome(one.transport.isRefused(two.address))).to.equal(false);
    peers.network.resume(2);
    await peers.world.runFor(1_000);
    expect(service.raft.all.map(({ frame }) => frame)).to.deep.equal(["patience"]);
  });

  it("resets connections, which come back", async () => {
    const lost = new Happenings<string>();
    one.transport.watchControl(two.address, () => lost.add("lost"));
    await peers.outcome(one.transport.call(two.address, "ask", bytes(""), 1_000));
    peers.network.reset(1, 2);
    await peers.outcome(lost.reached(1));
    await peers.outcome(one.transport.call(two.address, "ask", bytes(""), 1_000));
  });

  it("takes silence for no proof that nobody listens", async () => {
    await two.crash();
    peers.network.cut(1, 2);
    expect(await peers.outcome(one.transport.isRefused(two.address))).to.equal(false);
    peers.network.heal(1, 2);
    expect(await peers.outcome(one.transport.isRefused(two.address))).to.equal(true);
  });

  it("runs the same from the same seed", async () => {
    const run = async (): Promise<string> => {
      const again = new SimPeers(99);
      const notes = new NotingService();
      const from = await again.start(identityOf(1), new NotingService());
      const to = await again.start(identityOf(2), notes);
      again.network.options = { ...CALM_NETWORK, raftLoss: 0.3, raftDuplication: 0.3, raftReordering: 0.3 };
      for (let i = 0; i < 100; i++) from.transport.sendRaft(to.address, bytes(String(i)));
      await again.world.runFor(1_000);
      return notes.raft.all.map(({ frame }) => frame).join(",");
    };
    expect(await run()).to.equal(await run());
  });
});
