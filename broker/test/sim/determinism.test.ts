/** That the real world is kept out of the simulated one: what calls it fails, and what depends on it otherwise leaves another trace. */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import process from "node:process";
import { expect } from "chai";
import { type CrashRunResult, runLogCrash, runRaftGroup } from "../../src/sim/index.ts";
import { RaftNode } from "../../src/raft/index.ts";
import type * as Storage from "../../src/storage/index.ts";
import { Mutants } from "../mutations/mutant.ts";

const FILE = "storage/checkpoint-writer.js";
const LINE = "timers.after(intervalMs,";

describe("a run of the simulation", () => {
  const mutants = new Mutants();
  const zone = process.env["TZ"];

  afterEach(() => {
    if (zone === undefined) delete process.env["TZ"];
    else process.env["TZ"] = zone;
  });

  after(() => {
    mutants.remove();
  });

  /** A room without a clock waits for so much longer. */
  async function runWith(planted: string): Promise<CrashRunResult> {
    const edit = { file: FILE, from: LINE, to: `timers.after(intervalMs + (${planted}),` };
    const { openLogDirectory } = await mutants.load<typeof Storage>("storage/index.js", [edit]);
    return runLogCrash(2, openLogDirectory);
  }

  for (const [planted, name] of [
    ["Date.now() % 2", "Date.now"],
    ["new Date().getSeconds() % 2", "new Date()"],
    ["Math.random()", "Math.random"],
    ["performance.now() % 2", "performance.now"],
    ["setTimeout(() => undefined, 0) ? 0 : 1", "setTimeout"],
  ] as const)
    it(`fails where somebody planted ${name} in a room`, async () => {
      const { failure } = await runWith(planted);
      const message = `simulated code called ${name}, which is of the real world`;
      expect(failure).to.include({ invariant: "determinism", message });
    });

  it("is nothing to the timers that others have left in the process", async () => {
    let ticks = 0;
    const beside = setInterval(() => {
      ticks += Date.now() > 0 && new Date().getTime() > 0 && Math.random() < 1 ? 1 : 0;
    }, 1);
    const { openLogDirectory } = await mutants.load<typeof Storage>("storage/index.js", []);
    try {
      for (let seed = 2; seed < 200 && ticks < 3; seed++)
        expect((await runLogCrash(seed, openLogDirectory)).failure).to.equal(null);
    } finally {
      clearInterval(beside);
    }
    expect(ticks).to.be.greaterThan(2);
  });

  it("is nothing to what Node does by itself for a connection that others have left in the process", async () => {
    let readsCount = 0;
    let isSeen = false;
    class CountingDate extends Date {
      static override now(): number {
        if (new Error("where from").stack?.includes("node:internal/deps/undici") === true) readsCount += 1;
        return super.now();
      }
    }
    const server = createServer((_, response) => {
      response.write("an ");
      setTimeout(() => response.end("answer"), 1);
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const { openLogDirectory } = await mutants.load<typeof Storage>("storage/index.js", []);
    const real = Date;
    globalThis.Date = CountingDate as DateConstructor;
    try {
      for (let seed = 2; seed < 200 && !isSeen; seed++) {
        // oxlint-disable-next-line no-await-in-loop
        const answer = await fetch(`http://127.0.0.1:${port}`);
        readsCount = 0;
        const text = answer.text();
        // oxlint-disable-next-line no-await-in-loop
        expect((await runLogCrash(seed, openLogDirectory)).failure).to.equal(null);
        isSeen = readsCount > 0;
        // oxlint-disable-next-line no-await-in-loop
        expect(await text).to.equal("an answer");
      }
    } finally {
      globalThis.Date = real;
      server.closeAllConnections();
      server.close();
    }
    expect(isSeen, "within a run").to.equal(true);
  });

  it("fails where a room hands what tells the time to a promise", async () => {
    const { failure } = await runWith("(Promise.resolve().then(Date.now).catch(() => 0), 0)");
    expect(failure?.invariant).to.equal("determinism");
  });

  it("leaves another trace in another time zone where a room asks for it, and else the same", async () => {
    const hashes = async (planted: string): Promise<string[]> => {
      const found: string[] = [];
      for (const name of ["UTC", "Asia/Kathmandu"]) {
        process.env["TZ"] = name;
        // oxlint-disable-next-line no-await-in-loop
        found.push((await runWith(planted)).traceHash);
      }
      return found;
    };
    const [here, there] = await hashes("new Date(0).getTimezoneOffset() === 0 ? 0 : 30");
    expect(here).to.not.equal(there);
    const [one, other] = await hashes("0");
    expect(one).to.equal(other);
  });

  it("fails without promises, too, and gives the real world back at its end", () => {
    const { failure } = runRaftGroup(1, (options, deps) => {
      Date.now();
      return new RaftNode(options, deps);
    });
    expect(failure?.invariant).to.equal("determinism");
    expect(Date.now()).to.be.above(0);
    expect(new Date().getTime()).to.be.above(0);
    expect(Math.random()).to.be.below(1);
  });
});
