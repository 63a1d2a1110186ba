import { expect } from "chai";
import { allocateProducerIds } from "../../src/metadata/index.ts";
import { clusterOf, next } from "./fixtures.ts";

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
