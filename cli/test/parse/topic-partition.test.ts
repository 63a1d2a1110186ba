import { expect } from "chai";
import { CliFailure } from "../../src/failure.ts";
import { parseTopicPartition } from "../../src/parse/topic-partition.ts";

describe("parseTopicPartition", () => {
  it("takes a topic and a number", () => {
    expect(parseTopicPartition("orders:0")).to.deep.equal({ topic: "orders", partition: 0 });
    expect(parseTopicPartition("a.b-c_1:2147483647")).to.deep.equal({ topic: "a.b-c_1", partition: 2_147_483_647 });
  });

  it("refuses everything else, and knows what brokers' messages look like", () => {
    for (const text of ["", ":", "orders", "orders:", ":0", "orders:-1", "orders:x", "orders:1.5", "orders:2147483648"])
      expect(() => parseTopicPartition(text), text).to.throw(CliFailure);
    expect(hintOf("my-orders-12")).to.equal("did you mean my-orders:12?");
    expect(hintOf("orders")).to.equal(null);
  });

  function hintOf(text: string): string | null {
    try {
      parseTopicPartition(text);
    } catch (error: unknown) {
      if (error instanceof CliFailure) return error.hint;
    }
    throw new Error(`${text} was taken`);
  }
});
