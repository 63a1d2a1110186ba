import { expect } from "chai";
import { printRows } from "../../src/output/rows.ts";
import { testContext, textOf } from "../support/context.ts";

const columns = [{ title: "topic", cell: (row: { name: string }) => row.name }];
const rows = [{ name: "a" }, { name: "b" }];

describe("lists", () => {
  it("are ndjson off a terminal, an array on one, with -o json", () => {
    const pipe = testContext({ flags: { output: "json" } });
    printRows(pipe, rows, columns);
    expect(textOf(pipe.stdout)).to.equal('{"name":"a"}\n{"name":"b"}\n');
    const terminal = testContext({ isTerminal: true, flags: { output: "json" } });
    printRows(terminal, rows, columns);
    expect(JSON.parse(textOf(terminal.stdout))).to.deep.equal(rows);
  });

  it("are ndjson everywhere with -o ndjson", () => {
    const terminal = testContext({ isTerminal: true, flags: { output: "ndjson" } });
    printRows(terminal, rows, columns);
    expect(textOf(terminal.stdout)).to.equal('{"name":"a"}\n{"name":"b"}\n');
  });

  it("write nothing for an empty list but the head of a table, or an empty array on a terminal", () => {
    const pipe = testContext({ flags: { output: "json" } });
    printRows(pipe, [], columns);
    expect(textOf(pipe.stdout)).to.equal("");
    const terminal = testContext({ isTerminal: true, flags: { output: "json" } });
    printRows(terminal, [], columns);
    expect(textOf(terminal.stdout)).to.equal("[]\n");
    const table = testContext();
    printRows(table, [], columns);
    expect(textOf(table.stdout)).to.equal("TOPIC\n");
  });
});
