import { createBroker } from "@tidemark/broker";
import type { Broker } from "@tidemark/broker";
import { expect } from "chai";
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const folder = resolve(import.meta.dirname, "../../../examples");

interface Ending {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs an example as its reader would, with `input` as standard input. */
function example(args: readonly string[], env: NodeJS.ProcessEnv, input = ""): Promise<Ending> {
  const [name = "", ...rest] = args;
  const child = spawn(process.execPath, [join(folder, name), ...rest], { env: { ...process.env, ...env } });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  child.stdin.end(input);
  return new Promise((ended) => child.once("close", (code) => ended({ code, stdout, stderr })));
}

describe("the examples", () => {
  let broker: Broker;
  let env: NodeJS.ProcessEnv;
  let directory = "";

  before(async () => {
    broker = await createBroker({ memory: true });
    await broker.start();
    directory = mkdtempSync(join(tmpdir(), "tidemark-examples-"));
    env = { TIDEMARK_BROKERS: broker.grpcAddress, VIEW: join(directory, "view.json") };
  });

  after(async () => {
    await broker.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  it("are all here", () => {
    const programs = readdirSync(folder).filter((name) => name.endsWith(".mjs"));
    expect(programs.sort()).to.deep.equal(["balances.mjs", "embedded.mjs", "kill-a-leader.test.mjs", "tail.mjs"]);
  });

  it("embedded: runs a broker in its own process", async () => {
    const { code, stdout, stderr } = await example(["embedded.mjs"], {});
    expect(code, stderr).to.equal(0);
    const lines = stdout.trim().split("\n");
    expect(lines).to.have.length(4);
    expect(lines.filter((line) => line.startsWith("north")).map((line) => line.split(" (")[0])).to.deep.equal([
      "north 20",
      "north 22",
    ]);
  });

  it("balances: goes on where its view stopped", async () => {
    const first = await example(["balances.mjs", "28"], env);
    expect(first.code, first.stderr).to.equal(0);
    // 28 transfers are each of 4 accounts with each of 7 amounts, whose sum is 7.00.
    const sums = (each: string): string[] => [0, 1, 2, 3].map((account) => `account-${account} ${each}`);
    expect(first.stdout.trim().split("\n")).to.deep.equal([...sums("7.00"), "28 transfers applied"]);
    const second = await example(["balances.mjs", "28"], env);
    expect(second.stdout.trim().split("\n")).to.deep.equal([...sums("14.00"), "28 transfers applied"]);
  });

  it("tail: writes lines and reads them back in order", async () => {
    const input = Array.from({ length: 5_000 }, (_, index) => `line ${index}\n`).join("");
    const written = await example(["tail.mjs", "write", "lines"], env, input);
    expect(written.code, written.stderr).to.equal(0);
    expect(written.stderr).to.contain("5000 lines written");
    const read = await example(["tail.mjs", "read", "lines", "5000"], env);
    expect(read.code, read.stderr).to.equal(0);
    expect(read.stdout).to.equal(input);
  });

  it("tail: ends quietly when its reader has seen enough", async () => {
    // More than a pipe holds.
    const input = Array.from({ length: 50_000 }, (_, index) => `line ${index}\n`).join("");
    expect((await example(["tail.mjs", "write", "many"], env, input)).code).to.equal(0);
    const child = spawn(process.execPath, [join(folder, "tail.mjs"), "read", "many"], {
      env: { ...process.env, ...env },
    });
    let stderr = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    child.stdout.once("data", () => child.stdout.destroy());
    const code = await new Promise((ended) => child.once("close", ended));
    expect(stderr).to.equal("");
    expect(code).to.equal(0);
  });

  it("tail: says how it is used", async () => {
    const { code, stderr } = await example(["tail.mjs", "sideways"], env);
    expect(code).to.equal(2);
    expect(stderr).to.contain("usage:");
  });

  it("kill-a-leader: is a test that passes", async () => {
    const { code, stdout } = await example(["kill-a-leader.test.mjs"], {});
    expect(code, stdout).to.equal(0);
    // Either form of report: that of a terminal, and that of a pipe.
    expect(stdout).to.match(/pass 2\b/u);
  });
});
