import { expect } from "chai";
import { ExitCode } from "../../src/exit-codes.ts";
import { watch } from "../../src/output/watch.ts";
import { testContext, textOf } from "../support/context.ts";

describe("watch", () => {
  it("draws each look over the one before on a terminal, in one write", async () => {
    const stop = new AbortController();
    const context = { ...testContext({ isTerminal: true, flags: { watchMs: 1 } }), signal: stop.signal };
    let looks = 0;
    const ended = watch(context, async (look) => {
      expect(look.stdout.isTTY).to.equal(true);
      look.stdout.write(`look ${++looks}\n`);
      if (looks === 2) stop.abort();
      return ExitCode.OK;
    });
    expect(await ended).to.equal(ExitCode.OK);
    expect(textOf(context.stdout)).to.equal("\u001b[2J\u001b[H\u001b[Jlook 1\n\u001b[H\u001b[Jlook 2\n");
  });

  it("draws nothing on a dumb terminal: looks follow each other", async () => {
    const stop = new AbortController();
    const context = {
      ...testContext({ isTerminal: true, flags: { watchMs: 1 } }),
      env: { TERM: "dumb" },
      signal: stop.signal,
    };
    let looks = 0;
    await watch(context, async (look) => {
      look.stdout.write(`look ${++looks}\n`);
      if (looks === 2) stop.abort();
      return ExitCode.OK;
    });
    expect(textOf(context.stdout)).to.equal("look 1\nlook 2\n");
  });

  it("ends with the first look that fails", async () => {
    const context = testContext({ flags: { watchMs: 1 } });
    let looks = 0;
    const failing = watch(context, async (look) => {
      look.stdout.write("x\n");
      looks += 1;
      if (looks === 3) throw new Error("gone");
      return ExitCode.OK;
    });
    expect(await failing.catch((error: unknown) => String(error))).to.equal("Error: gone");
    expect(textOf(context.stdout)).to.equal("x\nx\n");
    expect(await watch(context, async () => ExitCode.UNHEALTHY)).to.equal(ExitCode.UNHEALTHY);
  });

  it("goes on until what it was started to wait for", async () => {
    const context = testContext({ flags: { watchMs: 1 } });
    const codes: ExitCode[] = [ExitCode.UNHEALTHY, ExitCode.UNHEALTHY, ExitCode.OK];
    let looks = 0;
    const ended = watch(
      context,
      async () => codes[looks++] ?? ExitCode.FAILED,
      (exitCode) => exitCode === ExitCode.OK,
    );
    expect([await ended, looks]).to.deep.equal([ExitCode.OK, 3]);
  });
});
