import { expect } from "chai";
import { once } from "node:events";
import { recoveryLine, RecoveryProgress } from "../../src/output/recovery-progress.ts";
import { testContext } from "../support/context.ts";

const GIB = 2 ** 30;

describe("recovery progress", () => {
  it("says how much is done, how fast, and how long it will take", () => {
    const state = { logsDone: 3, logsTotal: 12, bytesScanned: GIB, bytesTotal: 4 * GIB };
    expect(recoveryLine(state, 2_000)).to.equal("recovering: 1.0 GiB of 4.0 GiB, 3 of 12 logs, 512.0 MiB/s, 6 s left");
    expect(recoveryLine({ ...state, bytesScanned: 4 * GIB }, 2_000)).not.to.include("left");
    expect(recoveryLine({ ...state, bytesScanned: 0 }, 2_000))
      .to.include("0 B/s")
      .and.not.to.include("left");
  });

  it("counts logs where there is nothing to recover", () => {
    const state = { logsDone: 1_000, logsTotal: 4_000, bytesScanned: 0, bytesTotal: 0 };
    expect(recoveryLine(state, 500)).to.equal("opening logs: 1,000 of 4,000 logs, 2 s left");
  });

  it("draws on a terminal, and takes its line away", async () => {
    const context = testContext({ isTerminal: true });
    let written = "";
    context.stderr.setEncoding("utf8").on("data", (chunk: string) => (written += chunk));
    const progress = new RecoveryProgress(context);
    progress.onProgress({ logsDone: 0, logsTotal: 1, bytesScanned: 1, bytesTotal: GIB });
    await once(context.stderr, "data");
    progress.stop();
    progress.onProgress({ logsDone: 1, logsTotal: 1, bytesScanned: GIB, bytesTotal: GIB });
    await new Promise((resolve) => setImmediate(resolve));
    expect(written).to.include("recovering: 1 B of 1.0 GiB");
    expect(written.endsWith("\r\u001b[2K"), JSON.stringify(written)).to.equal(true);
  });

  it("says nothing with -q, and nothing when it is over at once", async () => {
    const quiet = testContext({ isTerminal: true, flags: { isQuiet: true } });
    const short = testContext({ isTerminal: true });
    const drawing = testContext({ isTerminal: true });
    const all = [quiet, short, drawing].map((context) => new RecoveryProgress(context));
    for (const progress of all) progress.onProgress({ logsDone: 0, logsTotal: 1, bytesScanned: 0, bytesTotal: GIB });
    all[1]?.stop();
    // One that draws says when the others would have.
    await once(drawing.stderr, "readable");
    for (const progress of all) progress.stop();
    for (const context of [quiet, short]) expect(context.stderr.read()).to.equal(null);
  });
});
