/** Nothing of the SDK keeps a process alive once its client is closed. */
import { expect } from "chai";
import { spawn } from "node:child_process";
import { MemoryBroker } from "./support/memory-broker.ts";

describe("a process that has closed its client", () => {
  it("ends by itself", async () => {
    const broker = await MemoryBroker.start({ words: 1 });
    const script = new URL("./support/short-life.js", import.meta.url).pathname;
    const child = spawn(process.execPath, [script, broker.address], { stdio: ["ignore", "pipe", "inherit"] });
    let closedAt = Number.NaN;
    child.stdout.once("data", () => (closedAt = performance.now()));
    const code = await new Promise((resolve) => child.once("exit", resolve));
    const lingered = performance.now() - closedAt;
    await broker.stop();
    expect(code).to.equal(0);
    expect(lingered, "ms from closed to gone").to.be.lessThan(1_000);
  });
});
