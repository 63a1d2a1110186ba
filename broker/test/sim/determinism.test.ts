/** That a comparison of traces finds what it is for: a clock of the real world that got into the simulated one. */
import { expect } from "chai";
import { runLogCrash } from "../../src/sim/index.ts";
import { openLogDirectory } from "../../src/storage/index.ts";
import type * as Storage from "../../src/storage/index.ts";
import { Mutants } from "../mutations/mutant.ts";

const SEEDS = [1, 2];
const LATER_MS = 400 * 86_400_000 + 3;

describe("traces of one seed on two days", () => {
  const mutants = new Mutants();
  const now = Date.now;

  afterEach(() => {
    Date.now = now;
  });

  after(() => {
    mutants.remove();
  });

  async function hashes(open: typeof openLogDirectory, laterMs: number): Promise<string[]> {
    Date.now = () => now() + laterMs;
    const found: string[] = [];
    // oxlint-disable-next-line no-await-in-loop
    for (const seed of SEEDS) found.push((await runLogCrash(seed, open)).traceHash);
    return found;
  }

  it("are the same", async () => {
    expect(await hashes(openLogDirectory, LATER_MS)).to.deep.equal(await hashes(openLogDirectory, 0));
  });

  it("differ where somebody planted Date.now() in a room that has no clock of its own", async () => {
    const edit = {
      file: "storage/checkpoint-writer.js",
      from: "timers.after(intervalMs,",
      to: "timers.after(intervalMs + (Math.floor(Date.now() / 86_400_000) % 397),",
    };
    const { openLogDirectory: open } = await mutants.load<typeof Storage>("storage/index.js", [edit]);
    const today = await hashes(open, 0);
    expect(await hashes(open, 0), "on the same day").to.deep.equal(today);
    expect(await hashes(open, LATER_MS)).to.not.deep.equal(today);
  });
});
