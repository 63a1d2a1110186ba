import { expect } from "chai";
import { decodeImage, diffImages, emptyImage, encodeImage } from "../../src/metadata/index.ts";
import { ClusterBench } from "./cluster-bench.ts";

describe("images as bytes (10.2)", () => {
  it("come back whole: settings, brokers, what was handed out, what was deleted", () => {
    const bench = new ClusterBench(2);
    bench.create(
      "a",
      [
        [1, 2],
        [2, 1],
      ],
      { "retention.ms": "1s" },
    );
    bench.decide({
      records: [
        { type: "configChanged", owner: { type: "cluster" }, set: { "log.roll.ms": "7" }, unset: [] },
        { type: "configChanged", owner: { type: "broker", brokerId: 2 }, set: { "log.roll.ms": "8" }, unset: [] },
        { type: "producerIdsAllocated", brokerId: 1, brokerEpoch: 1, firstId: 0, count: 1000 },
      ],
      response: null,
    });
    const snapshot = { image: bench.image, topicsDeleted: ["x", "y"] };
    const decoded = decodeImage(encodeImage(snapshot));
    expect(decoded).to.deep.equal(snapshot);
    expect(encodeImage(decoded), "the same bytes on every node").to.deep.equal(encodeImage(snapshot));
    expect(decodeImage(encodeImage({ image: emptyImage, topicsDeleted: [] })).image).to.deep.equal(emptyImage);
  });

  it("keep what is being reassigned and drained, in a layout that a node of the version before refuses", () => {
    const bench = new ClusterBench(4);
    bench.create("a", [
      [1, 2],
      [2, 1],
    ]);
    const versionOf = (): number => {
      const bytes = encodeImage({ image: bench.image, topicsDeleted: [] });
      expect(decodeImage(bytes).image).to.deep.equal(bench.image);
      return (JSON.parse(Buffer.from(bytes).toString()) as { version: number }).version;
    };
    expect(versionOf()).to.equal(0);
    bench.reassign("a", 1, [3, 4]);
    expect(versionOf()).to.equal(1);
    bench.reassign("a", 1, null);
    expect(versionOf()).to.equal(0);
    bench.drain(2);
    expect(versionOf()).to.equal(1);
  });

  it("of the version before are read", () => {
    const bench = new ClusterBench(2);
    bench.create("a", [[1, 2]]);
    const layout = JSON.parse(Buffer.from(encodeImage({ image: bench.image, topicsDeleted: [] })).toString()) as {
      brokers: { isDraining?: boolean }[];
    };
    for (const broker of layout.brokers) delete broker.isDraining;
    expect(decodeImage(Buffer.from(JSON.stringify(layout))).image).to.deep.equal(bench.image);
  });

  it("are small where partitions are alike", () => {
    const bench = new ClusterBench();
    bench.create("t", Array(1000).fill([1, 2, 3]));
    expect(encodeImage({ image: bench.image, topicsDeleted: [] }).byteLength).to.be.below(64 * 1000);
  });

  it("of another version are refused", () => {
    const bytes = Buffer.from(JSON.stringify({ version: 2 }));
    expect(() => decodeImage(bytes)).to.throw(SyntaxError, "version 2");
  });
});

describe("diffImages", () => {
  it("tells a topic that was made again under its name from the one before", () => {
    const one = new ClusterBench(1);
    one.create("a", [[1]]);
    const other = new ClusterBench(1);
    other.beat(1, { isFull: true });
    other.create("b", [[1]]);
    other.create("a", [[1]]);
    const delta = diffImages(one.image, other.image);
    expect(delta.topicsDeleted.map(({ topicId }) => topicId)).to.deep.equal([one.topicId("a")]);
    expect(delta.topicsCreated.map(({ name }) => name)).to.deep.equal(["b", "a"]);
    expect(delta.partitionsChanged).to.deep.equal([]);
  });
});
