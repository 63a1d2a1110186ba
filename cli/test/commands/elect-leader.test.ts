import { BrokerError } from "@tidemark/client";
import { expect } from "chai";
import { failuresOf } from "../../src/commands/partitions.ts";

describe("partitions elect-leader, asked for several in one request", () => {
  const asked = [0, 1, 2].map((partition) => ({ topic: "a-b", partition }));
  const failed = (partition: number): BrokerError =>
    new BrokerError("PREFERRED_LEADER_NOT_AVAILABLE", "broker 1 is not in sync", { topic: `a-b-${partition}` });

  it("tells which of them failed, one or several", () => {
    expect([...failuresOf(failed(1), asked).keys()]).to.deep.equal(["a-b:1"]);
    const cause = new AggregateError([failed(0), failed(2)], "2 topics failed");
    const first = new BrokerError("PREFERRED_LEADER_NOT_AVAILABLE", "broker 1 is not in sync", { cause });
    expect([...failuresOf(first, asked).keys()]).to.deep.equal(["a-b:0", "a-b:2"]);
  });

  it("fails as a whole where nobody answered", () => {
    const lost = new BrokerError("CONNECTION_LOST", "nobody answers");
    expect(() => failuresOf(lost, asked)).to.throw(lost);
  });
});
