import { expect } from "chai";
import { forEachName } from "../src/each.ts";
import { CliFailure, toFailure } from "../src/failure.ts";

async function failureOf(names: readonly string[]): Promise<CliFailure> {
  const act = async (name: string): Promise<void> => {
    if (name.startsWith("x")) throw new CliFailure("UNKNOWN_TOPIC_OR_PARTITION", `there is no topic ${name}`);
  };
  return forEachName(names, "topics", act).then(
    () => expect.fail("it was to fail"),
    (error: unknown) => toFailure(error),
  );
}

describe("several names at once", () => {
  it("each that failed is told of, when a part was done", async () => {
    const failure = await failureOf(["x1", "a", "x2"]);
    expect(failure).to.include({ code: "PARTIAL", exitCode: 8 });
    expect(failure.message).to.equal("1 of 3 topics done; x1: there is no topic x1; x2: there is no topic x2");
  });

  it("in one line, however many there are", async () => {
    const names = ["a", ...Array.from({ length: 50 }, (_, slot) => `x${slot}`)];
    const failure = await failureOf(names);
    expect(failure.message.length).to.be.below(300);
    expect(failure.message).to.match(/x4: there is no topic x4; and 45 more$/);
    expect(failure.details?.["failed"]).to.have.length(50);
  });
});
