import { expect } from "chai";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { runInProcess } from "../support/in-process.ts";
import { DevBroker, type Finished, ScratchDirectory } from "../support/tidemark.ts";

const golden = new URL("../../../test/golden/dump-segment.json", import.meta.url);

describe("tidemark logs dump-segment", () => {
  let scratch: ScratchDirectory;
  let segment = "";
  let files: string[] = [];
  before(async () => {
    scratch = new ScratchDirectory();
    const broker = await DevBroker.start(["--data-dir", scratch.join("data"), "--topic", "t:1:1"]);
    await broker.run(["produce", "t", "--key-separator", "="], { stdin: "k=v\n\x80=\xff\nplain\n" });
    await broker.run(["produce", "t", "--compress", "gzip", "-H", "h=1"], { stdin: "squeezed\n".repeat(50) });
    await broker.stop();
    segment = scratch.join("data/t-0/00000000000000000000.log");
    files = readdirSync(scratch.join("data/t-0"))
      .filter((name) => /\.(log|index|timeindex|snapshot)$/.test(name))
      .map((name) => scratch.join(`data/t-0/${name}`));
  });
  after(() => scratch.remove());

  const linesOf = (finished: Finished): Record<string, unknown>[] =>
    finished.stdout
      .toString()
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));

  it("shows batches with the keys of the golden file, and the records in them", async () => {
    const [batch, ...records] = linesOf(
      await runInProcess(["logs", "dump-segment", segment, "--records", "-o", "json"]),
    );
    const shape: object = JSON.parse(readFileSync(golden, "utf8"));
    expect(Object.keys(batch ?? {})).to.deep.equal(Object.keys(shape));
    expect(batch).to.include({
      kind: "batch",
      position: 0,
      baseOffset: 0,
      lastOffset: 2,
      recordsCount: 3,
      codec: "none",
      baseSequence: 0,
    });
    expect(
      records.slice(0, 3).map((record) => [record["key"], record["value"], record["valueEncoding"]]),
    ).to.deep.equal([
      ["k", "v", "utf8"],
      ["\x80", "\xff", "utf8"],
      [null, "plain", "utf8"],
    ]);
    expect(records.filter((record) => record["kind"] === "record" && record["value"] === "squeezed")).to.have.lengthOf(
      50,
    );
  });

  it("begins at the batch with an offset", async () => {
    const batches = linesOf(await runInProcess(["logs", "dump-segment", segment, "--offset", "3", "-o", "ndjson"]));
    expect(batches).to.have.lengthOf(1);
    expect(batches[0]).to.include({ baseOffset: 3, recordsCount: 50, codec: "gzip" });
  });

  it("finds every file of the log whole", async () => {
    const { code, stdout } = await runInProcess(["logs", "dump-segment", ...files, "--verify", "--deep"]);
    expect(code).to.equal(0);
    const lines = stdout.toString().trim().split("\n");
    expect(lines).to.have.lengthOf(files.length);
    for (const line of lines) expect(line).to.match(/, whole$/);
    expect(stdout.toString()).to.include("2 batches, 53 records, offsets 0..52, whole");
  });

  it("says where a segment is damaged, and ends with 9", async () => {
    const damaged = scratch.join("00000000000000000000.log");
    const bytes = readFileSync(segment);
    const second = bytes.readInt32BE(8) + 12;
    bytes.writeUInt8(bytes.readUInt8(second + 70) ^ 1, second + 70);
    writeFileSync(damaged, bytes);
    const verified = await runInProcess(["logs", "dump-segment", damaged, "--verify", "-o", "json"]);
    expect(verified.code).to.equal(9);
    expect(linesOf(verified)[0])
      .to.deep.include({ batches: 1, records: 3 })
      .and.have.nested.property("damage.position", second);
    expect(JSON.parse(verified.stderr)).to.include({ code: "CORRUPT_SEGMENT", exitCode: 9 });
    const shown = await runInProcess(["logs", "dump-segment", damaged]);
    expect(shown.stdout.toString()).to.match(new RegExp(`\nposition ${second}  DAMAGED: crc, \\d+ bytes`));
  });

  it("ends with 3 for a file that is not there, before it shows anything", async () => {
    const { code, stdout } = await runInProcess(["logs", "dump-segment", segment, scratch.join("missing.log")]);
    expect(code).to.equal(3);
    expect(stdout.length).to.equal(0);
  });
});
