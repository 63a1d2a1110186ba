import { expect } from "chai";
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname } from "node:path";
import { type InProcessOptions, runInProcess } from "../support/in-process.ts";
import { DevBroker, type Finished, ScratchDirectory, start } from "../support/tidemark.ts";

interface Failure {
  readonly code: string;
  readonly message: string;
  readonly hint: string | null;
  readonly exitCode: number;
}

const rowsOf = (finished: Finished): Record<string, unknown>[] =>
  finished.stdout
    .toString()
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line));

describe("tidemark as an administrator", () => {
  let broker: DevBroker;
  let scratch: ScratchDirectory;
  let count = 0;

  before(async () => {
    scratch = new ScratchDirectory();
    broker = await DevBroker.start(["--memory"]);
  });
  after(async () => {
    await broker.stop();
    scratch.remove();
  });

  const tidemark = (args: readonly string[], options: InProcessOptions = {}): Promise<Finished> =>
    runInProcess([...args, "-b", broker.address], {
      ...options,
      env: { XDG_CONFIG_HOME: scratch.path, ...options.env },
    });
  async function rows(...args: string[]): Promise<Record<string, unknown>[]> {
    const finished = await tidemark([...args, "-o", "ndjson"]);
    expect(finished.code, finished.stderr).to.equal(0);
    return rowsOf(finished);
  }
  async function failure(...args: string[]): Promise<Failure> {
    const { code, stderr, stdout } = await tidemark([...args, "-o", "ndjson"]);
    const failed: Failure = JSON.parse(stderr.trim().split("\n").at(-1) ?? "");
    expect(failed.exitCode, stderr).to.equal(code);
    expect(stdout.toString(), args.join(" ")).to.equal("");
    return failed;
  }
  async function newTopic(partitions: number, records = 0): Promise<string> {
    const name = `admin-${count++}`;
    await rows("topics", "create", name, "-p", String(partitions));
    const stdin = Array.from({ length: records }, (_, slot) => `{"n":${slot}}\n`).join("");
    if (records > 0) expect((await tidemark(["produce", name, "-p", "0"], { stdin })).code).to.equal(0);
    return name;
  }

  it("alters topics, says what was and what is, and goes back to the default", async () => {
    const name = await newTopic(1);
    const [changed] = await rows("topics", "alter", name, "-c", "segment.bytes=6MiB");
    expect(changed).to.include({ resource: `topic/${name}`, name: "segment.bytes", after: "6291456", source: "topic" });
    const [back] = await rows("topics", "alter", name, "--delete-config", "segment.bytes");
    expect(back).to.include({ before: "6291456", after: changed?.["before"], source: "default" });
    expect(await failure("topics", "alter", name)).to.include({ code: "USAGE" });
    expect(await failure("topics", "alter", name, "-c", "a=1", "--delete-config", "a")).to.include({ code: "USAGE" });
  });

  it("adds partitions, in all or as more, and refuses fewer", async () => {
    const name = await newTopic(2);
    expect(await rows("topics", "add-partitions", name, "+1")).to.deep.equal([
      { topic: name, partitions: 3, before: 2 },
    ]);
    expect(await rows("topics", "add-partitions", name, "4")).to.deep.equal([
      { topic: name, partitions: 4, before: 3 },
    ]);
    expect(await failure("topics", "add-partitions", name, "2")).to.include({ code: "INVALID_ARGUMENT", exitCode: 2 });
  });

  it("tells first and last offsets, and those of a time", async () => {
    const name = await newTopic(2, 5);
    expect(await rows("topics", "offsets", name)).to.deep.equal([
      { topic: name, partition: 0, earliest: 0, latest: 5 },
      { topic: name, partition: 1, earliest: 0, latest: 0 },
    ]);
    expect(await rows("topics", "offsets", name, "--at", "latest", "-p", "0")).to.deep.equal([
      { topic: name, partition: 0, offset: 5 },
    ]);
    expect((await rows("topics", "offsets", name, "--at", "@-1h"))[0]).to.include({ offset: 0 });
    expect((await rows("topics", "offsets", name, "--at", "max-timestamp"))[1]).to.include({ offset: null });
    const missing = { code: "UNKNOWN_TOPIC_OR_PARTITION", exitCode: 3 };
    expect(await failure("topics", "offsets", name, "-p", "7")).to.include(missing);
    expect(await failure("topics", "truncate", name, "-p", "7", "--before", "end", "-y")).to.include(missing);
  });

  it("truncates when it may, and tells before what it would delete", async () => {
    const name = await newTopic(2, 5);
    const refused = await failure("topics", "truncate", name, "--before", "2", "-p", "0");
    expect(refused).to.include({ code: "NEEDS_CONFIRMATION", exitCode: 2 });
    const plan = { topic: name, partition: 0, from: 0, to: 2, records: 2 };
    const cut = ["topics", "truncate", name, "--before", "2", "-p", "0"];
    expect(await rows(...cut, "--dry-run")).to.deep.equal([plan]);
    expect((await rows("topics", "offsets", name))[0]).to.include({ earliest: 0 });
    expect(await rows(...cut, "--yes")).to.deep.equal([plan]);
    expect((await rows("topics", "offsets", name))[0]).to.include({ earliest: 2 });
    expect(await failure("topics", "truncate", name, "--before", "3", "--yes")).to.include({ code: "USAGE" });
    const beyond = await failure("topics", "truncate", name, "--before", "99", "-p", "0", "--yes");
    expect(beyond).to.include({ code: "OFFSET_OUT_OF_RANGE", exitCode: 1 });
    await rows("topics", "truncate", name, "--before", "-1", "--yes");
    expect((await rows("topics", "offsets", name))[0]).to.include({ earliest: 5, latest: 5 });
  });

  it("changes nothing with --dry-run, and refuses it where it means nothing", async () => {
    const name = await newTopic(1, 1);
    await rows("topics", "delete", name, "--dry-run");
    await rows("topics", "alter", name, "-c", "segment.bytes=6MiB", "--dry-run");
    await rows("topics", "add-partitions", name, "3", "--dry-run");
    await rows("topics", "create", `${name}-x`, "--dry-run");
    const [topic] = await rows("topics", "describe", name);
    expect(topic).to.include({ partitions: 1 });
    expect(JSON.stringify(topic)).to.not.include("6291456");
    expect(await failure("topics", "describe", `${name}-x`)).to.include({ exitCode: 3 });
    expect(await failure("produce", name, "--dry-run")).to.include({ code: "USAGE" });
  });

  it("refuses a format before it has done anything", async () => {
    const name = `admin-${count++}`;
    const { code } = await tidemark(["topics", "create", name, "-o", "raw"]);
    expect(code).to.equal(2);
    expect(await failure("topics", "describe", name)).to.include({ code: "UNKNOWN_TOPIC_OR_PARTITION" });
  });

  it("shows of the cluster what was set for it, and nothing that the broker asked has for itself", async () => {
    const names = async (): Promise<unknown[]> => (await rows("configs", "get", "cluster")).map(({ name }) => name);
    expect(await names()).to.deep.equal([]);
    await rows("configs", "set", "cluster", "message.max.bytes=2MiB");
    expect(await names()).to.deep.equal(["message.max.bytes"]);
    await rows("configs", "delete", "cluster", "message.max.bytes");
    expect((await rows("configs", "get", "cluster", "log.dirs"))[0]).to.include({ source: "static" });
  });

  it("gets, sets, deletes, compares and explains settings, each with its source", async () => {
    const name = await newTopic(1);
    const resource = `topic/${name}`;
    await rows("configs", "set", resource, "retention.ms=7d", "max.message.bytes=2MiB");
    const own = await rows("configs", "get", resource);
    expect(own.find((row) => row["name"] === "retention.ms")).to.include({ value: "604800000", source: "topic" });
    expect(own.every((row) => row["source"] !== "default")).to.equal(true);
    const all = await rows("configs", "get", resource, "--all");
    expect(all.length).to.be.greaterThan(own.length);
    const [explained] = await rows("configs", "get", resource, "--explain", "max.message.bytes");
    expect(explained).to.have.all.keys(
      "name",
      "value",
      "source",
      "sensitive",
      "readOnly",
      "type",
      "updateMode",
      "default",
      "layers",
      "doc",
      "note",
    );
    expect(explained?.["layers"]).to.have.length.greaterThan(1);
    const differing = await rows("configs", "diff", resource, "broker/1");
    expect(differing.find((row) => row["name"] === "max.message.bytes")).to.include({
      left: "2097152",
      leftSource: "topic",
    });
    expect(differing.some((row) => row["name"] === "node.id")).to.equal(false);
    expect(await rows("configs", "diff", resource, resource)).to.deep.equal([]);
    const [deleted] = await rows("configs", "delete", resource, "max.message.bytes");
    expect(deleted).to.include({ before: "2097152", source: "default" });
  });

  it("says what is set and has no effect yet", async () => {
    const said = "compression.type is accepted and has no effect yet\n";
    const name = `idle-${count++}`;
    expect((await tidemark(["topics", "create", name, "-c", "compression.type=lz4"])).stderr).to.equal(said);
    expect((await tidemark(["configs", "set", `topic/${name}`, "compression.type=gzip"])).stderr).to.equal(said);
    const changed = await tidemark(["topics", "alter", name, "-c", "retention.ms=1d", "-c", "cleanup.policy=compact"]);
    expect(changed.stderr).to.equal("cleanup.policy: compact is accepted and has no effect yet\n");
    const [explained] = await rows("configs", "get", `topic/${name}`, "--explain", "compression.type");
    expect(explained).to.include({ value: "gzip", note: said.trim() });
    expect((await tidemark(["configs", "delete", `topic/${name}`, "compression.type"])).stderr).to.equal("");
  });

  it("sets all or nothing, and names the key that was meant", async () => {
    const resource = `topic/${await newTopic(1)}`;
    const refused = await failure("configs", "set", resource, "retention.ms=1d", "segment.bites=6MiB");
    expect(refused).to.include({ code: "INVALID_ARGUMENT", exitCode: 2, hint: "did you mean segment.bytes?" });
    expect(await rows("configs", "get", resource, "retention.ms")).to.deep.include.members([
      (await rows("configs", "get", resource, "retention.ms"))[0],
    ]);
    expect((await rows("configs", "get", resource, "retention.ms"))[0]).to.include({ source: "default" });
    expect(await failure("configs", "get", "topics/x")).to.include({ code: "USAGE" });
    expect(await failure("configs", "get", "broker/7")).to.include({ exitCode: 3 });
    expect(await failure("configs", "set", "broker/1", "node.id=3")).to.include({ code: "INVALID_ARGUMENT" });
  });

  it("edits settings in an editor: changed lines set, lines that are gone delete", async () => {
    const resource = `topic/${await newTopic(1)}`;
    await rows("configs", "set", resource, "retention.ms=7d", "segment.bytes=6MiB");
    const editor = "sed -i -e s/^retention.ms=.*/retention.ms=2d/ -e /^segment.bytes/d";
    const finished = await tidemark(["configs", "edit", resource, "-o", "ndjson"], { env: { EDITOR: editor } });
    expect(finished.code, finished.stderr).to.equal(0);
    const changed = rowsOf(finished).map(({ name, after, source }) => ({ name, after, source }));
    expect(changed[0]).to.deep.equal({ name: "retention.ms", after: "172800000", source: "topic" });
    expect(changed[1]).to.include({ name: "segment.bytes", source: "default" });
    const failed = await tidemark(["configs", "edit", resource], { env: { EDITOR: "false" } });
    expect(failed.stderr).to.include("error: EDITOR_FAILED");
  });

  it("leaves a temporary file of an edit only where it holds what was typed", async () => {
    const resource = `topic/${await newTopic(1)}`;
    const left = (): string[] => readdirSync(tmpdir()).filter((name) => name.startsWith("tidemark-edit-"));
    const before = left();
    // Through an editor that fails, and without a terminal for one.
    for (const editor of ["false", ""]) {
      const { stderr } = await tidemark(["configs", "edit", resource], { env: { EDITOR: editor, VISUAL: "" } });
      expect(stderr).to.include("error: EDITOR_FAILED").and.not.include("is kept");
    }
    expect(left()).to.deep.equal(before);
    const editor = "sed -i s/^.*retention.ms=.*/retention.ms=soon/";
    const { stderr } = await tidemark(["configs", "edit", resource], { env: { EDITOR: editor } });
    const [, kept = ""] = /your text is kept in (.*)/.exec(stderr) ?? [];
    expect(readFileSync(kept, "utf8")).to.include("retention.ms=soon");
    rmSync(dirname(kept), { recursive: true });
    expect(left()).to.deep.equal(before);
  });

  it("shows on a dry run what would be there, as the broker shows it", async () => {
    const resource = `topic/${await newTopic(1)}`;
    const set = [
      "configs",
      "set",
      resource,
      "retention.ms=7d",
      "segment.bytes=6MiB",
      "cleanup.policy= compact , delete",
    ];
    const planned = await rows(...set, "--dry-run");
    expect(planned.map(({ after }) => after)).to.deep.equal(["604800000", "6291456", "compact,delete"]);
    expect(await rows(...set)).to.deep.equal(planned);
    const [ofBroker] = await rows("configs", "set", "broker/1", "log.retention.ms=2d", "--dry-run");
    expect(ofBroker).to.include({ after: "172800000" });
  });

  it("suggests the topic that was meant, at once", async () => {
    const name = await newTopic(1);
    for (const command of ["describe", "offsets"])
      expect((await failure("topics", command, `${name}x`)).hint, command).to.match(/^did you mean admin-/);
    const { code, stderr } = await tidemark(["consume", `${name}x`]);
    expect(code).to.equal(3);
    expect(stderr)
      .to.match(/^error: UNKNOWN_TOPIC_OR_PARTITION: there is no topic/)
      .and.match(/hint: did you mean admin-/);
    const partition = await tidemark(["consume", name, "-p", "3"]);
    expect(partition.stderr).to.include(
      `topic ${name} has 1 partition, and no partition 3\nhint: its partition is 0\n`,
    );
  });

  it("shows the records that were asked for, as lines, templates or values", async () => {
    const name = await newTopic(1, 5);
    const read = async (...args: string[]): Promise<string> =>
      (await tidemark(["consume", name, "--until", "end", ...args])).stdout.toString();
    expect(await read("--where", "value.n >= 3")).to.equal('{"n":3}\n{"n":4}\n');
    expect(await read("--grep", "[12]}$", "-n", "1")).to.equal('{"n":1}\n');
    expect(await read("-o", "template={partition}:{offset}", "-n", "2")).to.equal("0:0\n0:1\n");
    expect(await read("-o", "table", "--where", "offset == 4")).to.match(/^\S+Z {2}0:4 {2}- {2}\{"n":4\}\n$/);
    const tail = await tidemark(["tail", name, "--from", "-2", "-n", "2"]);
    expect(tail.stdout.toString()).to.equal('{"n":3}\n{"n":4}\n');
    expect(await failure("consume", name, "-g", "billing")).to.include({ code: "UNSUPPORTED", exitCode: 2 });
    expect(await failure("produce", name, "--txn-id", "x")).to.include({ code: "UNSUPPORTED", exitCode: 2 });
  });

  it("counts the bytes of what was acknowledged, not of what was read", async () => {
    const name = await newTopic(1);
    const { stderr } = await tidemark(["produce", name, "-k", "kk", "-o", "json"], { stdin: "abc\nde\n" });
    expect(JSON.parse(stderr)).to.include({ event: "produced", records: 2, bytes: 9 });
  });

  it("shows in one snapshot what the broker does, and what it cannot show", async () => {
    const http = broker.ready.brokers[0]?.http ?? "";
    const [load] = await rows("top", "--interval", "100ms", "-X", `http=${http}`);
    expect(load).to.include({ broker: http }).and.have.property("hottest").that.is.an("array");
    expect(load?.["bytesIn"]).to.be.a("number");
    expect(load?.["connections"]).to.have.property("GRPC");
    const blind = await tidemark(["top", "--interval", "100ms", "-X", "http=127.0.0.1:1", "-o", "json"]);
    expect(blind.code, blind.stderr).to.equal(0);
    expect(blind.stderr).to.include("no metrics from http://127.0.0.1:1/metrics/detail");
    expect(rowsOf(blind)[0]).to.include({ recordsIn: null }).and.have.property("logBytes").that.is.a("number");
  });

  it("waits for an HTTP door that is named, also where that takes its time", async () => {
    let delayMs = 2_100;
    const server = createServer((_, response) => {
      setTimeout(() => response.end(""), delayMs);
      delayMs = 0;
    });
    await once(server.listen(0, "127.0.0.1"), "listening");
    const { port } = server.address() as AddressInfo;
    const [load] = await rows("top", "--interval", "100ms", "-X", `http=127.0.0.1:${port}`);
    server.close();
    expect(load).to.include({ broker: `127.0.0.1:${port}`, recordsIn: null });
  });

  it("takes the brokers of a profile, and -b above it", async () => {
    const env = { XDG_CONFIG_HOME: scratch.path };
    await runInProcess(["profile", "add", "here", "-b", broker.address], { env });
    await runInProcess(["profile", "add", "nowhere", "-b", "127.0.0.1:1", "-X", "timeouts.connect=1s"], { env });
    expect(await runInProcess(["topics", "list"], { env })).to.include({ code: 0 });
    await runInProcess(["ctx", "use", "nowhere"], { env });
    expect(await runInProcess(["topics", "list", "--timeout", "1s"], { env })).to.include({ code: 6 });
    expect(await runInProcess(["topics", "list", "--profile", "here"], { env })).to.include({ code: 0 });
    expect(await runInProcess(["topics", "list", "-b", broker.address], { env })).to.include({ code: 0 });
    const misspelt = await runInProcess(["topics", "list", "--profile", "her"], { env });
    expect(misspelt.stderr).to.include("hint: did you mean here?");
    expect(misspelt.code).to.equal(3);
  });

  it("keeps a log file of what it said, and more", async () => {
    const file = scratch.join("cli.log");
    await tidemark(["topics", "describe", "nothing-like-it", "--log-file", file]);
    const last = JSON.parse(readFileSync(file, "utf8").trim().split("\n").at(-1) ?? "");
    expect(last).to.include({ level: "error", code: "UNKNOWN_TOPIC_OR_PARTITION" }).and.have.property("ts");
  });

  it("looks again with --watch until it is stopped", async () => {
    const child = start([
      "topics",
      "list",
      "--watch=100ms",
      "-o",
      "template=look {name}",
      "--internal",
      "-b",
      broker.address,
    ]);
    let text = "";
    const seen = new Promise<void>((resolve) => {
      child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
        text += chunk;
        if (text.split("look __tidemark_ready").length > 3) resolve();
      });
    });
    const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
    await seen;
    child.kill("SIGINT");
    expect(await ended).to.equal(130);
    expect(await failure("topics", "create", "x", "--watch=1s")).to.include({ code: "USAGE" });
  });
});
