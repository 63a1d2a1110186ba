/** The contract of the PeerTransport port, with a door on the other side, that holds on every adapter. */
import { expect } from "chai";
import { ApiError } from "../../src/api/index.ts";
import { PEER_STREAM_AHEAD_BYTES, PeerError } from "../../src/ports/index.ts";
import type {
  PeerAddress,
  PeerIdentity,
  PeerService,
  PeerStream,
  PeerStreamHandlers,
  PeerTransport,
} from "../../src/ports/index.ts";

/** A node of the cluster under test, with its door open. */
export interface PeerNode {
  readonly address: PeerAddress;
  readonly transport: PeerTransport;
  /** Its door and all its connections are gone; nobody listens there. */
  crash(): Promise<void>;
}

export interface PeersUnderTest {
  /** `at`: where a node stood before. */
  start(identity: PeerIdentity, service: PeerService, at?: PeerAddress): Promise<PeerNode>;
  /** An address where nobody listens. */
  nowhere(nodeId: number): PeerAddress;
  /** Waits for what the network brings about. */
  outcome<T>(promise: Promise<T>): Promise<T>;
  cleanUp(): Promise<void>;
}

export function identityOf(nodeId: number, clusterId = "cluster-a"): PeerIdentity {
  return { clusterId, nodeId, directoryId: `directory-${nodeId}` };
}

/** Things that happen, to be waited for in order. */
export class Happenings<T> {
  readonly all: T[] = [];
  #waiting: { readonly count: number; readonly wake: () => void }[] = [];

  add(happening: T): void {
    this.all.push(happening);
    this.#waiting = this.#waiting.filter(({ count, wake }) => this.all.length < count || wake());
  }

  /** Resolves when there were `count` of them. */
  reached(count: number): Promise<T[]> {
    return new Promise((resolve) => {
      const wake = (): void => resolve(this.all);
      if (this.all.length >= count) wake();
      else this.#waiting.push({ count, wake });
    });
  }
}

/** A service that notes what it is handed, and answers calls with what it was asked. */
export class NotingService implements PeerService {
  readonly raft = new Happenings<{ frame: string; from: number }>();
  readonly streams = new Happenings<NotingStream>();
  answer: (method: string, body: Buffer, from: PeerIdentity) => Promise<Uint8Array> = async (method, body, from) =>
    Buffer.from(`${method}(${body.toString()}) from ${from.nodeId}`);

  onRaft(frame: Buffer, from: PeerIdentity): void {
    this.raft.add({ frame: frame.toString("latin1"), from: from.nodeId });
  }

  onCall(method: string, body: Buffer, from: PeerIdentity): Promise<Uint8Array> {
    return this.answer(method, body, from);
  }

  onReplication(stream: PeerStream, from: PeerIdentity): PeerStreamHandlers {
    const noting = new NotingStream(from);
    noting.stream = stream;
    this.streams.add(noting);
    return noting;
  }
}

export class NotingStream implements PeerStreamHandlers {
  readonly from: PeerIdentity | null;
  stream: PeerStream | null = null;
  readonly frames = new Happenings<Buffer>();
  readonly drains = new Happenings<number>();
  readonly closed = new Happenings<PeerError | null>();

  constructor(from: PeerIdentity | null = null) {
    this.from = from;
  }

  onFrame(frame: Buffer, release: (() => void) | null): void {
    this.frames.add(Buffer.from(frame));
    release?.();
  }

  onDrain(): void {
    this.drains.add(this.stream?.bufferedBytes ?? 0);
  }

  onClosed(error: PeerError | null): void {
    this.closed.add(error);
  }
}

const bytes = (text: string): Buffer => Buffer.from(text, "latin1");
const errorOf = (promise: Promise<unknown>): Promise<PeerError> =>
  promise.then(
    () => {
      throw new Error("it succeeded");
    },
    (error: unknown) => {
      expect(error).to.be.instanceOf(PeerError);
      return error as PeerError;
    },
  );

export function transportSuite(name: string, create: () => Promise<PeersUnderTest>): void {
  describe(`${name} keeps the contract of a peer transport`, () => {
    let under: PeersUnderTest;
    let one: PeerNode;
    let two: PeerNode;
    let service: NotingService;

    beforeEach(async () => {
      under = await create();
      service = new NotingService();
      one = await under.start(identityOf(1), new NotingService());
      two = await under.start(identityOf(2), service);
    });
    afterEach(() => under.cleanUp());

    /** Resolves when two, which was gone, answers one: the first call may still meet a dial from before. */
    async function reached(): Promise<void> {
      const isAnswered = (): Promise<boolean> =>
        one.transport.call(two.address, "pause", bytes(""), 60_000).then(
          () => true,
          () => false,
        );
      while (!(await under.outcome(isAnswered())));
    }

    /** A stream from one to two, both of its ends. */
    async function opened(): Promise<{ near: NotingStream; stream: PeerStream; far: NotingStream }> {
      const near = new NotingStream();
      const stream = one.transport.openReplication(two.address, near);
      near.stream = stream;
      const [far] = await under.outcome(service.streams.reached(1));
      if (far === undefined) throw new Error("no stream");
      return { near, stream, far };
    }

    describe("Raft", () => {
      it("carries frames, those too that were sent before the connection stood, and says who sent them", async () => {
        const sent = Array.from({ length: 50 }, (_, i) => `frame ${i}`);
        for (const frame of sent) one.transport.sendRaft(two.address, bytes(frame));
        await under.outcome(service.raft.reached(1));
        one.transport.sendRaft(two.address, bytes("later"));
        const received = await under.outcome(service.raft.reached(51));
        expect(received.map(({ frame }) => frame).toSorted()).to.deep.equal([...sent, "later"].toSorted());
        expect(received.every(({ from }) => from === 1)).to.equal(true);
      });

      it("drops what is sent to nobody, and reaches who comes back at the same address", async () => {
        await under.outcome(two.crash());
        for (let i = 0; i < 10; i++) one.transport.sendRaft(two.address, bytes("into the void"));
        await under.outcome(errorOf(one.transport.call(two.address, "any", bytes(""), 60_000)));
        const again = new NotingService();
        await under.start(identityOf(2), again, two.address);
        // As Raft does: it says again what matters.
        const heard = again.raft.reached(1);
        let isHeard = false;
        void heard.then(() => (isHeard = true));
        while (!isHeard) {
          one.transport.sendRaft(two.address, bytes("again"));
          await reached();
        }
        expect((await heard)[0]?.frame).to.equal("again");
      });

      it("delivers nothing to another cluster", async () => {
        const strange = new NotingService();
        const stranger = await under.start(identityOf(3, "cluster-b"), strange);
        one.transport.sendRaft(stranger.address, bytes("secret"));
        await under.outcome(errorOf(one.transport.call(stranger.address, "any", bytes(""), 60_000)));
        one.transport.sendRaft(stranger.address, bytes("secret"));
        one.transport.sendRaft(two.address, bytes("meant"));
        await under.outcome(service.raft.reached(1));
        expect(strange.raft.all).to.deep.equal([]);
      });
    });

    describe("calls", () => {
      it("are answered, many at a time, each with its own answer", async () => {
        const answers = await under.outcome(
          Promise.all(
            Array.from({ length: 100 }, (_, i) => one.transport.call(two.address, "ask", bytes(String(i)), 60_000)),
          ),
        );
        expect(answers.map((answer) => Buffer.from(answer).toString())).to.deep.equal(
          Array.from({ length: 100 }, (_, i) => `ask(${i}) from 1`),
        );
      });

      it("never wait for the answers to others, however many those are", async () => {
        service.answer = (method) =>
          method === "wait" ? new Promise(() => undefined) : Promise.resolve(bytes("alive"));
        const waiting = Array.from({ length: 300 }, () =>
          errorOf(one.transport.call(two.address, "wait", bytes(""), 600_000)),
        );
        const answer = await under.outcome(one.transport.call(two.address, "heartbeat", bytes(""), 60_000));
        expect(Buffer.from(answer).toString()).to.equal("alive");
        await under.outcome(one.transport.close());
        expect(new Set((await under.outcome(Promise.all(waiting))).map(({ kind }) => kind))).to.deep.equal(
          new Set(["closed"]),
        );
      });

      it("carry bodies from none to some megabytes", async () => {
        service.answer = async (_, body) => body;
        for (const length of [0, 1, 70_000, 3_000_000]) {
          const body = Buffer.alloc(length, "abc");
          const answer = await under.outcome(one.transport.call(two.address, "echo", body, 10_000));
          expect(body.equals(answer)).to.equal(true);
        }
      });

      it("fail with the code that the other side gives, and with none of its secrets when it has none", async () => {
        service.answer = () => Promise.reject(new ApiError("NOT_CONTROLLER", "node 3 leads"));
        const coded = await under.outcome(errorOf(one.transport.call(two.address, "ask", bytes(""), 60_000)));
        expect([coded.kind, coded.code, coded.message]).to.deep.equal(["remote", "NOT_CONTROLLER", "node 3 leads"]);
        service.answer = () => Promise.reject(new Error("boom"));
        const unknown = await under.outcome(errorOf(one.transport.call(two.address, "ask", bytes(""), 60_000)));
        expect([unknown.kind, unknown.code]).to.deep.equal(["remote", "UNKNOWN_SERVER_ERROR"]);
      });

      it("time out when no answer comes, and the next one is answered", async () => {
        service.answer = () => new Promise(() => undefined);
        const late = await under.outcome(errorOf(one.transport.call(two.address, "ask", bytes(""), 30)));
        expect(late.kind).to.equal("timeout");
        service.answer = async () => bytes("now");
        const answer = await under.outcome(one.transport.call(two.address, "ask", bytes(""), 60_000));
        expect(Buffer.from(answer).toString()).to.equal("now");
      });

      it("fail at once where nobody listens", async () => {
        const away = await under.outcome(errorOf(one.transport.call(under.nowhere(9), "ask", bytes(""), 30_000)));
        expect(away.kind).to.equal("unreachable");
      });

      it("break with the connection", async () => {
        const asked = new Happenings<string>();
        service.answer = (method) => {
          asked.add(method);
          return new Promise(() => undefined);
        };
        const outcome = errorOf(one.transport.call(two.address, "ask", bytes(""), 30_000));
        await under.outcome(asked.reached(1));
        await under.outcome(two.crash());
        expect((await under.outcome(outcome)).kind).to.be.oneOf(["closed", "remote"]);
      });
    });

    describe("who is who", () => {
      it("refuses a node of another cluster, on all three connections", async () => {
        const strange = new NotingService();
        const stranger = await under.start(identityOf(3, "cluster-b"), strange);
        const refused = await under.outcome(errorOf(one.transport.call(stranger.address, "ask", bytes(""), 60_000)));
        expect([refused.kind, refused.code]).to.deep.equal(["refused", "INCONSISTENT_CLUSTER_ID"]);
        expect(refused.message)
          .to.match(/cluster-a/)
          .and.match(/cluster-b/);
        const near = new NotingStream();
        one.transport.openReplication(stranger.address, near);
        const [closed] = await under.outcome(near.closed.reached(1));
        expect([closed?.kind, closed?.code]).to.deep.equal(["refused", "INCONSISTENT_CLUSTER_ID"]);
        expect(strange.streams.all).to.deep.equal([]);
      });

      it("lets a node that belongs to no cluster meet any", async () => {
        const unborn = await under.start(identityOf(3, ""), new NotingService());
        const answer = await under.outcome(unborn.transport.call(two.address, "ask", bytes("x"), 60_000));
        expect(Buffer.from(answer).toString()).to.equal("ask(x) from 3");
        await under.outcome(two.transport.call(unborn.address, "ask", bytes("x"), 60_000));
      });

      it("refuses a node that stands where another one should", async () => {
        const wrong = { ...two.address, nodeId: 7 };
        const refused = await under.outcome(errorOf(one.transport.call(wrong, "ask", bytes(""), 60_000)));
        expect([refused.kind, refused.code]).to.deep.equal(["refused", "INVALID_VOTER_KEY"]);
      });
    });

    describe("replication", () => {
      it("carries frames both ways, whole or in pieces, in order", async () => {
        const { near, stream, far } = await opened();
        expect(far.from?.nodeId).to.equal(1);
        stream.send(bytes("first"));
        stream.send([bytes("se"), bytes(""), bytes("cond")]);
        stream.send(bytes(""));
        far.stream?.send([bytes("an"), bytes("swer")]);
        const up = await under.outcome(far.frames.reached(3));
        expect(up.map(String)).to.deep.equal(["first", "second", ""]);
        const down = await under.outcome(near.frames.reached(1));
        expect(down.map(String)).to.deep.equal(["answer"]);
      });

      it("carries frames that were sent before the connection stood", async () => {
        const stream = one.transport.openReplication(two.address, new NotingStream());
        for (let i = 0; i < 20; i++) stream.send(bytes(`frame ${i}`));
        const [far] = await under.outcome(service.streams.reached(1));
        const frames = await under.outcome((far as NotingStream).frames.reached(20));
        expect(frames.map(String)).to.deep.equal(Array.from({ length: 20 }, (_, i) => `frame ${i}`));
      });

      it("carries frames of every size up to a batch of the largest and more", async () => {
        const { stream, far } = await opened();
        for (const [count, length] of [1, 100, 16_384, 65_536, 1_048_576, 34_000_000].entries()) {
          const frame = Buffer.alloc(length, "0123456789");
          stream.send([frame.subarray(0, 7), frame.subarray(7)]);
          const frames = await under.outcome(far.frames.reached(count + 1));
          expect(frames.at(-1)?.equals(frame), String(length)).to.equal(true);
        }
      });

      it("says when enough is waiting, and when there is room again, and when memory is free", async () => {
        const { near, stream, far } = await opened();
        const frame = Buffer.alloc(256 * 1024, 1);
        const written = new Happenings<number>();
        let sent = 0;
        while (stream.send(frame, () => written.add(1))) sent++;
        expect((sent + 1) * frame.length).to.be.at.least(PEER_STREAM_AHEAD_BYTES);
        expect(stream.bufferedBytes).to.be.at.least(PEER_STREAM_AHEAD_BYTES);
        const [bufferedBytes] = await under.outcome(near.drains.reached(1));
        expect(bufferedBytes).to.be.at.most(PEER_STREAM_AHEAD_BYTES / 2);
        expect(stream.send(frame)).to.equal(true);
        await under.outcome(written.reached(sent + 1));
        await under.outcome(far.frames.reached(sent + 2));
        // The other end pushes too, and as hard.
        let pushed = 0;
        while (far.stream?.send(frame) === true) pushed++;
        await under.outcome(far.drains.reached(1));
        await under.outcome(near.frames.reached(pushed + 1));
      });

      it("ends behind what was sent when the dialling end closes", async () => {
        const { near, stream, far } = await opened();
        stream.send(bytes("last"));
        stream.close();
        expect(await under.outcome(far.closed.reached(1))).to.deep.equal([null]);
        expect(far.frames.all.map(String)).to.deep.equal(["last"]);
        expect(await under.outcome(near.closed.reached(1))).to.deep.equal([null]);
        expect(stream.send(bytes("too late"))).to.equal(true);
      });

      it("ends behind what was sent when the dialled end closes, and tells why", async () => {
        const { near, far } = await opened();
        far.stream?.send(bytes("last"));
        far.stream?.close({ code: "STALE_BROKER_EPOCH", message: "you are not you" });
        const [error] = await under.outcome(near.closed.reached(1));
        expect(near.frames.all.map(String)).to.deep.equal(["last"]);
        expect([error?.kind, error?.code, error?.message]).to.deep.equal([
          "remote",
          "STALE_BROKER_EPOCH",
          "you are not you",
        ]);
      });

      it("ends well when the dialled end closes without a reason", async () => {
        const { near, far } = await opened();
        far.stream?.close();
        expect(await under.outcome(near.closed.reached(1))).to.deep.equal([null]);
      });

      it("breaks at both ends when a process dies", async () => {
        const { far } = await opened();
        await under.outcome(one.crash());
        const [error] = await under.outcome(far.closed.reached(1));
        expect(error === null || error?.kind === "closed").to.equal(true);
      });

      it("says once that it could not be opened", async () => {
        const near = new NotingStream();
        const stream = one.transport.openReplication(under.nowhere(9), near);
        expect(stream.send(bytes("x"))).to.equal(true);
        const [error] = await under.outcome(near.closed.reached(1));
        expect(error?.kind).to.equal("unreachable");
        stream.close();
        stream.send(bytes("x"));
        await under.outcome(one.transport.call(two.address, "pause", bytes(""), 60_000));
        expect(near.closed.all).to.have.lengthOf(1);
      });
    });

    describe("who is gone", () => {
      it("is told of a control connection that closed, again when it closed again, and whether nobody listens", async () => {
        const lost = new Happenings<string>();
        one.transport.watchControl(two.address, () => lost.add("lost"));
        await under.outcome(one.transport.call(two.address, "pause", bytes(""), 60_000));
        expect(await under.outcome(one.transport.isRefused(two.address))).to.equal(false);
        expect(lost.all).to.deep.equal([]);
        await under.outcome(two.crash());
        await under.outcome(lost.reached(1));
        expect(await under.outcome(one.transport.isRefused(two.address))).to.equal(true);
        const again = await under.start(identityOf(2), service, two.address);
        await reached();
        const before = lost.all.length;
        await under.outcome(again.crash());
        await under.outcome(lost.reached(before + 1));
      });

      it("is told when a peer cannot be dialled at all, until the watch ends", async () => {
        const lost = new Happenings<string>();
        const nowhere = under.nowhere(9);
        const stop = one.transport.watchControl(nowhere, () => lost.add("lost"));
        await under.outcome(lost.reached(3));
        stop();
        const before = lost.all.length;
        await under.outcome(errorOf(one.transport.call(nowhere, "ask", bytes(""), 60_000)));
        expect(lost.all).to.have.lengthOf(before);
      });
    });

    it("ends everything when it is closed", async () => {
      const { near, far } = await opened();
      service.answer = () => new Promise(() => undefined);
      const asked = errorOf(one.transport.call(two.address, "ask", bytes(""), 30_000));
      await under.outcome(one.transport.close());
      expect((await under.outcome(asked)).kind).to.equal("closed");
      expect((await under.outcome(near.closed.reached(1)))[0]?.kind).to.equal("closed");
      await under.outcome(far.closed.reached(1));
      expect((await under.outcome(errorOf(one.transport.call(two.address, "ask", bytes(""), 30_000)))).kind).to.equal(
        "closed",
      );
      const late = new NotingStream();
      one.transport.openReplication(two.address, late);
      await under.outcome(late.closed.reached(1));
      one.transport.sendRaft(two.address, bytes("x"));
      expect(await under.outcome(one.transport.isRefused(two.address))).to.equal(false);
    });
  });
}
