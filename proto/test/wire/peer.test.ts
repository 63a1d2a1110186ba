/** The peer service's messages are those of peer.proto, and who does not name himself well is nobody. */
import { loadSync } from "@grpc/proto-loader";
import { expect } from "chai";
import fc from "fast-check";
import { PEER_METHODS, peerFrameHead, peerHeaders, peerMeantBy, peerNamesFrom, peerWire } from "../../src/index.ts";
import type { MessageCodec } from "../../src/index.ts";
import type { LoadedMessage } from "./descriptors.ts";

const loaded = loadSync("tidemark/v1/peer.proto", {
  keepCase: false,
  defaults: true,
  includeDirs: [new URL("../../..", import.meta.url).pathname],
});

const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array));
const shapes = {
  Frame: fc.record({ payload: bytes }),
  CallRequest: fc.record({ method: fc.string(), body: bytes }),
  CallResponse: fc.record({ body: bytes }),
};
const codecs: Record<keyof typeof shapes, MessageCodec<object>> = {
  Frame: peerWire.frame,
  CallRequest: peerWire.callRequest,
  CallResponse: peerWire.callResponse,
};

describe("the peer service's codec against proto-loader", () => {
  for (const name of ["Frame", "CallRequest", "CallResponse"] as const) {
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

  it("writes before a payload what makes it a frame", () => {
    for (const length of [0, 1, 127, 128, 16_383, 16_384, 3_000_000]) {
      const payload = Buffer.alloc(length, 7);
      const frame = Buffer.concat([peerFrameHead(length), payload]);
      expect(peerWire.frame.decode(frame).payload.equals(payload)).to.equal(true);
    }
  });

  it("names the methods as the .proto file does", () => {
    const service = loaded["tidemark.v1.Peer"] as unknown as Record<string, { path: string }>;
    expect(Object.values(PEER_METHODS)).to.deep.equal(Object.values(service).map(({ path }) => path));
  });
});

describe("the names of a peer", () => {
  const names = { clusterId: "Ys1-aQ", nodeId: 3, directoryId: "d-3" };

  it("come out of the headers that they were put into, and so does whom they mean", () => {
    expect(peerNamesFrom(peerHeaders(names, 2))).to.deep.equal(names);
    expect(peerMeantBy(peerHeaders(names, 2))).to.equal(2);
    expect(peerNamesFrom(peerHeaders({ ...names, clusterId: "" }))).to.deep.equal({ ...names, clusterId: "" });
    expect(peerMeantBy(peerHeaders(names))).to.equal(null);
  });

  it("say where the door of their node stands, if they do", () => {
    for (const door of [
      { host: "broker-3", port: 9392 },
      { host: "", port: 1 },
      { host: "::1", port: 65_535 },
    ])
      expect(peerNamesFrom(peerHeaders({ ...names, door }))).to.deep.equal({ ...names, door });
    for (const text of ["", "9392", "a:0", "a:70000", "a:b", `${"x".repeat(400)}:1`])
      expect(peerNamesFrom({ ...peerHeaders(names), "tidemark-peer-door": text }), text).to.deep.equal(names);
  });

  it("are nobody's where one of them is missing, doubled, too long, or of another version", () => {
    const headers: Record<string, string | string[] | undefined> = peerHeaders(names, 2);
    for (const [key, value] of [
      ["tidemark-peer-version", "2"],
      ["tidemark-peer-version", undefined],
      ["tidemark-node-id", "-1"],
      ["tidemark-node-id", "99999999999"],
      ["tidemark-node-id", "4294967295"],
      ["tidemark-cluster-id", undefined],
      ["tidemark-cluster-id", "x".repeat(65)],
      ["tidemark-directory-id", ["a", "b"]],
    ] as const) {
      expect(peerNamesFrom({ ...headers, [key]: value as string }), `${key}: ${String(value)}`).to.equal(null);
    }
  });
});
