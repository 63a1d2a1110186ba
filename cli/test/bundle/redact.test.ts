import { expect } from "chai";
import { namesIn, redactionOf } from "../../src/bundle/redact.ts";

describe("what is redacted in a bundle", () => {
  const redact = redactionOf({
    topics: ["orders", "orders.eu"],
    hosts: ["db1.example", "10.0.0.7", "db1.example"],
    racks: ["", "r1"],
  });

  it("are names of topics, hosts and racks wherever they stand, each by the same", () => {
    expect(
      redact({
        text: "orders-3 has replicas that are not in sync; broker 2 at db1.example:9192, 10.0.0.7: refused",
        list: ["orders", "orders.eu-0", "orders:0"],
        nested: [{ host: "db1.example", rack: "r1", port: 9192, alive: true, none: null }],
        orders: 1,
      }),
    ).to.deep.equal({
      text: "topic-1-3 has replicas that are not in sync; broker 2 at host-1:9192, host-2: refused",
      list: ["topic-1", "topic-2-0", "topic-1:0"],
      nested: [{ host: "host-1", rack: "rack-1", port: 9192, alive: true, none: null }],
      "topic-1": 1,
    });
  });

  it("are found where no list has them: deleted topics, hosts of other doors", () => {
    const told = [
      { at: 1, detail: { topic: "gone" } },
      { value: "1@a.example:9392,2@[::1]:9392" },
      { text: "PEER://b:1" },
    ];
    expect(namesIn(told)).to.deep.equal({ topics: ["gone"], hosts: ["a.example", "::1", "b"] });
    const known = namesIn(told);
    expect(redactionOf({ ...known, racks: [] })(told)).to.deep.equal([
      { at: 1, detail: { topic: "topic-1" } },
      { value: "1@host-1:9392,2@[host-2]:9392" },
      { text: "PEER://host-3:1" },
    ]);
  });

  it("are not parts of other words", () => {
    for (const text of ["reorders", "orders2", "preorders.eu", "my-orders", "10.0.0.77", "xr1"])
      expect(redact(text)).to.equal(text);
  });
});
