/** The messages between brokers are those of peer.proto, and who does not name himself well is nobody. */
import { loadSync } from "@grpc/proto-loader";
import { expect } from "chai";
import fc from "fast-check";
import {
  decodePeerHello,
  encodePeerHello,
  foreignVersionsOf,
  ProtoError,
  PeerPurpose,
  peerWire,
} from "../../src/index.ts";
import type { MessageCodec } from "../../src/index.ts";
import type { LoadedMessage } from "./descriptors.ts";

const loaded = loadSync("tidemark/v1/peer.proto", {
  keepCase: false,
  defaults: true,
  enums: Number,
  includeDirs: [new URL("../../..", import.meta.url).pathname],
});

const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array));
const number = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const shapes = {
  Hello: fc.record({
    magic: fc.string(),
    version: number,
    clusterId: fc.string(),
    nodeId: number,
    directoryId: fc.string(),
    doorHost: fc.string(),
    doorPort: number,
    to: number,
    purpose: fc.integer({ min: 0, max: 3 }),
    oldestVersion: number,
  }),
  Call: fc.record({ id: number, method: fc.string(), body: bytes }),
  Answer: fc.record({ id: number, body: bytes }),
  Failure: fc.record({ id: number, code: fc.string(), message: fc.string() }),
};
const codecs: Record<keyof typeof shapes, MessageCodec<object>> = {
  Hello: peerWire.hello,
  Call: peerWire.call,
  Answer: peerWire.answer,
  Failure: peerWire.failure,
};

describe("the codec of what brokers say against proto-loader", () => {
  for (const name of ["Hello", "Call", "Answer", "Failure"] as const) {
    it(`reads and writes ${name} as proto-loader does`, () => {
      const theirs = loaded[`tidemark.v1.${name}`] as unknown as LoadedMessage;
      const ours = codecs[name];
      fc.assert(
        fc.property(shapes[name] as fc.Arbitrary<object>, (message) => {
          expect(ours.decode(theirs.serialize(message))).to.deep.equal(message);
          expect(theirs.deserialize(ours.encode(message))).to.deep.equal(message);
        }),
      );
    });
  }

  it("numbers the purposes as the .proto file does", () => {
    const { type } = loaded["tidemark.v1.Purpose"] as unknown as {
      type: { value: { name: string; number: number }[] };
    };
    expect(type.value.map(({ name, number: value }) => [name, value])).to.deep.equal(
      Object.entries(PeerPurpose).map(([name, value]) => [`PURPOSE_${name}`, value]),
    );
  });
});

describe("the names of a peer", () => {
  const names = { clusterId: "Ys1-aQ", nodeId: 3, directoryId: "d-3" };
  const dialled = { to: 2, purpose: PeerPurpose.RAFT };

  it("come out of the hello that they were put into, and so does whom they mean", () => {
    expect(decodePeerHello(encodePeerHello(names, dialled))).to.deep.equal({ names, ...dialled, version: 1 });
    expect(decodePeerHello(encodePeerHello({ ...names, clusterId: "" }))?.names).to.deep.equal({
      ...names,
      clusterId: "",
    });
    const undialled = { to: 0, purpose: PeerPurpose.NONE };
    expect(decodePeerHello(encodePeerHello(names))).to.deep.equal({ names, ...undialled, version: 1 });
  });

  it("say where the door of their node stands, if they do", () => {
    for (const door of [
      { host: "broker-3", port: 9392 },
      { host: "", port: 1 },
      { host: "::1", port: 65_535 },
    ])
      expect(decodePeerHello(encodePeerHello({ ...names, door }))?.names).to.deep.equal({ ...names, door });
    for (const door of [
      { host: "a", port: 0 },
      { host: "a", port: 70_000 },
      { host: "x".repeat(400), port: 1 },
    ])
      expect(decodePeerHello(encodePeerHello({ ...names, door }))?.names).to.deep.equal(names);
  });

  it("are nobody's where one of them is too long or too large, or of another version", () => {
    const hello = peerWire.hello.decode(encodePeerHello(names, dialled));
    expect(decodePeerHello(peerWire.hello.encode(hello))).not.to.equal(null);
    for (const change of [
      { magic: "" },
      { magic: "tidemark peers" },
      { version: 2, oldestVersion: 2 },
      { version: 2, oldestVersion: 0 },
      { version: 1, oldestVersion: 2 },
      { version: 0, oldestVersion: 0 },
      { nodeId: 2 ** 31 },
      { clusterId: "x".repeat(65) },
      { directoryId: "x".repeat(65) },
    ])
      expect(decodePeerHello(peerWire.hello.encode({ ...hello, ...change })), JSON.stringify(change)).to.equal(null);
  });

  it("come with the newest version that both ends speak, whoever of them decodes, or with none", () => {
    const version = fc.integer({ min: 1, max: 6 });
    const versions = fc.tuple(version, version).map(([a, b]) => ({ oldest: Math.min(a, b), newest: Math.max(a, b) }));
    fc.assert(
      fc.property(versions, versions, (ours, theirs) => {
        const common = [6, 5, 4, 3, 2, 1].find((v) =>
          [ours, theirs].every(({ oldest, newest }) => oldest <= v && v <= newest),
        );
        const heard = decodePeerHello(encodePeerHello(names, dialled, theirs), ours)?.version;
        const foreign = foreignVersionsOf(encodePeerHello(names, dialled, theirs), ours);
        expect(foreign, "told to whom none is common with").to.deep.equal(common === undefined ? theirs : null);
        expect(heard).to.equal(common);
        expect(decodePeerHello(encodePeerHello(names, dialled, ours), theirs)?.version).to.equal(common);
      }),
    );
  });

  it("are those of a broker of the next release too, as long as it speaks this version", () => {
    const next = encodePeerHello(names, dialled, { oldest: 1, newest: 2 });
    expect(decodePeerHello(next)).to.deep.equal({ names, ...dialled, version: 1 });
  });

  it("are not found in garbage, which does no harm", () => {
    fc.assert(
      fc.property(bytes, (garbage) => {
        try {
          expect(decodePeerHello(garbage)).to.equal(null);
        } catch (error: unknown) {
          expect(error).to.be.instanceOf(ProtoError);
        }
      }),
    );
  });
});
