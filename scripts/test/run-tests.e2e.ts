import { expect } from "chai";
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";

const root = resolve(import.meta.dirname, "../../..");

const FILES = {
  "good.cjs": `it("is good", () => undefined); it.skip("is left out", () => undefined);`,
  "slow.cjs": `describe("a suite", () => it("takes a while", (done) => void setTimeout(done, 30)));`,
  // What mocha itself cannot send from one process to another.
  "bad.cjs": `it("is bad", () => { throw Object.assign(new Error("this is wrong"), { loaded: require.cache }); });`,
  "dead.cjs": `it("dies", () => process.exit(0));`,
};

/** The runner over `names`, each in a batch of its own. */
async function runOf(
  directory: string,
  names: readonly (keyof typeof FILES)[],
): Promise<{ code: number; text: string }> {
  const files = names.map((name) => {
    const path = join(directory, name);
    writeFileSync(path, FILES[name]);
    return path;
  });
  const runner = pathToFileURL(join(root, "scripts/run-tests.mjs")).href;
  const reporter = join(root, "scripts/mocha-reporter.cjs");
  const command = [
    process.execPath,
    join(root, "node_modules/mocha/bin/mocha.js"),
    "--no-config",
    "--reporter",
    reporter,
  ];
  const options = JSON.stringify({ root, files, command, filesPerBatch: 1, slowMs: 10 });
  const script = `const { runTests } = await import(${JSON.stringify(runner)}); process.exitCode = await runTests(${options});`;
  const run = promisify(execFile)(process.execPath, ["--input-type=module", "--eval", script]);
  try {
    return { code: 0, text: (await run).stdout };
  } catch (error: unknown) {
    const { code, stdout } = error as { code: number; stdout: string };
    return { code, text: stdout };
  }
}

describe("the test runner", () => {
  let directory = "";

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "tidemark-runner-"));
  });

  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  it("counts what passed and names what was skipped", async () => {
    const { code, text } = await runOf(directory, ["good.cjs"]);
    expect(code).to.equal(0);
    expect(text)
      .to.contain("SKIPPED is left out")
      .and.to.match(/\n1 passed, 0 failed, 1 skipped\n$/);
  });

  it("names a failed test whatever its error holds, beside others that pass", async () => {
    const { code, text } = await runOf(directory, ["good.cjs", "bad.cjs"]);
    expect(code).to.equal(1);
    expect(text)
      .to.contain("FAILED is bad\nError: this is wrong")
      .and.to.match(/\n1 passed, 1 failed, 1 skipped\n$/);
  });

  it("says which files were slow, and how much of that was their own computing", async () => {
    const { code, text } = await runOf(directory, ["slow.cjs", "good.cjs"]);
    expect(code).to.equal(0);
    expect(text).to.match(/\nSLOW \S*slow\.cjs: \d+\.\d s, \d+\.\d s of it computing\n/);
    expect(text).to.not.match(/SLOW \S*good/);
  });

  it("takes a batch that dies for a failure, and names its files", async () => {
    const { code, text } = await runOf(directory, ["dead.cjs", "good.cjs"]);
    expect(code).to.equal(1);
    expect(text).to.contain("FAILED a batch of tests").and.to.contain("dead.cjs");
    expect(text).to.match(/\n1 passed, 1 failed, 1 skipped\n$/);
  });
});
