import { expect } from "chai";
import { effectiveMinIsr, emptyImage } from "../../src/metadata/index.ts";

describe("effectiveMinIsr", () => {
  const of = (topic: string | null, cluster: string | null, minIsrDefault: number | null): number[] => {
    const texts = (value: string | null) => new Map(value === null ? [] : [["min.insync.replicas", value]]);
    const image = { ...emptyImage, minIsrDefault, configs: { ...emptyImage.configs, cluster: texts(cluster) } };
    return [1, 2, 3, 5].map((count) => effectiveMinIsr(image, { overrides: texts(topic) }, count));
  };

  it("is two of three replicas and more, else one, where nothing is set; never more than there are", () => {
    expect(of(null, null, null)).to.deep.equal([1, 1, 2, 2]);
    expect(of("3", null, null)).to.deep.equal([1, 2, 3, 3]);
  });

  it("is the topic's, else the cluster's, else that of the controller's file", () => {
    expect(of(null, null, 4)).to.deep.equal([1, 2, 3, 4]);
    expect(of(null, "1", 4)).to.deep.equal([1, 1, 1, 1]);
    expect(of("3", "1", 4)).to.deep.equal([1, 2, 3, 3]);
  });
});
