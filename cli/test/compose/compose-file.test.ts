import { expect } from "chai";
import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { parse } from "yaml";
import { type ComposeOptions, composeFile } from "../../src/compose/compose-file.ts";
import { expectGolden } from "../support/golden.ts";
import { runInProcess } from "../support/in-process.ts";
import { ScratchDirectory } from "../support/tidemark.ts";

const root = resolve(import.meta.dirname, "../../../..");

/** As far as tests look at it. */
interface ComposeFile {
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: Readonly<Record<string, null>>;
}
interface Service {
  readonly image: string;
  readonly build?: string;
  readonly hostname: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly ports: readonly string[];
  readonly volumes: readonly string[];
}

async function generated(...flags: string[]): Promise<string> {
  const { code, stdout, stderr } = await runInProcess(["generate", "compose", ...flags]);
  expect(code, stderr).to.equal(0);
  return stdout.toString();
}

const read = (text: string): ComposeFile => parse(text, { merge: true, maxAliasCount: -1 }) as ComposeFile;

const options = (brokers: number, own: Partial<ComposeOptions> = {}): ComposeOptions => ({
  brokers,
  image: "tidemark:local",
  build: ".",
  hostAddress: "127.0.0.1",
  grpcPort: 9192,
  httpPort: 9292,
  madeBy: "tidemark generate compose",
  ...own,
});

describe("generate compose", () => {
  for (const brokers of [1, 2, 3, 5]) {
    it(`writes the file of ${brokers} as it is known`, async () => {
      expectGolden(`compose/${brokers}.yml`, await generated("--brokers", String(brokers)));
    });
  }

  it("is what the repository's docker-compose.yml was written by", async () => {
    expect(readFileSync(resolve(root, "docker-compose.yml"), "utf8")).to.equal(
      await generated("--brokers", "3"),
      "npx tidemark generate compose --brokers 3 --out docker-compose.yml --force",
    );
    expect(await generated()).to.equal(await generated("--brokers", "3"));
  });

  it("gives each of any number of brokers its name, doors and volume, and all the same voters, an odd number of them", () => {
    for (const brokers of [1, 2, 3, 4, 6, 7, 100]) {
      const { services, volumes } = read(composeFile(options(brokers)));
      expect(Object.keys(services)).to.have.lengthOf(brokers);
      expect(Object.keys(volumes)).to.have.lengthOf(brokers);
      const published = Object.values(services).flatMap(({ ports }) => ports.map((port) => port.split(":")[1]));
      expect(new Set(published).size).to.equal(2 * brokers);
      const names = Object.keys(services);
      for (const [index, [name, service]] of Object.entries(services).entries()) {
        const [grpc, http] = [9192 + index, 9292 + index];
        expect(service.hostname).to.equal(name);
        expect(service.environment["TIDEMARK_LISTENERS"]).to.equal(
          `GRPC://0.0.0.0:${grpc},HTTP://0.0.0.0:${http},PEER://0.0.0.0:9392`,
        );
        expect(service.ports).to.deep.equal([`127.0.0.1:${grpc}:${grpc}`, `127.0.0.1:${http}:${http}`]);
        expect(service.volumes).to.deep.equal([`data-${index + 1}:/var/lib/tidemark`]);
        const voters = (service.environment["TIDEMARK_PEERS"] ?? "").split(",");
        expect(service.environment["TIDEMARK_ADVERTISED_LISTENERS"]).to.equal(
          voters.includes(name) ? undefined : `PEER://${name}:9392`,
        );
        expect(voters).to.deep.equal(names.slice(0, voters.length));
        expect(voters.length % 2).to.equal(1);
        expect(voters.length).to.be.within(Math.min(Math.max(brokers - 1, 1), 5), 5);
      }
    }
  });

  it("keeps text text, whatever it looks like, and comments short", () => {
    for (const text of ["yes", "123", "a: b #c", "'", "../x y", "*z"]) {
      const made = read(composeFile(options(2, { image: text, build: text }))).services["broker-1"];
      expect([made?.image, made?.build]).to.deep.equal([text, text]);
    }
    for (const hostAddress of ["127.0.0.1", "0.0.0.0", "10.0.0.7"])
      for (const brokers of [1, 2, 4, 5])
        for (const line of composeFile(options(brokers, { hostAddress })).split("\n"))
          if (/^\s*# [^ ]/.test(line)) expect(line.length, line).to.be.at.most(120);
  });

  it("says in the file and on stderr that doors stand open, where they do", async () => {
    const { stdout, stderr } = await runInProcess(["generate", "compose", "--host-address", "0.0.0.0"]);
    expect(stdout.toString()).to.include("THEY STAND OPEN on every address").and.include('"0.0.0.0:9192:9192"');
    expect(stderr).to.equal("warning: the doors will stand open on 0.0.0.0, neither encrypted nor authenticated\n");
    expect(await generated("--host-address", "127.0.0.2")).to.not.include("OPEN");
  });

  it("names the command that writes the same file again", async () => {
    const flags = ["--brokers", "4", "--image", "r/t:1", "--build", "it's here", "--grpc-port", "80"];
    const text = await generated(...flags, "-q");
    const line = /`(tidemark generate compose .*)`/.exec(text)?.[1] ?? "";
    const words = execFileSync("sh", ["-c", `printf '%s\\n' ${line}`], { encoding: "utf8" })
      .trimEnd()
      .split("\n");
    expect(words).to.deep.equal(["tidemark", "generate", "compose", ...flags]);
  });

  it("builds what it names itself, and pulls what is named unless a directory is", async () => {
    expect(await generated("--image", "r/t:1")).to.not.include("build");
    const both = read(await generated("--image", "r/t:1", "--build", "src")).services["broker-1"];
    expect(both).to.include({ image: "r/t:1", build: "src" });
  });
});

describe("docker-compose config", () => {
  const hasCompose = spawnSync("docker-compose", ["version"]).status === 0;
  let scratch: ScratchDirectory;
  before(function () {
    scratch = new ScratchDirectory();
    if (!hasCompose) {
      process.stderr.write("skipped: there is no docker-compose on this machine to read the files with\n");
      this.skip();
    }
  });
  after(() => scratch.remove());

  for (const flags of [
    ["1"],
    ["2"],
    ["3"],
    ["5"],
    ["7", "--host-address", "0.0.0.0", "--image", "r.example:5000/t:1"],
  ]) {
    it(`takes what is written for ${flags.join(" ")}`, async () => {
      const file = scratch.join("docker-compose.yml");
      writeFileSync(file, await generated("--brokers", ...flags));
      const { status, stderr } = spawnSync("docker-compose", ["-f", file, "config", "-q"], { encoding: "utf8" });
      expect(status, stderr).to.equal(0);
    });
  }
});
