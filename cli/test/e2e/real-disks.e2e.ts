/**
 * Full and failing disks, on real file systems of a few MiB and with the broker as users start it. Each story runs in a
 * process and a mount namespace of its own (support/mounts.ts): whatever happens, no mount stays.
 */
import { fileURLToPath } from "node:url";
import { stories } from "../real-disk/stories.ts";
import { runInNamespace, whyNot } from "../support/mounts.ts";

const STORY_LIMIT_MS = 500_000;

describe("a broker on a real file system of a few MiB", () => {
  for (const [title, { needs }] of Object.entries(stories)) {
    it(title, function () {
      const reason = whyNot(needs);
      if (reason !== null) {
        console.warn(`      skipped: ${reason}`);
        this.skip();
      }
      return runInNamespace(
        fileURLToPath(new URL("../real-disk/run-story.js", import.meta.url)),
        [title],
        STORY_LIMIT_MS,
      );
    });
  }
});
