import { expect } from "chai";
import { appendFileSync, cpSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { runInProcess } from "../support/in-process.ts";
import { DevBroker, type Finished, ScratchDirectory } from "../support/tidemark.ts";

type Row = Record<string, unknown>;

const rowsOf = (finished: Finished): Row[] =>
  finished.stdout
    .toString()
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));

describe("tidemark logs: a data directory looked at from outside", () => {
  const kinds: readonly string[] = ["none", "gzip", "snappy", "lz4", "zstd"];
  let scratch: ScratchDirectory;
  /** Left by a clean stop, and not to be touched by a test. */
  let original = "";
  let copies = 0;

  before(async () => {
    scratch = new ScratchDirectory();
    original = scratch.join("original");
    const broker = await DevBroker.start(["--data-dir", original, "--topic", "t:2:1"]);
    for (const codec of kinds)
      await broker.run(["produce", "t", "-p", "0", "--compress", codec], { stdin: `${codec}\n`.repeat(200) });
    await broker.stop();
  });
  after(() => scratch.remove());

  function copy(): string {
    copies += 1;
    const path = scratch.join(`copy-${copies}`);
    cpSync(original, path, { recursive: true });
    return path;
  }

  const segment = (directory: string): string => join(directory, "t-0/00000000000000000000.log");

  /** Every file with its bytes and its time of change. */
  function stateOf(directory: string): string[] {
    return readdirSync(directory, { recursive: true, encoding: "utf8" })
      .sort()
      .map((name) => {
        const stat = statSync(join(directory, name));
        return `${name} ${stat.size} ${stat.mtimeMs} ${stat.ino}`;
      });
  }

  it("verify finds what a clean stop left whole, and writes nothing", async () => {
    const directory = copy();
    const before = stateOf(directory);
    const { code, stdout, stderr } = await runInProcess(["logs", "verify", directory, "--deep", "-v"]);
    expect(stderr).to.equal("");
    expect(code).to.equal(0);
    expect(stdout.toString()).to.match(/^whole {4}.*t-0: offsets 0 to 1000, 1 segment, .* 1,000 records/m);
    expect(stdout.toString()).to.match(/^healthy: 3 partitions, .*; 0 damage, 0 warnings, 0 notes$/m);
    const summary = rowsOf(await runInProcess(["logs", "verify", directory, "-o", "json"])).at(-1);
    expect(summary).to.include({ kind: "summary", isHealthy: true, isClean: true, records: 1001, damage: 0 });
    expect(stateOf(directory)).to.deep.equal(before);
  });

  it("verify takes the directory of one partition", async () => {
    const { code, stdout } = await runInProcess(["logs", "verify", join(original, "t-0")]);
    expect(code).to.equal(0);
    expect(stdout.toString()).to.match(/^healthy: 1 partition, /);
  });

  it("verify names the place of a flipped bit, and ends with 9", async () => {
    const directory = copy();
    const bytes = readFileSync(segment(directory));
    bytes.writeUInt8(bytes.readUInt8(80) ^ 1, 80);
    writeFileSync(segment(directory), bytes);
    const finished = await runInProcess(["logs", "verify", directory, "-o", "ndjson"]);
    expect(finished.code).to.equal(9);
    expect(rowsOf(finished).find((row) => row["kind"] === "finding")).to.include({
      what: "bad-batch",
      severity: "damage",
      path: segment(directory),
      position: 0,
      offset: 0,
    });
    expect(JSON.parse(finished.stderr)).to.include({ code: "DATA_DAMAGED", exitCode: 9 });
  });

  it("verify reads beside a running broker, and says that one runs", async () => {
    const directory = copy();
    const broker = await DevBroker.start(["--data-dir", directory]);
    await broker.run(["produce", "t", "-p", "0"], { stdin: "more\n" });
    const verified = await runInProcess(["logs", "verify", directory, "-v"]);
    const dirs = await runInProcess(["logs", "dirs", directory, "-o", "ndjson"]);
    const asked = await broker.run(["logs", "dirs", "-o", "ndjson"]);
    const after = await broker.run(["consume", "t", "--from", "start", "--until", "end"]);
    await broker.stop();
    expect(verified.code, verified.stdout.toString() + verified.stderr).to.equal(0);
    expect(verified.stderr).to.match(/^warning: a broker \(pid \d+\) runs on .*: it is only read/);
    expect(verified.stdout.toString()).to.match(/t-0: offsets 0 to 1001,/);
    expect(asked.code, asked.stderr).to.equal(0);
    const sizesOf = (finished: Finished): unknown[] =>
      rowsOf(finished)
        .map((row) => [row["topic"], row["partition"], row["bytes"]])
        .sort((left, right) => (String(left) < String(right) ? -1 : 1));
    expect(sizesOf(dirs)).to.deep.equal(sizesOf(asked));
    expect(sizesOf(dirs)).to.deep.include(["t", 0, statSync(segment(directory)).size]);
    expect(after.stdout.toString().split("\n")).to.have.lengthOf(1002);
  });

  it("recover --dry-run says what the start then does, and changes nothing", async () => {
    const directory = copy();
    rmSync(join(directory, ".kafka_cleanshutdown"));
    appendFileSync(segment(directory), "torn");
    const before = stateOf(directory);
    const finished = await runInProcess(["logs", "recover", directory, "--dry-run", "-o", "json"]);
    expect(finished.code, finished.stderr).to.equal(0);
    expect(stateOf(directory)).to.deep.equal(before);
    const rows = rowsOf(finished);
    const size = statSync(segment(directory)).size;
    expect(rows.find((row) => row["change"] === "cut" && row["path"] === segment(directory))).to.include({
      bytesBefore: size,
      bytesAfter: size - 4,
    });
    expect(rows.find((row) => row["kind"] === "log" && row["name"] === "t-0")).to.include({
      endOffset: 1000,
      isDamaged: false,
    });
    expect(rows.at(-1)).to.include({ kind: "summary", clean: false, bytesCut: 4 });
    const text = (await runInProcess(["logs", "recover", directory, "--dry-run"])).stdout.toString();
    expect(text).to.match(new RegExp(`^cut {5}t-0/0{20}\\.log from ${size} to ${size - 4} bytes$`, "m"));
    const broker = await DevBroker.start(["--data-dir", directory]);
    await broker.stop();
    expect(statSync(segment(directory)).size).to.equal(size - 4);
  });

  it("recover wants --dry-run, and refuses what a start refuses", async () => {
    const directory = copy();
    expect((await runInProcess(["logs", "recover", directory])).code).to.equal(2);
    writeFileSync(join(directory, "log-start-offset-checkpoint"), "nonsense");
    const refused = await runInProcess(["logs", "recover", directory, "--dry-run"]);
    expect(refused.code).to.equal(1);
    expect(refused.stderr).to.include("MALFORMED_CHECKPOINT");
  });

  it("index shows entries and holds them against the segment", async () => {
    const directory = copy();
    const index = join(directory, "t-0/00000000000000000000.index");
    const whole = await runInProcess(["logs", "index", index, join(directory, "t-0/leader-epoch-checkpoint")]);
    expect(whole.code, whole.stderr).to.equal(0);
    expect(whole.stdout.toString()).to.match(/^epoch 0 {2}startOffset 0$/m);
    expect(whole.stderr).to.match(/00\.index: \d+ entr(?:y|ies), all lead to their batches$/m);
    const entry = Buffer.alloc(8);
    entry.writeInt32BE(77, 0);
    entry.writeInt32BE(3, 4);
    writeFileSync(index, entry);
    const astray = await runInProcess(["logs", "index", index]);
    expect(astray.code).to.equal(9);
    expect(astray.stderr).to.include("entry 0 points at byte 3, where no batch begins");
  });

  it("says what a directory or file that is none of these is", async () => {
    expect((await runInProcess(["logs", "verify", scratch.path])).stderr).to.include("error: NOT_A_DATA_DIRECTORY");
    expect((await runInProcess(["logs", "verify", scratch.join("missing")])).code).to.equal(3);
    expect((await runInProcess(["logs", "verify", segment(original)])).stderr).to.include("error: ENOTDIR");
    expect((await runInProcess(["logs", "index", segment(original)])).code).to.equal(2);
  });
});
