import { expect } from "chai";
import { renderTable } from "../../src/output/rows.ts";
import { formatBytes, formatCount, formatMs, plural } from "../../src/output/units.ts";

const columns = [
  { title: "topic", cell: (row: { name: string; count: number }) => row.name },
  { title: "count", cell: (row: { name: string; count: number }) => row.count },
];
const rows = [
  { name: "orders", count: 7 },
  { name: "a", count: 1_000 },
];

describe("tables", () => {
  it("stand without borders, numbers to the right", () => {
    expect(renderTable(rows, columns, true)).to.equal("TOPIC   COUNT\norders      7\na        1000\n");
  });

  it("lose their first line with --no-headers", () => {
    expect(renderTable(rows, columns, false)).to.equal("orders     7\na       1000\n");
    expect(renderTable([], columns, false)).to.equal("");
  });
});

describe("units", () => {
  it("are written as people read them", () => {
    expect([formatCount(0), formatCount(999), formatCount(1_234_567)]).to.deep.equal(["0", "999", "1,234,567"]);
    expect([formatBytes(0), formatBytes(1_023), formatBytes(1_536), formatBytes(5 * 1_024 ** 3)]).to.deep.equal([
      "0 B",
      "1023 B",
      "1.5 KiB",
      "5.0 GiB",
    ]);
    expect([formatMs(412.4), formatMs(3_200)]).to.deep.equal(["412 ms", "3.2 s"]);
    expect([plural(1, "record"), plural(2_000, "record")]).to.deep.equal(["1 record", "2,000 records"]);
    expect([plural(0, "batch"), plural(2, "entry"), plural(2, "key")]).to.deep.equal([
      "0 batches",
      "2 entries",
      "2 keys",
    ]);
  });
});
