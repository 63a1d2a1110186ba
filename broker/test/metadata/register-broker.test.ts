import { expect } from "chai";
import { allocateProducerIds, type ClusterImage, createTopics, registerBroker } from "../../src/metadata/index.ts";
import { clusterOf, inForce, next, registration, seededBytes, spec, testConfig } from "./fixtures.ts";

function register(image: ClusterImage, ...request: Parameters<typeof registration>) {
  const { records, response } = registerBroker(image, registration(...request));
  return { image: records.length === 0 ? image : next(image, records), records, response };
}

function withTopic(image: ClusterImage, name: string, assignment: number[][]): ClusterImage {
  const context = { ...inForce(testConfig()), random: seededBytes(image.metadataOffset), ifAbsent: false };
  return next(image, createTopics(image, [spec(name, { assignment })], context).records);
}

describe("registerBroker", () => {
  it("gives every incarnation a greater broker epoch, and keeps it for a repeated request", () => {
    let image = clusterOf(2);
    const epochs: number[] = [];
    for (const incarnationId of ["a", "b", "c"]) {
      const registered = register(image, 1, { incarnationId });
      const repeated = register(registered.image, 1, { incarnationId });
      expect(repeated.records).to.deep.equal([]);
      expect(repeated.response).to.deep.equal(registered.response);
      if (registered.response.ok) epochs.push(registered.response.brokerEpoch);
      image = registered.image;
    }
    expect(epochs).to.deep.equal([...new Set(epochs)].sort((a, b) => a - b));
    expect(image.brokers.get(1)).to.include({ incarnationId: "c", brokerEpoch: epochs[2] });
  });

  it("raises the leader epoch of every partition that the broker leads, in the same command", () => {
    const image = withTopic(clusterOf(2), "t", [
      [1, 2],
      [2, 1],
      [1, 2],
    ]);
    const after = register(image, 1, { incarnationId: "new" }).image;
    const partitions = after.topics.get("t")?.partitions ?? [];
    expect(
      partitions.map(({ leaderId, leaderEpoch, partitionEpoch }) => [leaderId, leaderEpoch, partitionEpoch]),
    ).to.deep.equal([
      [1, 1, 1],
      [2, 0, 0],
      [1, 1, 1],
    ]);
    expect(partitions.map(({ isr }) => isr)).to.deep.equal([
      [1, 2],
      [2, 1],
      [1, 2],
    ]);
  });

  it("is as small with many partitions as with one, and none is named where nothing is led", () => {
    const request = {
      brokerId: 1,
      incarnationId: "new",
      listeners: [],
      rack: null,
      previousBrokerEpoch: -1,
    };
    const many = withTopic(
      clusterOf(2),
      "t",
      Array.from({ length: 50 }, () => [1]),
    );
    const directoryIdOf = (brokerId: number): string => many.brokers.get(brokerId)?.directoryId ?? "";
    const { records } = registerBroker(many, { ...request, directoryId: directoryIdOf(1) });
    expect(records.map(({ type }) => type)).to.deep.equal(["brokerRegistered", "ledPartitionsRaised"]);
    const idle = registerBroker(many, { ...request, brokerId: 2, directoryId: directoryIdOf(2) });
    expect(idle.records.map(({ type }) => type)).to.deep.equal(["brokerRegistered"]);
  });

  it("takes an emptied directory for a new replica: out of the ISR, leading nothing", () => {
    const shared = withTopic(clusterOf(2), "shared", [
      [1, 2],
      [2, 1],
    ]);
    const image = withTopic(shared, "single", [[1], [2]]);
    const after = register(image, 1, { incarnationId: "new", directoryId: "emptied" }).image;
    const state = (topic: string): unknown[] =>
      (after.topics.get(topic)?.partitions ?? []).map(({ isr, leaderId, leaderEpoch }) => [isr, leaderId, leaderEpoch]);
    expect(state("shared")).to.deep.equal([
      [[2], 2, 1],
      [[2], 2, 0],
    ]);
    expect(state("single")).to.deep.equal([
      [[], -1, 1],
      [[2], 2, 0],
    ]);
  });

  it("refuses a directory id that is missing or another broker's", () => {
    const image = clusterOf(2);
    for (const directoryId of ["", "directory-2"]) {
      const { records, response } = register(image, 1, { directoryId, incarnationId: "new" });
      expect([records, response.ok ? "" : response.error]).to.deep.equal([[], "INVALID_REGISTRATION"]);
    }
  });
});

describe("allocateProducerIds", () => {
  it("hands out blocks of a thousand, each once", () => {
    let image = clusterOf(2);
    const blocks: number[][] = [];
    for (const brokerId of [1, 2, 1]) {
      const { records, response } = allocateProducerIds(image, brokerId);
      image = next(image, records);
      blocks.push([response.firstId, response.count]);
    }
    expect(blocks).to.deep.equal([
      [0, 1000],
      [1000, 1000],
      [2000, 1000],
    ]);
  });
});
