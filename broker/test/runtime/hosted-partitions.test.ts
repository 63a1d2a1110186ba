import { expect } from "chai";
import { HostedPartitions } from "../../src/runtime/hosted-partitions.ts";

describe("HostedPartitions", () => {
  it("finds what was set last, by topic and number, and walks over what is there", () => {
    const hosted = new HostedPartitions<string>();
    for (const number of [2, 0, 5]) hosted.set("a", number, `a${number}`);
    hosted.set("b", 0, "b0");
    hosted.set("a", 2, "again");
    expect([hosted.find("a", 2), hosted.find("a", 1), hosted.find("c", 0)]).to.deep.equal([
      "again",
      undefined,
      undefined,
    ]);
    expect([...hosted.of("a")]).to.deep.equal(["a0", "again", "a5"]);
    expect([...hosted.all()]).to.deep.equal(["a0", "again", "a5", "b0"]);
  });

  it("keeps the others when one goes, whatever is taken away twice or was never there", () => {
    const hosted = new HostedPartitions<string>();
    for (const number of [0, 1, 2]) hosted.set("a", number, `a${number}`);
    for (const number of [0, 0, 7, 1]) hosted.remove("a", number);
    hosted.remove("b", 0);
    expect([...hosted.all()]).to.deep.equal(["a2"]);
    hosted.remove("a", 2);
    expect([...hosted.all()]).to.deep.equal([]);
    hosted.set("a", 1, "new");
    expect([...hosted.all()]).to.deep.equal(["new"]);
  });
});
