/** Nothing of the SDK keeps a process alive once its client is closed. */
import { expect } from "chai";
import { spawn } from "node:child_process";
import { MemoryBroker } from "./support/memory-broker.ts";

describe("a process that has closed its client", () => {
  it("ends by itself", async () => {
    const broker = await MemoryBroker.start({ words: 1 });
    const script = new URL("./support/short-life.js", import.meta.url).pathname;
    const child = spawn(process.execPath, [script, broker.address], { stdio: ["ignore", "pipe", "inherit"] });
    let said = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (said += text));
    const code = await new Promise((resolve) => child.once("close", resolve));
    await broker.stop();
    expect(code).to.equal(0);
    // One that were left would end by itself some day, and keep the process until then.
    expect(said).to.equal("closed with 0 timers\n");
  });
});
