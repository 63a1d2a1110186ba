/**
 * docker-compose.yml as its users run it: the image is built, three brokers get healthy, are written to from the host and from
 * another container, lose each of them in turn, stop, and come back with what they had. And what `generate compose` writes for five
 * brokers of that image, of which one more is added.
 *
 * Runs where TIDEMARK_TEST_COMPOSE names the command ("docker compose", "docker-compose") and an engine answers; elsewhere it is
 * reported as skipped. Needs the ports of the file. Builds an image: minutes on a machine that has nothing of it yet.
 */
import { expect } from "chai";
import { execFile, spawn } from "node:child_process";
import { resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { finished, run as tidemark, ScratchDirectory } from "../support/tidemark.ts";

const [command = "", ...head] = (process.env["TIDEMARK_TEST_COMPOSE"] ?? "").split(" ");
const root = resolve(import.meta.dirname, "../../../..");
const PROJECT = "tidemark-compose-test";
const BROKERS = ["broker-1", "broker-2", "broker-3"] as const;
const HOST = "localhost:9192,localhost:9193,localhost:9194";
const INSIDE = "broker-1:9192,broker-2:9193,broker-3:9194";
/** Of a hang, not of a slow machine. */
const HEALTHY_LIMIT_MS = 300_000;

const execute = promisify(execFile);

const lines = (from: number, to: number): string =>
  Array.from({ length: to - from }, (_, index) => `line ${from + index}\n`).join("");
const sorted = (text: string): string[] => text.trimEnd().split("\n").sort();

const addressIn = (line: string): string => {
  const { host, port } = JSON.parse(line) as { host: string; port: number };
  return `${host}:${port}`;
};

const docker = async (...args: string[]): Promise<string> => (await execute("docker", args)).stdout.trim();

class Project {
  readonly #name: string;
  readonly #file: string;
  readonly #services: readonly string[];

  constructor(name: string, file: string, services: readonly string[]) {
    this.#name = name;
    this.#file = file;
    this.#services = services;
  }

  async compose(...args: string[]): Promise<string> {
    const all = [...head, "-p", this.#name, "-f", this.#file, ...args];
    return (await execute(command, all, { cwd: root, maxBuffer: 1 << 26 })).stdout;
  }

  async idOf(service: string): Promise<string> {
    return (await this.compose("ps", "-q", service)).trim();
  }

  /** Until every container is healthy, as `--wait` does, which older Compose does not know; ms. */
  async up(...flags: string[]): Promise<number> {
    const startedAt = performance.now();
    await this.compose("up", "-d", ...flags);
    const ids = await Promise.all(this.#services.map((service) => this.idOf(service)));
    for (;;) {
      // oxlint-disable-next-line no-await-in-loop
      const states = await docker("inspect", "--format", "{{.State.Health.Status}}", ...ids);
      if (states.split("\n").every((state) => state === "healthy")) return performance.now() - startedAt;
      expect(performance.now() - startedAt, `not healthy: ${states}`).to.be.below(HEALTHY_LIMIT_MS);
      // oxlint-disable-next-line no-await-in-loop
      await sleep(200);
    }
  }
}

async function untilWhole(brokers: string): Promise<void> {
  const { code, stderr } = await tidemark([
    "cluster",
    "health",
    "--exit-when-healthy",
    "--timeout",
    "5m",
    "-b",
    brokers,
  ]);
  expect(code, stderr).to.equal(0);
}

describe("docker-compose.yml", function () {
  if (command === "") {
    it("(not run: TIDEMARK_TEST_COMPOSE names no command of Docker Compose)");
    return;
  }
  this.timeout(900_000);

  const project = new Project(PROJECT, resolve(root, "docker-compose.yml"), BROKERS);
  const compose = project.compose.bind(project);
  const up = project.up.bind(project);
  const idOf = project.idOf.bind(project);

  /** The executable in a container of its own, beside the brokers. */
  async function beside(args: readonly string[], stdin = ""): Promise<{ code: number | null; stdout: string }> {
    const network = `${PROJECT}_default`;
    const child = spawn("docker", ["run", "--rm", "-i", "--network", network, "tidemark:local", ...args, "-b", INSIDE]);
    child.stdin.end(stdin);
    const { code, stdout } = await finished(child);
    return { code, stdout: stdout.toString() };
  }

  async function readAll(): Promise<void> {
    const { stdout } = await tidemark(["consume", "t", "--from", "start", "--until", "end", "-b", HOST]);
    expect(sorted(stdout.toString())).to.deep.equal(sorted(lines(0, written)));
    const inside = await beside(["consume", "t", "--from", "start", "--until", "end"]);
    expect(sorted(inside.stdout)).to.deep.equal(sorted(lines(0, written)));
  }

  let written = 0;
  before(async () => {
    await compose("down", "-v");
    await compose("build");
  });
  after(async () => {
    await compose("down", "-v");
  });

  it("brings up three brokers that are healthy, and tells how long it takes", async () => {
    const tookMs = await up();
    process.stdout.write(`      healthy ${(tookMs / 1_000).toFixed(1)} s after up -d\n`);
    const { code } = await tidemark(["cluster", "health", "-b", HOST]);
    expect(code).to.equal(0);
  });

  it("runs as a user without rights, on a file system that it may not write, with node as process 1", async () => {
    const id = await idOf("broker-1");
    expect(await docker("exec", id, "id", "-un")).to.equal("node");
    expect(await docker("exec", id, "cat", "/proc/1/comm")).to.equal("node");
    const refused = await docker("exec", id, "touch", "/app/x").catch((error: unknown) => String(error));
    expect(refused).to.match(/Read-only file system/u);
  });

  it("is written to from the host and from another container, each by the addresses that are right for it", async () => {
    const made = await tidemark(["topics", "create", "t", "--partitions", "6", "-b", "localhost:9193"]);
    expect(made.code, made.stderr).to.equal(0);
    const fromHost = await tidemark(["produce", "t", "-b", "localhost:9194"], { stdin: lines(0, 5_000) });
    expect(fromHost.code, fromHost.stderr).to.equal(0);
    expect((await beside(["produce", "t"], lines(5_000, 10_000))).code).to.equal(0);
    written = 10_000;
    await readAll();
    const addresses = (told: string): string[] => told.trimEnd().split("\n").map(addressIn);
    const seen = await tidemark(["cluster", "brokers", "-o", "json", "-b", "localhost:9192"]);
    expect(addresses(seen.stdout.toString())).to.deep.equal(HOST.split(","));
    expect(addresses((await beside(["cluster", "brokers", "-o", "json"])).stdout)).to.deep.equal(INSIDE.split(","));
    const within = await docker("exec", await idOf("broker-2"), "tidemark", "cluster", "brokers", "-o", "json");
    expect(addresses(within)).to.deep.equal(INSIDE.split(","));
  });

  for (const victim of BROKERS) {
    it(`goes on while ${victim} is killed, and takes it in again`, async () => {
      await compose("kill", "-s", "SIGKILL", victim);
      const produced = await tidemark(["produce", "t", "-b", HOST], { stdin: lines(written, written + 2_000) });
      expect(produced.code, produced.stderr).to.equal(0);
      written += 2_000;
      await readAll();
      await up();
      await untilWhole(HOST);
    });
  }

  it("says at its start that the addresses that others are told answer", async () => {
    const { stdout, stderr } = await execute("docker", ["logs", await idOf("broker-2")]);
    expect(stdout + stderr).to.not.include("does not answer from here");
    for (const address of ["broker-2:9193", "broker-2:9293", "broker-2:9392"])
      expect(stdout + stderr).to.match(new RegExp(`"${address}".*others are told this address, and it answers`, "u"));
  });

  it("stops cleanly, and has all of it after down and up", async () => {
    const ids = await Promise.all(BROKERS.map(idOf));
    await compose("stop");
    const codes = await docker("inspect", "--format", "{{.State.ExitCode}}", ...ids);
    expect(codes.split("\n"), "SIGTERM, not SIGKILL").to.deep.equal(["143", "143", "143"]);
    await compose("down");
    await up();
    const logs = await Promise.all((await Promise.all(BROKERS.map(idOf))).map((id) => execute("docker", ["logs", id])));
    for (const { stdout, stderr } of logs) expect(stdout + stderr).to.include('"wasClean":true');
    await readAll();
  });
});

describe("what generate compose writes for five brokers", function () {
  if (command === "") {
    it("(not run: TIDEMARK_TEST_COMPOSE names no command of Docker Compose)");
    return;
  }
  this.timeout(900_000);
  const scratch = new ScratchDirectory();
  const file = scratch.join("five.yml");
  const of = (count: number): string[] => Array.from({ length: count }, (_, slot) => `broker-${slot + 1}`);
  const host = (count: number): string =>
    of(count)
      .map((_, slot) => `localhost:${17_192 + slot}`)
      .join();
  const project = (count: number): Project => new Project(`${PROJECT}-5`, file, of(count));
  const write = async (count: number): Promise<void> => {
    // The image is there: the suite above has built it.
    const flags = [
      "--image",
      "tidemark:local",
      "--grpc-port",
      "17192",
      "--http-port",
      "17292",
      "--out",
      file,
      "--force",
    ];
    const { code, stderr } = await tidemark(["generate", "compose", "--brokers", String(count), ...flags]);
    expect(code, stderr).to.equal(0);
  };

  before(() => write(5));
  after(async () => {
    await project(6).compose("down", "-v");
    scratch.remove();
  });

  it("is healthy, and bears the loss of any two: written to while one is away, read while two are", async () => {
    const tookMs = await project(5).up();
    process.stdout.write(`      five brokers healthy ${(tookMs / 1_000).toFixed(1)} s after up -d\n`);
    await untilWhole(host(5));
    const made = await tidemark(["topics", "create", "t", "--partitions", "5", "-b", host(5)]);
    expect(made.code, made.stderr).to.equal(0);
    await project(5).compose("kill", "-s", "SIGKILL", "broker-1");
    const produced = await tidemark(["produce", "t", "-b", host(5)], { stdin: lines(0, 3_000) });
    expect(produced.code, produced.stderr).to.equal(0);
    await project(5).compose("kill", "-s", "SIGKILL", "broker-2");
    const read = await tidemark(["consume", "t", "--from", "start", "--until", "end", "-b", host(5)]);
    expect(read.code, read.stderr).to.equal(0);
    expect(sorted(read.stdout.toString())).to.deep.equal(sorted(lines(0, 3_000)));
    await project(5).up();
    await untilWhole(host(5));
  });

  it("takes in a sixth as docs/operations.md says, and it gets its share", async () => {
    await write(6);
    await project(6).up("--no-recreate");
    const balanced = await tidemark(["partitions", "balance", "--wait", "--yes", "-b", host(6)]);
    expect(balanced.code, balanced.stderr).to.equal(0);
    const told = await tidemark(["cluster", "brokers", "-o", "ndjson", "-b", host(6)]);
    const brokers = told.stdout
      .toString()
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as { replicas: number });
    expect(brokers).to.have.length(6);
    for (const { replicas } of brokers) expect(replicas).to.be.greaterThan(0);
    await untilWhole(host(6));
    const read = await tidemark(["consume", "t", "--from", "start", "--until", "end", "-b", host(6)]);
    expect(sorted(read.stdout.toString())).to.deep.equal(sorted(lines(0, 3_000)));
  });
});
