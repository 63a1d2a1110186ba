/** Closing what a broker has opened: in order, every part, with the process held until it is done. */
import { spawnSync } from "node:child_process";
import { expect } from "chai";
import { Closers } from "../src/broker-closers.ts";
import { holdProcess } from "../src/platform/index.ts";
import type { Logger } from "../src/ports/index.ts";

interface Line {
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

function noting(lines: Line[]): Logger {
  const note = (message: string, fields = {}): void => void lines.push({ message, fields });
  const logger: Logger = { debug: note, info: note, warn: note, error: note, child: () => logger };
  return logger;
}

const SCRIPT = `
  import { Closers } from ${JSON.stringify(new URL("../src/broker-closers.js", import.meta.url).href)};
  import { holdProcess } from ${JSON.stringify(new URL("../src/platform/hold-process.js", import.meta.url).href)};
  const quiet = { warn() {}, error() {} };
  const closers = new Closers(quiet, { hold: holdProcess });
  closers.add("first", async () => console.log("closed"));
  closers.add("slow", () => new Promise((resolve) => setTimeout(resolve, 50).unref()));
  void closers.closeAll();
`;

describe("Closers", () => {
  it("close the last part first, each of them, and tell the first that fails", async () => {
    const lines: Line[] = [];
    const closers = new Closers(noting(lines), { hold: holdProcess });
    const closed: string[] = [];
    const failures: Record<string, Error> = { b: new Error("b is stuck"), c: new Error("c is stuck") };
    for (const part of ["a", "b", "c", "d"])
      closers.add(part, async () => {
        closed.push(part);
        if (failures[part] !== undefined) throw failures[part];
      });
    expect(await closers.closeAll()).to.deep.equal({ part: "c", cause: failures["c"] });
    expect(closed).to.deep.equal(["d", "c", "b", "a"]);
    expect(lines.map(({ fields }) => fields["part"])).to.deep.equal(["c", "b"]);
    expect(await closers.closeAll(), "once").to.equal(null);
  });

  it("hold the process while a part waits for a timer that does not", () => {
    const ended = spawnSync(process.execPath, ["--input-type=module", "-e", SCRIPT], { encoding: "utf8" });
    expect([ended.stdout, ended.status]).to.deep.equal(["closed\n", 0]);
  });
});

describe("a start", () => {
  const START = `
    import { createBroker } from ${JSON.stringify(new URL("../src/index.js", import.meta.url).href)};
    const silent = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent };
    const openStore = () => new Promise((_, reject) => setTimeout(() => reject(new Error("no store")), 100).unref());
    const broker = await createBroker({ memory: true, logger: silent, world: { openStore } });
    broker.start().catch((error) => console.log(error.message));
  `;

  it("holds the process, too, while it waits for a timer that does not", () => {
    const ended = spawnSync(process.execPath, ["--input-type=module", "-e", START], { encoding: "utf8" });
    expect([ended.stdout, ended.status]).to.deep.equal(["no store\n", 0]);
  });
});
