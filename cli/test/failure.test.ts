import { expect } from "chai";
import { readFileSync } from "node:fs";
import { CliFailure, renderFailure, toFailure, usageFailure } from "../src/failure.ts";

const golden = new URL("../../test/golden/failure.json", import.meta.url);
const plain = { asJson: false, verbose: false };

/** An error in the shape of the SDK's, as another copy of the package would make it. */
function sdkError(code: string): Error {
  return Object.assign(new Error("no such topic"), {
    code,
    retriable: false,
    hint: "create it",
    topic: "orders",
    kafkaCode: 3,
  });
}

describe("failures", () => {
  it("of a cluster or a machine that is unhealthy ends with 9", () => {
    expect(new CliFailure("UNHEALTHY", "broker 3 is down").exitCode).to.equal(9);
  });

  it("are printed as code, hint and where to read more", () => {
    const text = renderFailure(usageFailure("what?", "this"), plain);
    expect(text).to.equal("error: USAGE: what?\nhint: this\nsee: tidemark explain USAGE\n");
  });

  it("are one JSON object with -o json, in the shape of the golden file", () => {
    const text = renderFailure(toFailure(sdkError("UNKNOWN_TOPIC_OR_PARTITION")), { asJson: true, verbose: false });
    expect(text).to.equal(readFileSync(golden, "utf8"));
  });

  it("take the exit code from their own code", () => {
    const codes = [
      "UNKNOWN_TOPIC_OR_PARTITION",
      "TOPIC_ALREADY_EXISTS",
      "AUTHORIZATION_FAILED",
      "CONNECTION_LOST",
      "TIMEOUT",
      "PARTIAL",
      "RECORD_TOO_LARGE",
    ];
    expect(codes.map((code) => toFailure(sdkError(code)).exitCode)).to.deep.equal([3, 4, 5, 6, 7, 8, 1]);
  });

  it("keep the code of a system error and name its path", () => {
    const missing = toFailure(
      Object.assign(new Error("ENOENT: no such file or directory, open 'x'"), { code: "ENOENT", path: "x" }),
    );
    expect(missing).to.include({ code: "FILE_NOT_FOUND", message: "x: no such file or directory", exitCode: 3 });
    const denied = toFailure(
      Object.assign(new Error("EACCES: permission denied, open 'x'"), { code: "EACCES", path: "x" }),
    );
    expect(denied).to.include({ code: "EACCES", message: "x: permission denied", exitCode: 1 });
    const directory = toFailure(
      Object.assign(new Error("EISDIR: illegal operation on a directory, open 'x'"), { code: "EISDIR", path: "x" }),
    );
    expect(directory).to.include({ code: "EISDIR", message: "x: is a directory", exitCode: 3 });
    expect(new CliFailure("ENOTDIR", "x is a file").exitCode, "as what is not there").to.equal(3);
  });

  it("call what nobody foresaw INTERNAL and show its stack when asked", () => {
    const failure = toFailure(new TypeError("x is not a function"));
    expect(failure).to.include({ code: "INTERNAL", exitCode: 1 });
    expect(renderFailure(failure, plain)).to.not.include("at ");
    expect(renderFailure(failure, { asJson: false, verbose: true })).to.include(
      "TypeError: x is not a function\n    at ",
    );
    expect(toFailure("text").message).to.equal("text");
  });

  it("stay what they are", () => {
    const failure = new CliFailure("PARTIAL", "half");
    expect(toFailure(failure)).to.equal(failure);
  });
});
