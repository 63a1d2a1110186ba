import { expect } from "chai";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { once } from "node:events";
import { configTable } from "@tidemark/broker/config";
import { runInProcess } from "../support/in-process.ts";
import { ScratchDirectory, start } from "../support/tidemark.ts";

const CLUSTER = "AAAAAAAAAAAAAAAAAAAAAQ";

describe("tidemark server, without a broker", () => {
  let scratch: ScratchDirectory;
  beforeEach(() => {
    scratch = new ScratchDirectory();
  });
  afterEach(() => scratch.remove());

  function file(name: string, text: string): string {
    writeFileSync(scratch.join(name), text);
    return scratch.join(name);
  }

  it("check-config shows every value in force and where it comes from, with units as people write them", async () => {
    const config = file("server.properties", "node.id=3\nlog.retention.ms=3d\nlog.segment.bytes=1GiB\n");
    const { code, stdout } = await runInProcess(
      ["server", "check-config", "--config", config, "--set", "log.retention.ms=36h", "-o", "ndjson"],
      { env: { TIDEMARK_LOG_SEGMENT_BYTES: "64MiB" } },
    );
    expect(code).to.equal(0);
    const rows = stdout
      .toString()
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    const of = (key: string): unknown => rows.find((row) => row.key === key);
    expect(of("node.id")).to.deep.equal({ key: "node.id", value: "3", source: "file" });
    expect(of("log.retention.ms")).to.deep.equal({ key: "log.retention.ms", value: "129600000", source: "flag" });
    expect(of("log.segment.bytes")).to.deep.equal({
      key: "log.segment.bytes",
      value: "67108864",
      source: "environment",
    });
    expect(of("num.partitions")).to.include({ source: "default" });
  });

  it("check-config names every problem at once with the nearest key, warns of what has no effect, and ends with 2", async () => {
    const config = file("server.properties", "node.id=3\nlog.segment.byts=5\nlog.roll.ms=10 bananas\n");
    const refused = await runInProcess(["server", "check-config", "--config", config]);
    expect(refused.code).to.equal(2);
    expect(refused.stderr).to.include("log.segment.byts=5: there is no such key; the nearest is log.segment.bytes");
    expect(refused.stderr).to.include("log.roll.ms=10 bananas: expected a whole number");
    const ineffective = configTable.find((entry) => entry.withoutEffect === true && entry.default !== null);
    if (ineffective === undefined) throw new Error("every key has an effect: this test says nothing any more");
    const setting = `${ineffective.brokerKey}=${ineffective.default}`;
    const warned = await runInProcess(["server", "check-config", "--set", "node.id=1", "--set", setting]);
    expect(warned.code).to.equal(0);
    expect(warned.stderr).to.equal(`warning: ${ineffective.brokerKey} is accepted and has no effect yet\n`);
  });

  it("print-defaults writes a file that changes nothing, and that is taken when all of it is uncommented", async () => {
    const { code, stdout } = await runInProcess(["server", "print-defaults"]);
    expect(code).to.equal(0);
    const text = stdout.toString();
    for (const { brokerKey, withoutEffect } of configTable)
      expect(text.includes(`\n#${brokerKey}=`), brokerKey).to.equal(withoutEffect !== true);
    const commented = file("commented.properties", text);
    const same = await runInProcess([
      "server",
      "check-config",
      "--config",
      commented,
      "--set",
      "node.id=1",
      "-o",
      "csv",
    ]);
    expect(same.code).to.equal(0);
    expect(same.stdout.toString()).to.not.include(",file\n");
    const set = file("set.properties", text.replace(/^#([a-z][a-z.]*=.+)$/gm, "$1"));
    const taken = await runInProcess(["server", "check-config", "--config", set]);
    expect(taken.code, taken.stderr).to.equal(0);
    const rows = (await runInProcess(["server", "print-defaults", "--all", "-o", "ndjson"])).stdout
      .toString()
      .trim()
      .split("\n");
    expect(rows).to.have.lengthOf(configTable.length);
  });

  it("format gives a directory its identity once, and the cluster that is born there its name", async () => {
    const data = scratch.join("data");
    const set = ["--set", "node.id=4", "--set", `log.dirs=${data}`];
    const made = await runInProcess(["server", "format", ...set, "--cluster-id", CLUSTER, "-o", "ndjson"]);
    expect(made.code, made.stderr).to.equal(0);
    expect(JSON.parse(made.stdout.toString())).to.include({ nodeId: 4, clusterId: CLUSTER, isBorn: false });
    const before = readFileSync(`${data}/meta.properties`, "utf8");
    const again = await runInProcess(["server", "format", ...set]);
    expect(again.code).to.equal(4);
    expect(again.stderr).to.include("error: ALREADY_FORMATTED");
    expect((await runInProcess(["server", "format", ...set, "--ignore-formatted"])).code).to.equal(0);
    expect(readFileSync(`${data}/meta.properties`, "utf8")).to.equal(before);

    const child = start(
      ["server", "start", ...set, "--set", "listeners=GRPC://127.0.0.1:0,HTTP://127.0.0.1:0", "-o", "json"],
      { env: { TIDEMARK_LOG_LEVEL: "error" } },
    );
    const [line] = await once(child.stdout.setEncoding("utf8"), "data");
    child.kill("SIGTERM");
    await once(child, "exit");
    expect(JSON.parse(String(line))).to.include({ event: "ready", clusterId: CLUSTER });
    expect(readFileSync(`${data}/meta.properties`, "utf8")).to.include(`\ncluster.id=${CLUSTER}\n`);
    expect(readFileSync(`${data}/meta.properties`, "utf8")).to.not.include("new.cluster.id");
    const other = ["--cluster-id", "BBBBBBBBBBBBBBBBBBBBBA"];
    expect((await runInProcess(["server", "format", ...set, ...other, "--ignore-formatted"])).code).to.equal(4);
  });

  it("format touches nothing that is not empty, and no id that is none", async () => {
    const data = scratch.join("data");
    mkdirSync(data);
    writeFileSync(`${data}/letters.txt`, "dear");
    const set = ["--set", "node.id=4", "--set", `log.dirs=${data}`];
    const refused = await runInProcess(["server", "format", ...set]);
    expect(refused.code).to.equal(4);
    expect(refused.stderr).to.include("error: DIRECTORY_NOT_EMPTY");
    expect(existsSync(`${data}/meta.properties`)).to.equal(false);
    expect((await runInProcess(["server", "format", ...set, "--cluster-id", "short"])).code).to.equal(2);
  });
});
