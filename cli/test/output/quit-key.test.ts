import { expect } from "chai";
import { PassThrough } from "node:stream";
import { onQuitKey } from "../../src/output/quit-key.ts";

describe("the key that leaves a page", () => {
  const keyboard = (isTTY: boolean): PassThrough & { modes: boolean[] } => {
    const modes: boolean[] = [];
    return Object.assign(new PassThrough(), { isTTY, modes, setRawMode: (isRaw: boolean) => void modes.push(isRaw) });
  };
  const heard = async (isTTY: boolean, ...keys: string[]): Promise<{ said: string[]; modes: boolean[] }> => {
    const stdin = keyboard(isTTY);
    const said: string[] = [];
    const stop = onQuitKey(
      stdin,
      () => said.push("quit"),
      () => said.push("interrupt"),
    );
    for (const key of keys) {
      stdin.write(key);
      await new Promise((resolve) => setImmediate(resolve));
    }
    stop();
    stdin.write("q");
    await new Promise((resolve) => setImmediate(resolve));
    return { said, modes: stdin.modes };
  };

  it("is q; Ctrl-C interrupts as ever, and the terminal is given back", async () => {
    expect(await heard(true, "x", "\u001b[A", "q")).to.deep.equal({ said: ["quit"], modes: [true, false] });
    expect(await heard(true, "\u0003")).to.deep.equal({ said: ["interrupt"], modes: [true, false] });
  });

  it("is not listened for where no terminal is typed at", async () => {
    expect(await heard(false, "q")).to.deep.equal({ said: [], modes: [] });
  });
});
