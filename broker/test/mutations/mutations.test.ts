/** The table of known mistakes, what docs/testing.md says of it, and how a mistake is made. That each is caught stands with its profile. */
import { readFileSync } from "node:fs";
import { expect } from "chai";
import type * as Raft from "../../src/raft/index.ts";
import { MUTATIONS } from "./index.ts";
import { Mutants } from "./mutant.ts";
import type { Mutation } from "./mutation.ts";
import { isCaught, searchMutation } from "./search.ts";

const edit = (from: string, to: string) => ({ file: "raft/quorum.js", from, to });
const LINE = "Math.floor(votersCount / 2) + 1";

describe("the table of known mistakes", () => {
  it("names each once, with a bound", () => {
    const ids = MUTATIONS.map(({ id }) => id);
    expect(new Set(ids).size).to.equal(ids.length);
    expect(ids.length).to.be.at.least(25);
    for (const { id, from = 1, seed, seedsMax } of MUTATIONS) {
      expect(seed, id).to.be.within(from, from + seedsMax - 1);
    }
  });

  it("is the one that docs/testing.md tells, with the right profiles", () => {
    const page = readFileSync(new URL("../../../../docs/testing.md", import.meta.url), "utf8");
    const section = page.split("\n## Known mistakes\n")[1]?.split("\n## ")[0] ?? "";
    const told = new Map<string, string>();
    for (const [, names = "", profiles = ""] of section.matchAll(/^\| .+ \| (`.+`) \| (.+) \|$/gmu)) {
      for (const [, name = ""] of names.matchAll(/`([^`]+)`/gu)) told.set(name, profiles);
    }
    expect([...told.keys()].toSorted()).to.deep.equal(MUTATIONS.map(({ id }) => id).toSorted());
    for (const { id, profile } of MUTATIONS) expect(told.get(id)?.split(", "), id).to.include(profile);
    expect(section).to.include(`runs ${MUTATIONS.length} known mistakes`);
  });
});

describe("a mistake that no seed shows", () => {
  it("survives, and is not called caught", async () => {
    const harmless: Mutation = {
      id: "raft-harmless",
      profile: "raft",
      what: "nothing",
      edits: [{ file: "raft/quorum.js", from: LINE, to: `(${LINE})` }],
      seedsMax: 2,
      seed: 1,
    };
    const survived = await searchMutation(harmless, { isKnownFirst: false });
    expect(survived).to.deep.equal({ failure: null, seed: 2, seeds: 2 });
    expect(isCaught(survived)).to.equal(false);
    const thrown = { invariant: "error", message: "", stack: "" };
    expect(isCaught({ ...survived, failure: thrown }), "an exception is no proof").to.equal(false);
  });
});

describe("a mutant", () => {
  const mutants = new Mutants();

  after(() => {
    mutants.remove();
  });

  it("differs from the installed module, which stays as it is", async () => {
    const whole = await mutants.load<typeof Raft>("raft/index.js", []);
    const broken = await mutants.load<typeof Raft>("raft/index.js", [edit(LINE, "votersCount")]);
    expect(broken.RaftNode).to.not.equal(whole.RaftNode);
    expect(await mutants.load("raft/index.js", [])).to.equal(whole);
  });

  it("is refused when its line is not there, or stands there more than once", async () => {
    for (const from of ["no such line", "votersCount"]) {
      let message = "";
      await mutants.load("raft/index.js", [edit(from, "")]).catch((error: unknown) => {
        message = (error as Error).message;
      });
      expect(message).to.match(/stands \d+ times in raft\/quorum.js, not once$/u);
    }
  });

  it("is refused when what it changes is no part of the module", async () => {
    let message = "";
    const stray = { file: "storage/retention.js", from: "", to: "" };
    await mutants.load("raft/index.js", [stray]).catch((error: unknown) => {
      message = (error as Error).message;
    });
    expect(message).to.match(/is no part of raft\/index\.js$/u);
  });
});
