import { expect } from "chai";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { runInProcess } from "../support/in-process.ts";
import { DevBroker, finished, ScratchDirectory, start } from "../support/tidemark.ts";

describe("tidemark produce and consume", () => {
  let broker: DevBroker;
  let scratch: ScratchDirectory;
  before(async () => {
    scratch = new ScratchDirectory();
    broker = await DevBroker.start(["--memory"]);
  });
  after(async () => {
    await broker.stop();
    scratch.remove();
  });

  /** Everything in `topic`, as raw lines. */
  async function read(topic: string, flags: readonly string[] = []): Promise<string> {
    const { code, stdout, stderr } = await broker.run([
      "consume",
      topic,
      "--from",
      "start",
      "--until",
      "end",
      ...flags,
    ]);
    expect(stderr).to.equal("");
    expect(code).to.equal(0);
    return stdout.toString("latin1");
  }

  async function envelopes(topic: string): Promise<Record<string, unknown>[]> {
    return (await read(topic, ["-o", "ndjson"]))
      .trim()
      .split("\n")
      .map((line) => JSON.parse(Buffer.from(line, "latin1").toString()));
  }

  it("brings lines back as bytes: CR, empty lines, half a megabyte, no last LF", async () => {
    const text = Buffer.concat([
      Buffer.from("a\r\n\n\xff\xfe\n", "latin1"),
      Buffer.alloc(512 * 1024, "x"),
      Buffer.from("\nlast"),
    ]);
    const produced = await broker.run(["produce", "lines"], { stdin: text });
    expect(produced.code).to.equal(0);
    expect(produced.stderr).to.match(/^created topic lines \(1 partition\)\nproduced 5 records to lines: /);
    expect(await read("lines")).to.equal(`${text.toString("latin1")}\n`);
  });

  it("says that a topic was created only when it was", async () => {
    await broker.run(["topics", "create", "there"]);
    expect((await broker.run(["produce", "there"], { stdin: "x" })).stderr).to.not.include("created");
  });

  it("says of an empty input that the topic, perhaps misspelt, is not there", async () => {
    const { code, stderr } = await runInProcess(["produce", "their", "-b", broker.address]);
    expect(code, stderr).to.equal(0);
    expect(stderr).to.match(
      /^warning: there is no topic "their", and no record that would make it\nproduced 0 records /,
    );
  });

  it("reads files in the order given, standard input among them", async () => {
    const one = scratch.join("one");
    const empty = scratch.join("empty");
    writeFileSync(one, "1\n2");
    writeFileSync(empty, "");
    const produced = await broker.run(
      ["produce", "files", "--file", one, "--file", empty, "--file", "-", "--file", one],
      {
        stdin: "in\n",
      },
    );
    expect(produced.stderr).to.include("produced 5 records");
    expect(await read("files")).to.equal("1\n2\nin\n1\n2\n");
  });

  it("copies records losslessly: consume -o ndjson | produce -f ndjson", async () => {
    await broker.run(["topics", "create", "source", "-p", "3"]);
    await broker.run(["topics", "create", "copy", "-p", "3"]);
    const keyed = await broker.run(
      ["produce", "source", "-p", "2", "--key-separator", "=", "-H", "a=1", "-H", "a=2", "-H", "empty="],
      {
        stdin: Buffer.from("k=v\n\x80=\xff\xfe\nno key\n=empty key\nempty value=\n", "latin1"),
      },
    );
    expect(keyed.stderr).to.match(/^warning: 1 record has no key: there is no "=" in its line\nproduced 5 records /);
    await broker.run(["produce", "source", "-p", "0", "--tombstone", "-k", "gone"]);
    const before = await envelopes("source");
    const copied = await broker.run(["produce", "copy", "-f", "ndjson"], {
      stdin: before.map((line) => `${JSON.stringify(line)}\n`).join(""),
    });
    expect(copied.stderr).to.include("produced 6 records");
    const place = (line: Record<string, unknown>): string => `${String(line["partition"])}:${String(line["offset"])}`;
    const sorted = (lines: Record<string, unknown>[]): unknown[] =>
      lines.map(({ topic: _topic, ...line }) => line).sort((a, b) => (place(a) < place(b) ? -1 : 1));
    const after = await envelopes("copy");
    expect(sorted(after)).to.deep.equal(sorted(before));
    expect(before.find((line) => line["key"] === "gone")).to.include({
      value: null,
      valueEncoding: null,
      partition: 0,
    });
    expect(before.find((line) => line["valueEncoding"] === "base64")).to.include({ key: "gA==", value: "//4=" });
  });

  it("takes a whole input as one record with -f bytes", async () => {
    await broker.run(["produce", "whole", "-f", "bytes"], { stdin: "a\nb\n" });
    expect((await envelopes("whole")).map((line) => line["value"])).to.deep.equal(["a\nb\n"]);
  });

  it("begins and ends where it is told", async () => {
    await broker.run(["produce", "ten"], { stdin: "0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n" });
    expect(await read("ten", ["--from", "7"])).to.equal("7\n8\n9\n");
    expect(await read("ten", ["--from", "-2"])).to.equal("8\n9\n");
    expect(await read("ten", ["--until", "2"])).to.equal("0\n1\n");
    expect(await read("ten", ["-n", "3"])).to.equal("0\n1\n2\n");
    expect(await read("ten", ["--from", "@-1h", "-n", "1"])).to.equal("0\n");
    expect(await read("ten", ["--from", "end"])).to.equal("");
    expect(await read("ten", ["-p", "0"])).to.have.lengthOf(20);
  });

  it("says where to begin when the offset is not there any more, or not yet", async () => {
    await broker.run(["produce", "cut"], { stdin: "0\n1\n2\n" });
    expect(await broker.run(["topics", "truncate", "cut", "--before", "2", "--yes"])).to.include({ code: 0 });
    for (const from of ["0", "7"]) {
      const { code, stderr } = await broker.run(["consume", "cut", "--from", from, "-n", "1"]);
      expect(code, stderr).to.equal(1);
      expect(stderr).to.include("error: OFFSET_OUT_OF_RANGE").and.include("hint: --from start begins with");
    }
    expect(await read("cut", ["--from", "start"])).to.equal("2\n");
  });

  it("follows: what is produced later is shown", async () => {
    await broker.run(["topics", "create", "tail"]);
    const child = start(["consume", "tail", "--from", "start", "-n", "2", "-b", broker.address]);
    const ended = finished(child);
    const shown = once(child.stdout, "data");
    await broker.run(["produce", "tail"], { stdin: "first\n" });
    const [first] = await shown;
    expect(String(first)).to.equal("first\n");
    await broker.run(["produce", "tail"], { stdin: "second\n" });
    expect(await ended).to.include({ code: 0 });
  });

  it("compresses with every codec", async () => {
    for (const codec of ["none", "gzip", "snappy", "lz4", "zstd"]) {
      await broker.run(["produce", `codec-${codec}`, "--compress", codec], { stdin: "same\n".repeat(1_000) });
      expect(await read(`codec-${codec}`)).to.equal("same\n".repeat(1_000));
    }
  });

  it("ends quietly with 0 when the reader of its output goes away", async () => {
    await broker.run(["produce", "big"], { stdin: `${"y".repeat(999)}\n`.repeat(3_000) });
    const child = start(["consume", "big", "--from", "start", "-b", broker.address]);
    const ended = finished(child);
    await once(child.stdout, "data");
    child.stdout.destroy();
    const { code, stderr } = await ended;
    expect(stderr).to.equal("");
    expect(code).to.equal(0);
  });

  it("ends with 130 on SIGINT, with what it had handed over written", async () => {
    const child = start(["produce", "interrupted", "-b", broker.address]);
    const ended = finished(child);
    child.stdin.write("safe\n");
    // Only what is in the log proves that the line was taken; a consumer that waits for it shows that.
    await broker.run(["topics", "create", "interrupted", "--if-not-exists"]);
    const seen = await broker.run(["consume", "interrupted", "--from", "start", "-n", "1", "--timeout", "120s"]);
    expect(seen.stdout.toString()).to.equal("safe\n");
    child.kill("SIGINT");
    const { code, stderr } = await ended;
    expect(code).to.equal(130);
    expect(stderr).to.include("produced 1 record to interrupted");
  });

  it("ends with 130 when a tail is interrupted", async () => {
    await broker.run(["produce", "tailed"], { stdin: "seen\n" });
    const child = start(["consume", "tailed", "--from", "start", "-b", broker.address]);
    const ended = finished(child);
    await once(child.stdout, "data");
    child.kill("SIGINT");
    expect(await ended).to.include({ code: 130, stderr: "" });
  });

  it("ends with 3 for an unknown topic, and creates none by reading", async () => {
    const { code, stderr } = await broker.run(["consume", "nowhere", "--from", "start", "--until", "end"]);
    expect(code).to.equal(3);
    expect(stderr).to.match(/^error: UNKNOWN_TOPIC_OR_PARTITION: .*nowhere/);
    expect(await broker.run(["consume", "nowhere", "--from", "-5"])).to.include({ code: 3 });
    expect(await broker.run(["topics", "describe", "nowhere"])).to.include({ code: 3 });
    expect(await broker.run(["topics", "delete", "nowhere", "--yes"])).to.include({ code: 3 });
    expect(await broker.run(["topics", "delete", "nowhere", "--yes", "--if-exists"])).to.include({
      code: 0,
      stderr: "there was no topic nowhere\n",
    });
  });

  it("ends with 3 for a partition that the topic does not have", async () => {
    await broker.run(["topics", "create", "narrow", "-p", "1"]);
    expect(await broker.run(["produce", "narrow", "-p", "5"], { stdin: "x\n" })).to.include({ code: 3 });
    expect(await broker.run(["consume", "narrow", "-p", "5", "--until", "end"])).to.include({ code: 3 });
  });

  it("ends with 4 for a topic that exists, with 0 given --if-not-exists", async () => {
    expect(await broker.run(["topics", "create", "twice", "-p", "2"])).to.include({ code: 0 });
    const again = await broker.run(["topics", "create", "twice"]);
    expect(again.code).to.equal(4);
    expect(again.stderr).to.match(/^error: TOPIC_ALREADY_EXISTS: /);
    expect(await broker.run(["topics", "create", "twice", "--if-not-exists"])).to.include({ code: 0 });
  });

  it("does what it can with several names and ends with 8", async () => {
    await broker.run(["topics", "create", "p1"]);
    const { code, stderr, stdout } = await broker.run(["topics", "create", "p1", "p2", "-o", "ndjson"]);
    expect(code).to.equal(8);
    expect(JSON.parse(stdout.toString())).to.include({ name: "p2" });
    expect(JSON.parse(stderr))
      .to.include({ code: "PARTIAL" })
      .and.have.nested.property("details.failed[0].code", "TOPIC_ALREADY_EXISTS");
  });

  it("creates nothing on a dry run", async () => {
    expect(await broker.run(["topics", "create", "dry", "--dry-run"])).to.include({ code: 0 });
    expect(await broker.run(["topics", "describe", "dry"])).to.include({ code: 3 });
  });

  it("ends with 7 when nothing arrives within --timeout", async () => {
    await broker.run(["topics", "create", "silent"]);
    const { code, stderr } = await broker.run(["consume", "silent", "--from", "start", "-n", "1", "--timeout", "4s"]);
    expect(code).to.equal(7);
    expect(stderr).to.match(/^error: TIMEOUT: nothing more arrived within 4\.0 s; 0 records read\n/);
  });

  it("says how far it got when the input goes bad in the middle, and ends with 8", async () => {
    const { code, stderr } = await broker.run(["produce", "half", "-f", "ndjson", "-o", "json"], {
      stdin: '{"value":"1"}\n{"value":"2"}\n{"valeu":"3"}\n{"value":"4"}\n',
    });
    expect(code).to.equal(8);
    const error = JSON.parse(stderr.trim().split("\n").at(-1) ?? "");
    expect(error).to.include({ code: "PARTIAL", exitCode: 8 });
    expect(error.message).to.match(/^2 records acknowledged, then record 3 of standard input: `valeu`/);
    expect(error.details).to.include({ acknowledged: 2, code: "USAGE" });
    expect((await envelopes("half")).map((line) => line["value"])).to.deep.equal(["1", "2"]);
  });

  it("says which record was too large and what became of the others", async () => {
    await broker.run(["topics", "create", "small"]);
    const input = scratch.join("large");
    writeFileSync(input, `first\n${"z".repeat(2 * 1024 * 1024)}\nthird\n`);
    const { code, stderr } = await broker.run(["produce", "small", "--file", input]);
    expect(code).to.equal(8);
    expect(stderr).to.include("record 2 of").and.to.include("RECORD_TOO_LARGE");
    expect((await read("small")).split("\n")[0]).to.equal("first");
  });

  it("keeps to a rate", async () => {
    const before = performance.now();
    expect(await broker.run(["produce", "paced", "--rate", "100/s"], { stdin: "x\n".repeat(60) })).to.include({
      code: 0,
    });
    expect(performance.now() - before).to.be.above(550);
  });

  it("writes the JSON shapes of topics list and describe", async () => {
    await broker.run(["topics", "create", "shape", "-p", "2", "-c", "retention.ms=1000"]);
    const listed = await broker.run(["topics", "list", "-o", "json"]);
    const rows = listed.stdout
      .toString()
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(rows.find((row) => row.name === "shape")).to.deep.equal({
      name: "shape",
      partitions: 2,
      replicas: 1,
      internal: false,
      bytes: 0,
    });
    const described = await broker.run(["topics", "describe", "shape", "-o", "json"]);
    const topic = JSON.parse(described.stdout.toString());
    expect(topic).to.have.all.keys("name", "partitions", "replicas", "internal", "bytes", "id", "config", "detail");
    const { directoryId } = topic.detail[1].lastIsr[0];
    expect(topic.detail[1]).to.deep.equal({
      partition: 1,
      leader: 1,
      leaderEpoch: 0,
      replicas: [1],
      isr: [1],
      adding: [],
      removing: [],
      damaged: [],
      elr: [],
      lastIsr: [{ broker: 1, directoryId }],
      minIsr: 1,
      recovering: false,
      start: 0,
      highWatermark: 0,
      lastStable: 0,
      end: 0,
      bytes: 0,
      troubles: [],
    });
    expect(topic.config.find((entry: { name: string }) => entry.name === "retention.ms")).to.include({
      value: "1000",
      source: "topic",
    });
  });
});
