/** What the controller's answers name (10.3(3)). */
import { expect } from "chai";
import type { ProtoError } from "@tidemark/proto";
import { applyEntry, type ClusterImage, emptyImage, type MetadataRecord } from "../../src/metadata/index.ts";
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

  it("refuses a record that a broker of the cluster could not read, and writes nothing (decision 0039)", async () => {
    let image: ClusterImage = emptyImage;
    const register = (brokerId: number, metadataLevel: number): void => {
      const index = image.metadataOffset + 1;
      const record: MetadataRecord = {
        type: "brokerRegistered",
        brokerId,
        brokerEpoch: index,
        incarnationId: `${index}`,
        directoryId: `directory-${brokerId}`,
        listeners: [],
        rack: null,
        host: null,
        isFenced: true,
        isUnclean: false,
        damaged: [],
        metadataLevel,
      };
      ({ image } = applyEntry(image, index, [record]));
    };
    for (const [id, level] of [
      [1, 2],
      [2, 1],
      [3, 0],
    ] as const)
      register(id, level);
    let proposed = 0;
    const consensus: Partial<Consensus> = {
      propose: () => {
        proposed += 1;
        return { ok: false, code: "NOT_LEADER" };
      },
      get lastIndex() {
        return image.metadataOffset;
      },
    };
    const clock = { wallNow: () => 0, monotonicNow: () => 0 } as Clock;
    const submitted = (level: number): Promise<unknown> => {
      const proposals = new Proposals(consensus as Consensus, image, clock, () => level);
      const record: MetadataRecord = { type: "voterChosen", nodeId: 1, isVoter: true };
      return proposals.submit(() => ({ records: [record], response: null })).catch((error: unknown) => error);
    };
    const refused = (await submitted(2)) as ProtoError;
    expect([refused.code, proposed]).to.deep.equal(["UNSUPPORTED_VERSION", 0]);
    expect(refused.message).to.include("brokers 2, 3");
    register(2, 2);
    expect(((await submitted(2)) as ProtoError).message).to.include("broker 3 ");
    register(3, 3);
    for (const level of [0, 2]) expect(((await submitted(level)) as ProtoError).code).to.equal("NOT_CONTROLLER");
    expect(proposed).to.equal(2);
  });
});
