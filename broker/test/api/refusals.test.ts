import { expect } from "chai";
import { Refusals } from "../../src/api/index.ts";
import { LogBook } from "../listeners/http/fixtures.ts";

describe("Refusals", () => {
  it("counts all, and logs each reason once a minute with its count so far", () => {
    let now = 0;
    const logger = new LogBook();
    const refusals = new Refusals({ listener: "GRPC", logger, now: () => now });
    for (let i = 0; i < 1000; i++) refusals.count("accept", "rate");
    refusals.count("produce", "CORRUPT_MESSAGE");
    now = 60_000;
    refusals.count("accept", "rate");
    expect([...refusals]).to.deep.equal([
      { stage: "accept", reason: "rate", count: 1001 },
      { stage: "produce", reason: "CORRUPT_MESSAGE", count: 1 },
    ]);
    expect(logger.lines.map(({ level, fields }) => [level, fields?.["reason"], fields?.["count"]])).to.deep.equal([
      ["warn", "rate", 1],
      ["info", "CORRUPT_MESSAGE", 1],
      ["warn", "rate", 1001],
    ]);
  });
});
