import { expect } from "chai";
import { PassThrough } from "node:stream";
import { onPageKeys } from "../../src/output/page-keys.ts";

describe("the keys of a page", () => {
  const keyboard = (isTTY: boolean): PassThrough & { modes: boolean[] } => {
    const modes: boolean[] = [];
    return Object.assign(new PassThrough(), { isTTY, modes, setRawMode: (isRaw: boolean) => void modes.push(isRaw) });
  };
  const heard = async (isTTY: boolean, ...keys: string[]): Promise<{ said: string[]; modes: boolean[] }> => {
    const stdin = keyboard(isTTY);
    const said: string[] = [];
    const stop = onPageKeys(stdin, {
      quit: () => said.push("quit"),
      interrupt: () => said.push("interrupt"),
      suspend: () => said.push("suspend"),
    });
    for (const key of keys) {
      stdin.write(key);
      await new Promise((resolve) => setImmediate(resolve));
    }
    stop();
    stdin.write("q");
    await new Promise((resolve) => setImmediate(resolve));
    return { said, modes: stdin.modes };
  };

  it("are q to leave it, Ctrl-C and Ctrl-Z as ever, and the terminal is given back", async () => {
    expect(await heard(true, "x", "\u001b[A", "q")).to.deep.equal({ said: ["quit"], modes: [true, false] });
    expect(await heard(true, "\u001a")).to.deep.equal({ said: ["suspend"], modes: [true, false] });
    expect(await heard(true, "\u0003")).to.deep.equal({ said: ["interrupt"], modes: [true, false] });
  });

  it("are not listened for where no terminal is typed at", async () => {
    expect(await heard(false, "q")).to.deep.equal({ said: [], modes: [] });
  });
});
