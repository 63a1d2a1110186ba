import { expect } from "chai";
import fc from "fast-check";
import { DATA_SERVICE, wire } from "../../src/index.ts";
import { loadDescriptors } from "../../src/control.ts";
import { messageNames, messages, pairs } from "./descriptors.ts";

/** proto-loader leaves enums open as numbers only where asked; here they are small and named alike on both sides. */
const RUNS = { numRuns: 150 };

describe("the wire codec against proto-loader", () => {
  it("has a table for every message of data.proto, and no other", () => {
    const names = messageNames().map((name) => name.charAt(0).toLowerCase() + name.slice(1));
    expect(Object.keys(wire).toSorted()).to.deep.equal(names.toSorted());
  });

  for (const { name, loaded, ours } of pairs()) {
    describe(name, () => {
      it("reads what proto-loader writes", () => {
        fc.assert(
          fc.property(messages(name), (message) => {
            expect(ours.decode(loaded.serialize(message))).to.deep.equal(message);
          }),
          RUNS,
        );
      });

      it("writes what proto-loader reads", () => {
        fc.assert(
          fc.property(messages(name), (message) => {
            expect(loaded.deserialize(ours.encode(message))).to.deep.equal(message);
          }),
          RUNS,
        );
      });

      it("round trips, and reads no bytes as the message of zeros", () => {
        fc.assert(
          fc.property(messages(name), (message) => {
            const bytes = ours.encode(message);
            expect(ours.decode(bytes)).to.deep.equal(message);
            expect(ours.encode(ours.decode(bytes))).to.deep.equal(bytes);
          }),
          RUNS,
        );
        expect(ours.decode(Buffer.alloc(0))).to.deep.equal(loaded.deserialize(Buffer.alloc(0)));
      });

      it("writes itself behind a frame's prefix to the same bytes, touching nothing else", () => {
        fc.assert(
          fc.property(messages(name), fc.integer({ min: 0, max: 9 }), (message, at) => {
            const bytes = ours.encode(message);
            const deferred = ours.defer(message);
            const frame = Buffer.alloc(at + deferred.length + 3, 0xa5);
            expect(deferred.copy(frame, at)).to.equal(bytes.length);
            expect(frame).to.deep.equal(Buffer.concat([Buffer.alloc(at, 0xa5), bytes, Buffer.alloc(3, 0xa5)]));
          }),
          RUNS,
        );
      });
    });
  }

  it("names the methods of the data service as the .proto file does", () => {
    const loaded = loadDescriptors()["tidemark.v1.Data"] as unknown as Record<
      string,
      { path: string; requestStream: boolean; responseStream: boolean }
    >;
    const ours = Object.values(DATA_SERVICE).map(({ path, requestStream, responseStream }) => ({
      path,
      requestStream,
      responseStream,
    }));
    expect(ours).to.deep.equal(
      Object.values(loaded).map(({ path, requestStream, responseStream }) => ({ path, requestStream, responseStream })),
    );
  });
});
