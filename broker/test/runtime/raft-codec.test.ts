/** Messages of the consensus core as frames: they come back as they were sent, and nothing that anybody sends does harm. */
import { expect } from "chai";
import fc from "fast-check";
import type { Message } from "../../src/raft/index.ts";
import { decodeMessage, encodeMessage, MalformedMessage } from "../../src/runtime/index.ts";

const replica = fc.record({ nodeId: fc.nat(), directoryId: fc.string({ maxLength: 22 }) });
const number = fc.maxSafeNat();
const header = { from: replica, to: replica, term: number };
const voters = fc.array(replica, { maxLength: 7 });
const snapshot = fc.record({
  index: number,
  term: number,
  voters,
  sizeBytes: number,
  crc: fc.nat({ max: 2 ** 32 - 1 }),
});
const body = fc.oneof(
  fc.record({ kind: fc.constant("command" as const), bytes: fc.uint8Array({ maxLength: 300 }) }),
  fc.record({ kind: fc.constant("leaderStart" as const) }),
  fc.record({ kind: fc.constant("voters" as const), voters }),
);

/** As a leader sends them: without a gap, terms that do not fall. */
const append = fc
  .tuple(fc.record(header), fc.nat(), fc.nat(), number, fc.array(fc.tuple(body, fc.nat({ max: 3 })), { maxLength: 20 }))
  .map(([head, previousIndex, previousTerm, commitIndex, bodies]): Message => {
    let term = previousTerm;
    const entries = bodies.map(([each, more], slot) => ({
      index: previousIndex + 1 + slot,
      term: (term += more),
      body: each,
    }));
    const ownTerm = Math.max(term, head.term);
    return { kind: "appendRequest", ...head, term: ownTerm, previousIndex, previousTerm, commitIndex, entries };
  });

const kind = <Kind extends Message["kind"]>(name: Kind) => fc.constant(name);
const message: fc.Arbitrary<Message> = fc.oneof(
  append,
  fc.record({
    kind: kind("voteRequest"),
    ...header,
    isPreVote: fc.boolean(),
    isTransfer: fc.boolean(),
    lastIndex: number,
    lastTerm: number,
  }),
  fc.record({ kind: kind("voteResponse"), ...header, isPreVote: fc.boolean(), isGranted: fc.boolean() }),
  fc.record({ kind: kind("appendAccepted"), ...header, matchIndex: number }),
  fc.record({ kind: kind("appendRejected"), ...header, previousIndex: number, hintIndex: number, hintTerm: number }),
  fc.record({ kind: kind("heartbeatRequest"), ...header, commitIndex: number, readRound: number }),
  fc.record({ kind: kind("heartbeatResponse"), ...header, readRound: number }),
  fc.record({ kind: kind("snapshotOffer"), ...header, snapshot }),
  fc.record({ kind: kind("snapshotFetch"), ...header, snapshot, position: number }),
  fc.record({
    kind: kind("snapshotChunk"),
    ...header,
    snapshot,
    position: number,
    bytes: fc.uint8Array({ maxLength: 2000 }),
  }),
  fc.record({ kind: kind("timeoutNow"), ...header }),
  fc.record({ kind: kind("followRequest"), ...header }),
);

/** Either a message that is one, or MalformedMessage. */
function decodeOrRefuse(frame: Uint8Array): Message | null {
  try {
    return decodeMessage(frame);
  } catch (error: unknown) {
    if (error instanceof MalformedMessage) return null;
    throw error;
  }
}

describe("Raft messages as frames", () => {
  it("come back as they were sent (property)", () => {
    const seen = new Set<string>();
    fc.assert(
      fc.property(message, (sent) => {
        seen.add(sent.kind);
        const received = decodeMessage(Uint8Array.from(encodeMessage(sent)));
        // Records of the generator have no prototype.
        expect(JSON.parse(JSON.stringify(received))).to.deep.equal(JSON.parse(JSON.stringify(sent)));
      }),
      { numRuns: 600 },
    );
    expect(seen.size).to.equal(12);
  });

  it("are refused when cut anywhere, and when something follows (property)", () => {
    fc.assert(
      fc.property(message, fc.nat(), (sent, where) => {
        const frame = encodeMessage(sent);
        expect(decodeOrRefuse(frame.subarray(0, where % frame.length))).to.equal(null);
        expect(decodeOrRefuse(Buffer.concat([frame, Buffer.from([0])]))).to.equal(null);
      }),
      { numRuns: 300 },
    );
  });

  it("altered anywhere are refused or are another message, and nothing else happens (fuzz)", () => {
    fc.assert(
      fc.property(
        message,
        fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { minLength: 1, maxLength: 6 }),
        (sent, changes) => {
          const frame = Uint8Array.from(encodeMessage(sent));
          for (const [where, byte] of changes) frame[where % frame.length] = byte;
          const received = decodeOrRefuse(frame);
          if (received !== null)
            expect(decodeMessage(Uint8Array.from(encodeMessage(received)))).to.deep.equal(received);
        },
      ),
      { numRuns: 1500 },
    );
  });

  it("of any bytes do no harm (fuzz)", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 120 }), fc.nat({ max: 12 }), (bytes, kindNumber) => {
        decodeOrRefuse(bytes);
        decodeOrRefuse(Buffer.concat([Buffer.from([1, kindNumber]), bytes]));
      }),
      { numRuns: 3000 },
    );
  });

  it("do not make room for what they only announce", () => {
    const frame = Buffer.from(
      encodeMessage({
        kind: "appendRequest",
        from: { nodeId: 1, directoryId: "d" },
        to: { nodeId: 2, directoryId: "d" },
        term: 1,
        previousIndex: 0,
        previousTerm: 0,
        commitIndex: 0,
        entries: [],
      }),
    );
    frame.writeUInt32BE(0xffff_ffff, frame.length - 4);
    expect(() => decodeMessage(frame)).to.throw(MalformedMessage, "4294967295 entries in 0 bytes");
  });

  it("name a version that this broker does not read", () => {
    const frame = Buffer.from([2, 0, 0, 0]);
    expect(() => decodeMessage(frame)).to.throw(MalformedMessage, "version 2");
  });
});
