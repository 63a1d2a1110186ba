import { expect } from "chai";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { churnTopics } from "../src/bench/churn.ts";

const KIB = 1024;
const TOPICS = 150;

/** The whole of it, with 2,000: `npm run bench -- churn`. */
describe(`${TOPICS} topics that come and go while another is produced to and read`, () => {
  it("leave no file, descriptor or memory behind", async () => {
    const folder = mkdtempSync(join(tmpdir(), "tidemark-churn-"));
    try {
      const { before, after, leftovers, metadataBytesEach, loadRecords } = await churnTopics(join(folder, "data"), {
        topics: TOPICS,
        warmUp: TOPICS / 2,
        loadPauseMs: 100,
      });
      expect(leftovers).to.deep.equal([]);
      expect(after.openFiles).to.be.at.most(before.openFiles);
      // Compiled code grows by up to a megabyte in so short a run, 7 KiB of each topic. The bench has the strict bound, 1 KiB.
      expect((after.heapUsedBytes - before.heapUsedBytes) / TOPICS).to.be.below(12 * KIB);
      expect(metadataBytesEach).to.be.below(2 * KIB);
      expect(loadRecords).to.be.greaterThan(0);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
