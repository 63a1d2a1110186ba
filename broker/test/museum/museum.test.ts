/**
 * The museum of bugs: each stays dead. Kept seeds are run; stories told by other tests must be there under their names.
 *
 * To see one fail, build the commit before its fix and run there `npm run sim -- --profile P --seed S --runs 1`, or the named test of
 * the fix on the sources before it.
 */
import { existsSync, readFileSync } from "node:fs";
import { expect } from "chai";
import { runLogCrash, runRaftGroup, runReplicationCluster } from "../../src/sim/index.ts";
import { openLogDirectory } from "../../src/storage/index.ts";
import type { Exhibit, KeptSeed } from "./exhibit.ts";
import { EXHIBITS } from "./exhibits.ts";

const root = new URL("../../../../", import.meta.url);

interface Verdict {
  readonly invariant: string;
  readonly message: string;
}

async function run(kept: KeptSeed): Promise<Verdict | null> {
  switch (kept.profile) {
    case "raft":
      return runRaftGroup(kept.seed).failure;
    case "replication":
      // As when they were kept.
      return runReplicationCluster(kept.seed, { deleteAtEndChance: 0, ...kept.wanted }).failure;
    case "log":
      return (await runLogCrash(kept.seed, openLogDirectory)).failure;
  }
}

function isThere({ file, title }: NonNullable<Exhibit["test"]>): boolean {
  const path = new URL(file, root);
  if (!existsSync(path)) return false;
  const text = readFileSync(path, "utf8");
  if (text.includes(`it("${title}"`)) return true;
  // One of several that a loop names: anything may stand where the loop fills in.
  for (const [, template = ""] of text.matchAll(/\bit\(`([^`]+)`/gu)) {
    const parts = template.split(/\$\{[^}]*\}/u).map((part) => part.replaceAll(/[\\^$.*+?()[\]{}|]/gu, "\\$&"));
    if (new RegExp(`^${parts.join(".+")}$`, "u").test(title)) return true;
  }
  return false;
}

describe("the museum of bugs", () => {
  for (const { id, symptom, seed, test } of EXHIBITS) {
    it(`${id}: ${symptom}`, async () => {
      expect(seed ?? test, "something shows it").to.not.equal(undefined);
      if (test !== undefined) expect(isThere(test), `${test.title} in ${test.file}`).to.equal(true);
      const failure = seed === undefined ? null : await run(seed);
      expect(failure === null ? "" : `${failure.invariant}: ${failure.message}`).to.equal("");
    });
  }

  it("names each once, with the commit that mended it", () => {
    expect(new Set(EXHIBITS.map(({ id }) => id)).size).to.equal(EXHIBITS.length);
    for (const { id, fix } of EXHIBITS) expect(fix, id).to.match(/^[0-9a-f]{7}$/u);
  });

  it("is as large as docs/testing.md says", () => {
    const page = readFileSync(new URL("docs/testing.md", root), "utf8").replaceAll("\n", " ");
    const seeds = EXHIBITS.filter(({ seed }) => seed !== undefined).length;
    expect(page).to.include(`It has ${EXHIBITS.length} bugs, ${seeds} with a seed.`);
  });

  it("would notice a story that is gone", () => {
    const file = "broker/test/museum/museum.test.ts";
    expect(isThere({ file, title: "would notice a story that is gone" })).to.equal(true);
    expect(isThere({ file, title: "would notice a story that never was".slice(0, -1) })).to.equal(false);
    const looped = "broker/test/storage/retention.test.ts";
    const title = "lets the log begin anew where segments lay whose files could not be renamed yet";
    expect(isThere({ file: looped, title: `${title}, and keep what is deleted then` })).to.equal(true);
    expect(isThere({ file: looped, title })).to.equal(false);
    expect(isThere({ file: "broker/test/museum/none.test.ts", title: "would notice a story that is gone" })).to.equal(
      false,
    );
  });
});
