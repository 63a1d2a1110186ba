/** Errors as users see them: total, branded, ready for a log line. */
import { ERROR_TABLE, errorRow, ProtoError, wire } from "@tidemark/proto";
import { expect } from "chai";
import fc from "fast-check";
import { AuthError, BrokerError, FencedError, TimeoutError } from "../src/index.ts";
import { brokerErrorOf, CodecError } from "../src/errors.ts";

function callError(code: number, details: string, trailer?: Buffer): Error {
  const metadata = { get: (key: string) => (key === "tidemark-error-bin" && trailer !== undefined ? [trailer] : []) };
  return Object.assign(new Error(`${code} ${details}`), { code, details, metadata });
}

describe("errors", () => {
  it("has an error for every row of the table, with its code, number and remedy", () => {
    for (const row of ERROR_TABLE) {
      const error = brokerErrorOf(row, "");
      expect(error).to.include({
        code: row.clientCode,
        kafkaCode: row.code,
        retriable: row.retriable,
        message: row.text,
      });
      expect(error.hint ?? "").to.equal(row.hint);
    }
    expect(brokerErrorOf(errorRow("PRODUCER_FENCED"), ""))
      .to.be.instanceOf(FencedError)
      .with.property("fatal", true);
    expect(brokerErrorOf(errorRow("TOPIC_AUTHORIZATION_FAILED"), "")).to.be.instanceOf(AuthError);
    expect(brokerErrorOf(errorRow("REQUEST_TIMED_OUT"), ""))
      .to.be.instanceOf(TimeoutError)
      .with.property("outcome", "unknown");
    expect(brokerErrorOf(errorRow("TRANSACTION_ABORTABLE"), "").txAbortable).to.equal(true);
  });

  it("makes one of anything that was thrown, and throws nothing itself", () => {
    fc.assert(fc.property(fc.anything(), (thrown) => BrokerError.from(thrown) instanceof BrokerError));
    const nameless = Object.create(null) as object;
    expect(BrokerError.from(nameless).code).to.equal("INTERNAL");
    expect(
      BrokerError.from({
        toString: () => {
          throw new Error("no");
        },
      }).code,
    ).to.equal("INTERNAL");
    const known = new TimeoutError("late", "not-sent");
    expect(BrokerError.from(known)).to.equal(known);
    expect(BrokerError.from(new ProtoError("CORRUPT_MESSAGE", "damaged"))).to.include({
      code: "CORRUPT",
      kafkaCode: 2,
      message: "damaged",
    });
  });

  it("reads the coded error in the trailer of a call, and the status where there is none", () => {
    const detail = {
      code: 3,
      name: "UNKNOWN_TOPIC_OR_PARTITION",
      message: "no topic x",
      retriable: true,
      topic: "x",
      partition: 2,
    };
    const coded = BrokerError.from(callError(5, "no", wire.errorDetail.encode(detail)));
    expect(coded).to.include({
      code: "UNKNOWN_TOPIC_OR_PARTITION",
      kafkaCode: 3,
      grpcCode: 5,
      topic: "x",
      partition: 2,
      message: "no topic x",
    });
    expect(BrokerError.from(callError(14, "connect ECONNREFUSED"))).to.include({
      code: "CONNECTION_LOST",
      retriable: true,
      grpcCode: 14,
    });
    expect(BrokerError.from(callError(4, "late"))).to.be.instanceOf(TimeoutError);
    expect(BrokerError.from(callError(16, "who")))
      .to.be.instanceOf(AuthError)
      .with.property("code", "AUTHENTICATION_FAILED");
    expect(BrokerError.from(callError(12, "what"))).to.include({ code: "UNSUPPORTED" });
    expect(BrokerError.from(callError(14, "gone", Buffer.from([0xff])))).to.include({ code: "CONNECTION_LOST" });
  });

  it("is known by its brand across copies of the package", () => {
    const foreign = { [Symbol.for("tidemark.BrokerError")]: true, code: "TIMEOUT" };
    expect(BrokerError.is(foreign)).to.equal(true);
    expect(BrokerError.is(foreign, "TIMEOUT")).to.equal(true);
    expect(BrokerError.is(foreign, "CLOSED")).to.equal(false);
    expect(BrokerError.is(new Error("x"))).to.equal(false);
    expect(BrokerError.is(null)).to.equal(false);
  });

  it("fits into a log line", () => {
    const error = new TimeoutError("late", "unknown", { topic: "t", partition: 1, attempts: 3, elapsedMs: 12.7 });
    const line = JSON.parse(JSON.stringify(error)) as object;
    expect(line).to.deep.include({
      name: "TimeoutError",
      code: "TIMEOUT",
      outcome: "unknown",
      topic: "t",
      partition: 1,
      attempts: 3,
      elapsedMs: 13,
    });
    expect(new CodecError("x")).to.include({ name: "CodecError", docs: "docs/errors.md#codec" });
  });
});
