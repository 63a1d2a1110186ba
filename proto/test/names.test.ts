import { expect } from "chai";
import fc from "fast-check";
import {
  murmur2,
  partitionForKey,
  ProtoError,
  topicCollisionKey,
  uuidFromText,
  uuidToText,
  validateTopicName,
} from "../src/index.ts";

describe("validateTopicName", () => {
  it("takes every legal character, and 249 of them", () => {
    for (const name of ["a", "Orders.v1_eu-west", "__consumer_offsets", "...", "-", "0", "x".repeat(249)]) {
      expect(validateTopicName(name), name).to.equal(null);
    }
  });

  it("bad input: illegal topic name: empty, `.`, `..`, separators, other characters, 250 of them", () => {
    for (const name of [
      "",
      ".",
      "..",
      "a/b",
      "../etc",
      "a\\b",
      "a b",
      "a\0b",
      "a\n",
      "ü",
      "a:b",
      "a,b",
      "😀",
      "x".repeat(250),
    ]) {
      expect(validateTopicName(name), JSON.stringify(name)).to.be.a("string");
    }
  });

  it("says why in a few words, whatever the name", () => {
    fc.assert(fc.property(fc.string({ maxLength: 400 }), (name) => (validateTopicName(name) ?? "").length < 100));
  });

  it("knows which names collide", () => {
    expect(topicCollisionKey("a.b_c")).to.equal(topicCollisionKey("a_b.c"));
    expect(topicCollisionKey("a.b")).not.to.equal(topicCollisionKey("a-b"));
  });
});

describe("murmur2", () => {
  it("gives the numbers of Kafka's Java clients, for every length of tail", () => {
    const known: Record<string, number> = {
      "21": -973932308,
      foobar: -790332482,
      "a-little-bit-long-string": -985981536,
      "a-little-bit-longer-string": -1486304829,
      lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8: -58897971,
      abc: 479470107,
    };
    for (const [key, hash] of Object.entries(known)) expect(murmur2(Buffer.from(key)), key).to.equal(hash);
  });

  it("chooses a partition that there is, the same one for the same key", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), fc.integer({ min: 1, max: 10_000 }), (key, count) => {
        const partition = partitionForKey(key, count);
        expect(partition).to.be.within(0, count - 1);
        expect(partitionForKey(Buffer.from(key), count)).to.equal(partition);
      }),
    );
    expect(partitionForKey(Buffer.from("21"), 10)).to.equal((-973932308 & 0x7fffffff) % 10);
  });
});

describe("UUIDs in text", () => {
  it("are 22 characters of base64url, and come back", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
        const text = uuidToText(bytes);
        expect(text).to.match(/^[A-Za-z0-9_-]{22}$/u);
        expect(uuidFromText(text)).to.deep.equal(Buffer.from(bytes));
      }),
    );
  });

  it("have one text each: what was not written so is refused", () => {
    for (const text of [
      "",
      "AAAAAAAAAAAAAAAAAAAAAB",
      "AAAAAAAAAAAAAAAAAAAAA",
      "AAAAAAAAAAAAAAAAAAAAAA==",
      "+AAAAAAAAAAAAAAAAAAAAA",
      "x".repeat(9999),
    ]) {
      expect(() => uuidFromText(text), text)
        .to.throw(ProtoError)
        .with.property("code", "INVALID_REQUEST");
    }
    expect(() => uuidToText(Buffer.alloc(15))).to.throw(ProtoError);
  });
});
