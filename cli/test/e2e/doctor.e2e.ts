import { expect } from "chai";
import { chmodSync, cpSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { once } from "node:events";
import { runInProcess } from "../support/in-process.ts";
import { DevBroker, type Finished, ScratchDirectory } from "../support/tidemark.ts";

interface Line {
  readonly area: string;
  readonly check: string;
  readonly status: string;
  readonly detail: string;
  readonly fix: string;
}

function linesOf({ stdout }: Finished): Line[] {
  return stdout
    .toString()
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
}

/** What these say, and with it the exit code, depends on the machine that runs the tests: on its disk first of all. */
const OF_THE_MACHINE = /^(?:broker \d+ )?(?:fsync|free space|disk space|memory|open files)$/u;

function failuresIn(lines: readonly Line[]): readonly Line[] {
  return lines.filter(({ check, status }) => status === "FAIL" && !OF_THE_MACHINE.test(check));
}

describe("tidemark doctor", () => {
  let scratch: ScratchDirectory;
  beforeEach(() => {
    scratch = new ScratchDirectory();
  });
  afterEach(() => scratch.remove());

  it("finds nothing wrong with a broker that runs, from name to record, nor with its directory", async () => {
    const data = scratch.join("data");
    const broker = await DevBroker.start(["--data-dir", data, "--topic", "t:1:1"]);
    const http = broker.ready.brokers[0]?.http ?? "";
    const examined = await broker.run([
      "doctor",
      "-X",
      `http=${http}`,
      "--topic",
      "t",
      "--data-dir",
      data,
      "--timeout",
      "60s",
      "-o",
      "ndjson",
    ]);
    const read = await broker.run(["consume", "t", "--from", "start", "--until", "end"]);
    await broker.stop();
    const lines = linesOf(examined);
    expect(failuresIn(lines)).to.deep.equal([]);
    const checks = lines.map(({ check }) => check);
    for (const check of [
      "broker port",
      "cluster",
      "broker 1 advertised port",
      "broker 1 version",
      "broker 1 clock",
      "broker 1 disk space",
      "broker 1 fsync",
      "broker 1 controller",
      "ready",
      "health",
      "record",
    ])
      expect(checks).to.include(check);
    for (const check of [
      "node",
      "native crc32c",
      "open files",
      "memory",
      "event loop",
      "writable",
      "free space",
      "fsync",
    ])
      expect(checks).to.include(check);
    expect(lines.find(({ check }) => check === "last stop")?.detail).to.match(/^a broker runs on it now \(pid \d+\)$/);
    expect(read.stdout.toString()).to.match(/^tidemark doctor \d+ \d+\n$/);
    expect(readdirSync(data).filter((name) => name.includes("doctor"))).to.deep.equal([]);
  });

  it("looks at the directory of each of dev's brokers", async () => {
    const data = scratch.join("data");
    const dev = await DevBroker.start(["--data-dir", data, "--brokers", "3"]);
    await dev.stop();
    const doctor = (): Promise<Finished> => runInProcess(["doctor", "--server", "--data-dir", data, "-o", "ndjson"]);
    const well = linesOf(await doctor());
    expect(failuresIn(well)).to.deep.equal([]);
    for (const id of [1, 2, 3]) {
      const identity = well.find(({ check }) => check === `broker ${id} data directory`);
      expect(identity?.detail).to.equal(`${data}/broker-${id}: node ${id} of cluster ${dev.ready.clusterId}`);
      expect(well.find(({ check }) => check === `broker ${id} last stop`)?.detail).to.equal("clean");
    }
    rmSync(`${data}/broker-2`, { recursive: true });
    cpSync(`${data}/broker-1`, `${data}/broker-3`, { recursive: true, force: true });
    const lines = linesOf(await doctor());
    expect(lines.find(({ check }) => check === "broker 2 data directory")?.status).to.equal("WARN");
    expect(failuresIn(lines).map(({ check, fix }) => [check, fix])).to.deep.equal([
      ["broker 3 data directory", "set node.id=1, or use another directory"],
    ]);
  });

  it("runs what it can without a broker, and fails only for one that was named", async () => {
    const nobody = createServer();
    nobody.listen(0, "127.0.0.1");
    await once(nobody, "listening");
    const address = nobody.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    nobody.close();
    await once(nobody, "close");
    const named = await runInProcess(["doctor", "--client", "-b", `127.0.0.1:${port}`, "-o", "ndjson"]);
    expect(named.code).to.equal(9);
    expect(linesOf(named).at(-1)).to.include({ check: "broker port", status: "FAIL" });
    expect(linesOf(named).at(-1)?.fix).to.include("check that the broker runs there");
    expect(JSON.parse(named.stderr)).to.include({ code: "UNHEALTHY", exitCode: 9 });
    const machine = await runInProcess(["doctor", "--server", "--data-dir", scratch.join("new"), "-o", "ndjson"]);
    expect(failuresIn(linesOf(machine))).to.deep.equal([]);
    const hasFailure = linesOf(machine).some(({ status }) => status === "FAIL");
    expect(machine.code, machine.stdout.toString()).to.equal(hasFailure ? 9 : 0);
    expect(linesOf(machine).every(({ area }) => area === "server")).to.equal(true);
    const unnamed = await runInProcess(["doctor", "-b", "no colon", "--client"]);
    expect(unnamed.code).to.equal(9);
    expect(unnamed.stdout.toString()).to.match(/^FAIL +settings +brokers=no colon: expected host:port.* -> correct /m);
  });

  it("says which directory is not this broker's, and which is damaged or cannot be written", async () => {
    const data = scratch.join("data");
    mkdirSync(data);
    writeFileSync(`${data}/meta.properties`, "version=1\nnode.id=7\ndirectory.id=AAAAAAAAAAAAAAAAAAAAAA\n");
    const other = ["doctor", "--server", "--set", "node.id=1", "--set", `log.dirs=${data}`, "-o", "ndjson"];
    const refused = linesOf(await runInProcess(other)).find(({ status }) => status === "FAIL");
    expect(refused).to.include({ check: "data directory", fix: "set node.id=7, or use another directory" });
    writeFileSync(`${data}/recovery-point-offset-checkpoint`, "nonsense");
    const damaged = await runInProcess(["doctor", "--server", "--data-dir", data, "-o", "ndjson"]);
    expect(damaged.code).to.equal(9);
    expect(linesOf(damaged).find(({ status }) => status === "FAIL")?.detail).to.include(
      "recovery-point-offset-checkpoint",
    );
    writeFileSync(scratch.join("file"), "");
    const file = await runInProcess(["doctor", "--server", "--data-dir", scratch.join("file"), "-o", "ndjson"]);
    expect(linesOf(file).at(-1)).to.include({ status: "FAIL", fix: "name a directory in log.dirs" });
    const wrong = await runInProcess(["doctor", "--server", "--set", "node.id=x", "-o", "ndjson"]);
    expect(linesOf(wrong).at(-1)).to.include({ check: "configuration", status: "FAIL" });
    // The superuser may write anywhere.
    if (process.getuid?.() === 0) return;
    chmodSync(data, 0o500);
    const closed = await runInProcess(["doctor", "--server", "--data-dir", data, "-o", "ndjson"]);
    chmodSync(data, 0o700);
    expect(linesOf(closed).find(({ check }) => check === "writable")?.status).to.equal("FAIL");
  });
});
