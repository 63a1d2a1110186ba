/** Codecs byte for byte, and what they say about bytes that are not theirs. */
import { expect } from "chai";
import fc from "fast-check";
import {
  BrokerError,
  codecs,
  type Codec,
  type CodecContext,
  CodecError,
  type StandardSchema,
  topic,
} from "../src/index.ts";
import { HeaderList } from "../src/record-headers.ts";

const context: CodecContext = { topic: "t", part: "value", headers: HeaderList.NONE };

function roundTrip<T>(codec: Codec<T>, value: T): T | Promise<T> {
  const encoded = codec.encode(value, context);
  if (encoded instanceof Promise) throw new Error("a synchronous codec");
  return codec.decode(encoded, context);
}

function hex<T>(codec: Codec<T>, value: T): string {
  const encoded = codec.encode(value, context);
  if (encoded === null || encoded instanceof Promise) throw new Error("bytes");
  return Buffer.from(encoded).toString("hex");
}

describe("codecs", () => {
  it("write what Kafka's Java serializers write", () => {
    expect(hex(codecs.int32, -2)).to.equal("fffffffe");
    expect(hex(codecs.int64, 2n ** 62n)).to.equal("4000000000000000");
    expect(hex(codecs.double, 1.5)).to.equal("3ff8000000000000");
    expect(hex(codecs.string, "é")).to.equal("c3a9");
    expect(hex(codecs.uuid, "123e4567-e89b-12d3-a456-426614174000")).to.equal(
      Buffer.from("123e4567-e89b-12d3-a456-426614174000").toString("hex"),
    );
  });

  it("read back what they wrote", () => {
    fc.assert(fc.property(fc.integer(), (value) => roundTrip(codecs.int32, value) === value));
    fc.assert(
      fc.property(
        fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
        (value) => roundTrip(codecs.int64, value) === value,
      ),
    );
    fc.assert(fc.property(fc.double(), (value) => Object.is(roundTrip(codecs.double, value), value)));
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(roundTrip(codecs.json(), value)).to.deep.equal(JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  it("refuse bytes that are not theirs", () => {
    for (const codec of [codecs.int32, codecs.int64, codecs.double, codecs.uuid, codecs.json()]) {
      expect(() => codec.decode(Buffer.from("xyz"), context)).to.throw();
      expect(() => codec.decode(null, context)).to.throw(CodecError, "null");
    }
  });

  it("leave null to bytes and nullable, and give records without a key the empty text", () => {
    expect(codecs.bytes.decode(null, context)).to.equal(null);
    expect(codecs.nullable(codecs.int32).decode(null, context)).to.equal(null);
    expect(codecs.nullable(codecs.int32).encode(null, context)).to.equal(null);
    expect(() => codecs.string.decode(null, context)).to.throw(CodecError);
    expect(codecs.string.decode(null, { ...context, part: "key" })).to.equal("");
  });

  it("check values with any standard schema, both ways, also where it takes its time", async () => {
    const positive: StandardSchema<number> = {
      "~standard": {
        validate: (value) =>
          typeof value === "number" && value > 0 ? { value } : { issues: [{ message: "not positive" }] },
      },
    };
    const slow: StandardSchema<number> = {
      "~standard": { validate: async (value) => positive["~standard"].validate(value) },
    };
    expect(roundTrip(codecs.json(positive), 5)).to.equal(5);
    expect(() => codecs.json(positive).encode(-5, context)).to.throw(CodecError, "not positive");
    expect(() => codecs.json(positive).decode(Buffer.from("-5"), context)).to.throw(CodecError, "not positive");
    expect(await codecs.json(slow).decode(Buffer.from("5"), context)).to.equal(5);
    const failed = await Promise.resolve(codecs.json(slow).decode(Buffer.from("0"), context)).catch(
      (error: unknown) => error,
    );
    expect(failed).to.be.instanceOf(CodecError);
  });

  it("belong to a topic whose name is legal", () => {
    expect(topic("orders").name).to.equal("orders");
    for (const name of ["", ".", "..", "a/b", "x".repeat(250)])
      expect(() => topic(name))
        .to.throw(BrokerError)
        .with.property("code", "INVALID_ARGUMENT");
  });
});
