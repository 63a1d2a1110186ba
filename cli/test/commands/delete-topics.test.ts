import { expect } from "chai";
import { deleteTopics } from "../../src/commands/topics.ts";
import { toFailure } from "../../src/failure.ts";
import { testContext, textOf } from "../support/context.ts";

async function codeOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => "",
    (error: unknown) => toFailure(error).code,
  );
}

describe("topics delete", () => {
  it("asks for the name on a terminal and does nothing without it", async () => {
    const context = testContext({ isTerminal: true });
    const code = codeOf(deleteTopics(context, { names: ["orders"] }));
    context.stdin.write("yes\n");
    expect(await code).to.equal("DECLINED");
    expect(textOf(context.stderr)).to.include("Delete orders with all its records? Type its name: ");
    expect(textOf(context.stdout)).to.equal("");
  });

  it("takes Ctrl-C and Ctrl-D at the question as a no", async () => {
    for (const key of ["\u0003", "\u0004"]) {
      const context = testContext({ isTerminal: true });
      const code = codeOf(deleteTopics(context, { names: ["orders"] }));
      context.stdin.write(key);
      expect(await code, JSON.stringify(key)).to.equal("DECLINED");
    }
  });

  it("goes on when the name was typed, or with --yes", async () => {
    const context = testContext({ isTerminal: true });
    const code = codeOf(deleteTopics(context, { names: ["orders"] }));
    context.stdin.write("orders\n");
    expect(await code).to.equal("CONNECTION_LOST");
    expect(await codeOf(deleteTopics(testContext({ flags: { isYes: true } }), { names: ["orders"] }))).to.equal(
      "CONNECTION_LOST",
    );
  });

  it("refuses where nobody can be asked", async () => {
    expect(await codeOf(deleteTopics(testContext(), { names: ["orders"] }))).to.equal("NEEDS_CONFIRMATION");
  });
});
