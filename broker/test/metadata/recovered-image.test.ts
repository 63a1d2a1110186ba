/** What a cluster goes on with when most of its voters have lost their metadata: nothing that they may have given out comes twice. */
import { expect } from "chai";
import {
  allocateProducerIds,
  decodeImage,
  encodeImage,
  recoveredImage,
  registerBroker,
} from "../../src/metadata/index.ts";
import { ClusterBench } from "./cluster-bench.ts";
import { AT_ONCE, registration } from "./fixtures.ts";

const SURVIVOR = { nodeId: 3, directoryId: "another-directory-of-3" };

describe("recoveredImage", () => {
  function bench(): ClusterBench {
    const bench = new ClusterBench(3);
    bench.create("t", [
      [1, 2, 3],
      [2, 3, 1],
    ]);
    bench.create("alone", [[3], [1]]);
    bench.decide(allocateProducerIds(bench.image, 1));
    return bench;
  }

  it("counts nobody as in sync, but where the only replica is the survivor's own", () => {
    const { image: before } = bench();
    const after = new ClusterBench(3);
    after.image = recoveredImage(before, SURVIVOR);
    expect([after.state(0), after.state(1)]).to.deep.equal(["-1 [] / [] / []", "-1 [] / [] / []"]);
    expect([after.state(0, "alone"), after.state(1, "alone")]).to.deep.equal(["-1 [] / [] / [3]", "-1 [] / [] / []"]);
    expect([...after.image.brokers.values()].every(({ isFenced }) => isFenced)).to.equal(true);
    expect(after.partition(0).replicas, "where the records are is not forgotten").to.deep.equal([1, 2, 3]);
  });

  it("leaps over every number that may have been given out: epochs, offsets, producer ids", () => {
    const { image: before } = bench();
    const after = recoveredImage(before, SURVIVOR);
    const [was, is] = [before, after].map((image) => image.topics.get("t")?.partitions[0]);
    expect((is?.leaderEpoch ?? 0) - (was?.leaderEpoch ?? 0)).to.equal(1_000_000);
    expect((is?.partitionEpoch ?? 0) - (was?.partitionEpoch ?? 0)).to.equal(1_000_000);
    expect(after.metadataOffset - before.metadataOffset).to.equal(1_000_000);
    expect(after.nextProducerId).to.be.greaterThan(before.nextProducerId + 1_000_000);
    expect(after.topicsById.get(after.topics.get("t")?.topicId ?? "")).to.equal(after.topics.get("t"));
  });

  it("lets the survivor lead what only it has as soon as it registers, and is what a snapshot keeps", () => {
    const after = new ClusterBench(3);
    const recovered = recoveredImage(bench().image, SURVIVOR);
    after.image = { ...decodeImage(encodeImage({ image: recovered, topicsDeleted: [] })).image };
    expect(after.image.topics.get("t")?.partitions).to.deep.equal(recovered.topics.get("t")?.partitions);
    const request = registration(3, { directoryId: SURVIVOR.directoryId, incarnationId: "after-the-recovery" });
    after.decide(registerBroker(after.image, request, AT_ONCE));
    expect(after.state(0, "alone")).to.equal("3 [3] / [] / [3]");
    expect(after.state(0), "others wait for a choice").to.equal("-1 [] / [] / []");
  });

  it("forgets that the survivor's own seat was taken by hand", () => {
    const image = {
      ...bench().image,
      voterChoices: new Map([
        [3, false],
        [2, false],
        [4, true],
      ]),
    };
    expect([...recoveredImage(image, SURVIVOR).voterChoices]).to.deep.equal([
      [2, false],
      [4, true],
    ]);
  });
});
