import { expect } from "chai";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { runInProcess } from "../support/in-process.ts";
import { ScratchDirectory } from "../support/tidemark.ts";

const compose = (...flags: string[]) => runInProcess(["generate", "compose", ...flags]);

describe("generate compose, the command", () => {
  let scratch: ScratchDirectory;
  beforeEach(() => {
    scratch = new ScratchDirectory();
  });
  afterEach(() => scratch.remove());

  it("writes to a file that is not there, and says how it is used", async () => {
    const file = scratch.join("docker-compose.yml");
    const { code, stdout, stderr } = await compose("--brokers", "5", "--out", file);
    expect(code).to.equal(0);
    expect(stdout.toString()).to.equal("");
    expect(stderr).to.equal(`wrote ${file}: 5 brokers; docker compose -f ${file} up --build --wait starts them\n`);
    expect(readFileSync(file)).to.deep.equal((await compose("--brokers", "5")).stdout);
  });

  it("leaves a file that is there, replaces it when told to, and nothing lies about afterwards", async () => {
    const file = scratch.join("mine.yml");
    writeFileSync(file, "mine\n");
    const refused = await compose("--out", file);
    expect(refused.code).to.equal(4);
    expect(refused.stderr).to.match(/^error: FILE_EXISTS: .*mine\.yml is there already, .*\nhint: .*--force/);
    expect(readFileSync(file, "utf8")).to.equal("mine\n");
    expect((await compose("--out", file, "--force", "--image", "x/y")).code).to.equal(0);
    expect(readFileSync(file, "utf8")).to.include("image: x/y");
    expect(readdirSync(scratch.path)).to.deep.equal(["mine.yml"]);
  });

  it("leaves nothing behind where it cannot write", async () => {
    mkdirSync(scratch.join("directory"));
    for (const flags of [["directory"], ["directory", "--force"], ["none/x.yml"], ["none/x.yml", "--force"]]) {
      const { code, stderr } = await compose("--out", scratch.join(flags[0] ?? ""), ...flags.slice(1));
      expect(code, stderr).to.not.equal(0);
      expect(stderr)
        .to.match(/^error: [A-Z_]+: /)
        .and.not.include("INTERNAL");
    }
    expect(readdirSync(scratch.path)).to.deep.equal(["directory"]);
  });

  it("refuses in one sentence what does not exist yet", async () => {
    for (const [flag, reason] of [
      ["--tls", "the doors cannot be encrypted in this version"],
      ["--scram", "this version knows no users and no passwords"],
      ["--console", "there is no console in this version"],
      ["--grafana", "Grafana is not among the services"],
    ] as const) {
      const file = scratch.join("x.yml");
      const { code, stdout, stderr } = await compose(flag, "--out", file);
      expect(code).to.equal(2);
      expect(stdout.toString()).to.equal("");
      expect(stderr).to.include(`error: UNSUPPORTED: ${flag}: ${reason}`);
      expect(existsSync(file)).to.equal(false);
    }
  });

  it("refuses what cannot be, with exit code 2 and the reason", async () => {
    for (const [flags, reason] of [
      [["--brokers", "0"], "expected a whole number from 1 to 100"],
      [["--brokers", "101"], "expected a whole number from 1 to 100"],
      [["--brokers", "three"], "expected a whole number from 1 to 100"],
      [["--grpc-port", "0"], "expected a port that is known beforehand, not 0"],
      [["--grpc-port", "65534"], "--grpc-port 65534: 3 ports from there on go beyond 65535"],
      [["--grpc-port", "9290"], "--http-port 9292: one of 3 ports is 9292, of --grpc-port 9290"],
      [["--http-port", "9391"], "--http-port 9391: one of 3 ports is 9392, of the door between brokers"],
      [["--host-address", "localhost"], "expected an IPv4 address of this machine"],
      [["--image", "a b"], "expected the name of an image"],
      [["--build", ""], "expected a path"],
      [["--force"], "--force replaces a file, and none is named"],
      [["-b", "5"], "did you mean --brokers 5?"],
      [["-o", "json"], "-o json is not an output of this command"],
      [["--broker-count", "5"], "unknown option '--broker-count'"],
      [["--replicas", "5"], "unknown option '--replicas'"],
    ] as const) {
      const { code, stdout, stderr } = await compose(...flags);
      expect(code, flags.join(" ")).to.equal(2);
      expect(stdout.toString()).to.equal("");
      expect(stderr).to.include(reason);
    }
  });

  it("is found by those who type it otherwise, and by completion", async () => {
    expect((await runInProcess(["compose"])).stderr).to.include("did you mean tidemark generate compose?");
    expect((await runInProcess(["generate", "compos"])).stderr).to.include("did you mean compose?");
    expect((await compose("--broker", "--out")).code).to.equal(2);
    expect((await compose("--hostaddress", "0.0.0.0")).stderr).to.include("did you mean --host-address?");
    const offered = async (...words: string[]): Promise<string> =>
      (await runInProcess(["__complete", "--", ...words])).stdout.toString();
    expect(await offered("generate", "")).to.match(/^compose\t/);
    expect(await offered("generate", "compose", "--host-address", "0")).to.equal("0.0.0.0\n");
    expect(await offered("generate", "compose", "--"))
      .to.include("--host-address")
      .and.not.include("--grafana");
  });
});
