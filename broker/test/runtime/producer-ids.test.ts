import { expect } from "chai";
import { ProducerIds } from "../../src/runtime/index.ts";

describe("ProducerIds", () => {
  it("never gives an id twice, and asks once for all who wait", async () => {
    let blocks = 0;
    const ids = new ProducerIds(async () => ({ first: 1000 * blocks++, count: 1000 }));
    const given = await Promise.all(Array.from({ length: 2500 }, () => ids.next()));
    expect(new Set(given).size).to.equal(2500);
    expect(blocks).to.equal(3);
  });

  it("hands a refusal to who waits and asks again the next time", async () => {
    let calls = 0;
    const ids = new ProducerIds(async () => {
      calls++;
      if (calls === 1) throw new Error("no controller");
      return { first: 0, count: 1000 };
    });
    const refused = await Promise.allSettled([ids.next(), ids.next()]);
    expect(refused.map(({ status }) => status)).to.deep.equal(["rejected", "rejected"]);
    expect(await ids.next()).to.equal(0);
    expect(calls).to.equal(2);
  });
});
