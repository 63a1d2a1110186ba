/** What `npm run sim` says of a run that failed, and the file that it is run again from. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { describeFailure, describePlan, failureFile, readFailure, writeFailure } from "../../src/sim/failure.ts";
import type { Outcome } from "../../src/sim/profiles.ts";

const failed: Outcome = {
  failure: {
    invariant: "RE7",
    message: "t-0: 4 was acknowledged, the high watermark is 3",
    stack: "InvariantViolation: …",
    options: { brokersCount: 3 },
    lastEvents: ["#41 7.000 ms kill broker 2 0 0"],
  },
  totals: {},
  counts: new Map(),
  traceHash: "0123456789abcdef",
  event: 42,
  plan: [{ atMs: 7, fault: "kill", broker: 2 } as never, { atMs: 9.25, send: 0, topic: "t", partition: 0, bytes: 12 }],
};

describe("a failure of npm run sim", () => {
  const directory = mkdtempSync(join(tmpdir(), "tidemark-sim-"));
  const path = join(directory, "sim-fail-9.json");
  after(() => rmSync(directory, { recursive: true }));
  const file = failureFile("cluster", 9, failed, "abc123");
  if (file === null) throw new Error("it has failed");

  it("begins with the invariant, the seed, the commit and the event, and ends with the command that makes it again", () => {
    const lines = describeFailure(file, failed, "npm run sim -- --profile cluster --seed 9").split("\n");
    expect(lines[0]).to.equal("SIM FAIL RE7 seed=9 commit=abc123 event=42 profile=cluster");
    expect(lines[1]).to.equal("t-0: 4 was acknowledged, the high watermark is 3");
    expect(lines).to.include('options {"brokersCount":3}').and.to.include("#41 7.000 ms kill broker 2 0 0");
    expect(lines.at(-1)).to.equal("replay: npm run sim -- --profile cluster --seed 9");
  });

  it("tells who should act where something was not in time", () => {
    const late: Outcome["failure"] = {
      ...(failed.failure as NonNullable<Outcome["failure"]>),
      waitChain: ["who waits for what:", "  broker 2 is down"],
    };
    const lateFile = failureFile("cluster", 9, { ...failed, failure: late }, "abc123");
    if (lateFile === null) throw new Error("it has failed");
    expect(describeFailure(lateFile, failed, "").split("\n").slice(2, 4)).to.deep.equal(late.waitChain);
    writeFailure(path, lateFile);
    expect(readFailure(path)).to.deep.equal(lateFile);
  });

  it("is read from its file as it was written there", () => {
    writeFailure(path, file);
    expect(readFailure(path)).to.deep.equal(file);
    const plainFile = { ...file, plan: null };
    writeFailure(path, plainFile);
    expect(readFailure(path)).to.deep.equal(plainFile);
  });

  it("says what is wrong with a file that is none", () => {
    for (const [wrong, reason] of [
      [{ ...file, profile: "weather" }, "it names no profile: weather"],
      [{ ...file, seed: "x" }, "it names no seed: x"],
      [{ ...file, options: null }, "it has no options"],
      [{ ...file, plan: [{ atMs: 1, fault: "rain" }] }, 'step 0 of the plan is none: {"atMs":1,"fault":"rain"}'],
      [{ ...file, plan: [{ atMs: -1, fault: "kill", broker: 1 }] }, "step 0 of the plan is none"],
      [{ ...file, plan: {} }, "a plan is a list of steps"],
    ] as const) {
      writeFileSync(path, JSON.stringify(wrong));
      expect(() => readFailure(path)).to.throw(reason);
    }
  });

  it("has a plan that can be read: a line for each option and each step", () => {
    expect(describePlan(file.options, file.plan ?? []).split("\n")).to.deep.equal([
      "2 steps, 1 of them records to send",
      "  brokersCount 3",
      "       7.000 ms  fault kill, broker 2",
      "       9.250 ms  send 0, topic t, partition 0, bytes 12",
    ]);
  });

  it("is none where nothing failed", () => {
    expect(failureFile("raft", 1, { ...failed, failure: null }, "abc123")).to.equal(null);
  });
});
