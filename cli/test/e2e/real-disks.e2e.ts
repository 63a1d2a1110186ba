/**
 * Full and failing disks, on real file systems of a few MiB and with the broker as users start it. The stories are told by a
 * process in a mount namespace of its own (support/mounts.ts): whatever happens, no mount stays.
 */
import { expect } from "chai";
import { fileURLToPath } from "node:url";
import { stories } from "../real-disk/stories.ts";
import { NamespaceProgram, whyNot } from "../support/mounts.ts";

const STORY_LIMIT_MS = 500_000;
const PROGRAM = fileURLToPath(new URL("../real-disk/tell-stories.js", import.meta.url));

describe("a broker on a real file system of a few MiB", () => {
  let teller: NamespaceProgram | null = null;
  after(() => teller?.end());

  for (const [title, { needs }] of Object.entries(stories)) {
    it(title, async function () {
      const reason = whyNot(needs);
      if (reason !== null) {
        console.warn(`      skipped: ${reason}`);
        this.skip();
      }
      teller ??= new NamespaceProgram(PROGRAM);
      const failure: string | null = JSON.parse(await teller.ask(title, STORY_LIMIT_MS));
      expect(failure).to.equal(null);
    });
  }
});
