import { expect } from "chai";
import { once } from "node:events";
import { Progress } from "../../src/output/progress.ts";
import { testContext } from "../support/context.ts";

const STATE = { doneBytes: 10, totalBytes: 100, records: 1 };

describe("Progress", () => {
  it("takes its bar away where it stands, even if a line was written since it began", async () => {
    const context = testContext({ isTerminal: true });
    let written = "";
    context.stderr.setEncoding("utf8").on("data", (chunk: string) => (written += chunk));
    const progress = new Progress(context, () => STATE, { isTyped: false });
    await once(context.stderr, "data");
    context.stderr.write("warning: x\n");
    progress.stop();
    progress.stop();
    await new Promise((resolve) => setImmediate(resolve));
    const [, afterwards = ""] = written.split("warning: x\n");
    const saved = afterwards.indexOf("\u001b7");
    expect(saved, JSON.stringify(afterwards)).to.be.greaterThan(-1);
    expect(afterwards.lastIndexOf("\u001b8"), JSON.stringify(afterwards)).to.be.greaterThan(saved);
    expect(afterwards).not.to.include("\n");
    expect(written, "a long warning is wrapped, not cut").not.to.include("\u001b[?7l");
  });

  it("draws nothing over what is typed, off a terminal, on a dumb one, or with -q", async () => {
    const contexts = [
      { context: testContext({ isTerminal: true }), isTyped: true },
      { context: testContext(), isTyped: false },
      { context: { ...testContext({ isTerminal: true }), env: { TERM: "dumb" } }, isTyped: false },
      { context: testContext({ isTerminal: true, flags: { isQuiet: true } }), isTyped: false },
    ];
    const silent = contexts.map(({ context, isTyped }) => new Progress(context, () => STATE, { isTyped }));
    // One that draws says when the others would have.
    const drawing = testContext({ isTerminal: true });
    const shown = new Progress(drawing, () => STATE, { isTyped: false });
    await once(drawing.stderr, "readable");
    for (const one of [shown, ...silent]) one.stop();
    for (const { context } of contexts) expect(context.stderr.read()).to.equal(null);
  });
});
