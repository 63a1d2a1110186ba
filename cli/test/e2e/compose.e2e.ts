/**
 * docker-compose.yml as its users run it: the image is built, three brokers get healthy, are written to from the host and from
 * another container, lose one of them, stop, and come back with what they had.
 *
 * Runs where TIDEMARK_TEST_COMPOSE names the command ("docker compose", "docker-compose") and an engine answers; elsewhere it is
 * reported as skipped. Needs the ports of the file. Builds an image: minutes on a machine that has nothing of it yet.
 */
import { expect } from "chai";
import { execFile, spawn } from "node:child_process";
import { resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { finished, run as tidemark } from "../support/tidemark.ts";

const [command = "", ...head] = (process.env["TIDEMARK_TEST_COMPOSE"] ?? "").split(" ");
const root = resolve(import.meta.dirname, "../../../..");
const PROJECT = "tidemark-compose-test";
const BROKERS = ["broker-1", "broker-2", "broker-3"] as const;
const HOST = "localhost:9192,localhost:9193,localhost:9194";
const INSIDE = "broker-1:9192,broker-2:9193,broker-3:9194";
const HEALTHY_LIMIT_MS = 60_000;

const execute = promisify(execFile);

const lines = (from: number, to: number): string =>
  Array.from({ length: to - from }, (_, index) => `line ${from + index}\n`).join("");
const sorted = (text: string): string[] => text.trimEnd().split("\n").sort();

const addressIn = (line: string): string => {
  const { host, port } = JSON.parse(line) as { host: string; port: number };
  return `${host}:${port}`;
};

describe("docker-compose.yml", function () {
  if (command === "") {
    it("(not run: TIDEMARK_TEST_COMPOSE names no command of Docker Compose)");
    return;
  }
  this.timeout(900_000);

  const compose = async (...args: string[]): Promise<string> => {
    const { stdout } = await execute(command, [...head, "-p", PROJECT, ...args], { cwd: root, maxBuffer: 1 << 26 });
    return stdout;
  };
  const docker = async (...args: string[]): Promise<string> => (await execute("docker", args)).stdout.trim();
  const idOf = async (service: string): Promise<string> => (await compose("ps", "-q", service)).trim();

  /** The executable in a container of its own, beside the brokers. */
  async function beside(args: readonly string[], stdin = ""): Promise<{ code: number | null; stdout: string }> {
    const network = `${PROJECT}_default`;
    const child = spawn("docker", ["run", "--rm", "-i", "--network", network, "tidemark:local", ...args, "-b", INSIDE]);
    child.stdin.end(stdin);
    const { code, stdout } = await finished(child);
    return { code, stdout: stdout.toString() };
  }

  async function up(): Promise<number> {
    const startedAt = performance.now();
    await compose("up", "-d");
    for (;;) {
      const ids = await Promise.all(BROKERS.map(idOf));
      const states = await docker("inspect", "--format", "{{.State.Health.Status}}", ...ids);
      if (states.split("\n").every((state) => state === "healthy")) return performance.now() - startedAt;
      expect(performance.now() - startedAt, `not healthy: ${states}`).to.be.below(HEALTHY_LIMIT_MS);
      await sleep(200);
    }
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

  it("goes on while one broker is killed, and takes it in again", async () => {
    await compose("kill", "-s", "SIGKILL", "broker-1");
    const produced = await tidemark(["produce", "t", "-b", HOST], { stdin: lines(written, written + 2_000) });
    expect(produced.code, produced.stderr).to.equal(0);
    written += 2_000;
    await readAll();
    await up();
    const waited = Date.now() + HEALTHY_LIMIT_MS;
    while ((await tidemark(["cluster", "health", "-b", HOST])).code !== 0) {
      expect(Date.now(), "the cluster is not whole again").to.be.below(waited);
      await sleep(200);
    }
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
