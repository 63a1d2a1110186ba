/** What the controller's answers name (10.3(3)). */
import { expect } from "chai";
import { emptyImage } from "../../src/metadata/index.ts";
import type { Clock } from "../../src/ports/index.ts";
import type { Consensus } from "../../src/runtime/consensus.ts";
import { Proposals } from "../../src/runtime/proposals.ts";

describe("an answer of the controller", () => {
  it("names what it was decided on, and no entry of others that is not committed (10.3(3), CO2)", async () => {
    const committed = { ...emptyImage, metadataOffset: 3 };
    // A change of voters is in the log, and no majority has it yet.
    const consensus = { lastIndex: 5 } as Partial<Consensus> as Consensus;
    const proposals = new Proposals(consensus, committed, {} as Clock);
    const { metadataOffset } = await proposals.submit(() => ({ records: [], response: null }));
    expect(metadataOffset).to.equal(3);
    expect(proposals.working.metadataOffset, "the next command comes behind it").to.equal(5);
  });
});
