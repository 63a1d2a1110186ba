import { expect } from "chai";
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";

const root = resolve(import.meta.dirname, "../../..");

const FILES = {
  "first.cjs": `it("tells first", () => console.log("of process " + process.pid));`,
  // What mocha itself cannot send from one process to another.
  "bad.cjs": `it("is bad", () => { throw Object.assign(new Error("this is wrong"), { loaded: require.cache }); });`,
  "mapped.mjs": `it("is compiled", () => { throw new Error("from far"); });`,
  "broken.cjs": `throw new Error("there is nothing here");`,
  "slow.cjs": `describe("a suite", () => it("takes a while", (done) => void setTimeout(done, 30)));`,
  "second.cjs": `it("tells second", () => console.error("of process " + process.pid));`,
  "dead.cjs": `it("dies", () => process.exit(0));`,
  "loose.cjs": `Promise.reject(new Error("while it loads")); it("is there", () => undefined);`,
  "late.cjs": `after(() => void setImmediate(() => Promise.reject(new Error("behind its tests")))); it("is over", () => undefined);`,
  "empty.cjs": `describe("a suite", () => undefined);`,
  "good.cjs": `it("is good", () => undefined); it.skip("is left out", () => undefined);`,
};
/** Its first line is the third of the source. */
const MAP = { version: 3, sources: ["source.ts"], names: [], mappings: "AAEA" };

interface RunChoices {
  readonly jobs?: string;
  /** Files besides. */
  readonly more?: Readonly<Record<string, string>>;
  /** Of mocha's. */
  readonly options?: readonly string[];
}

/** The runner over `names`, one after the other. */
async function runOf(
  directory: string,
  names: readonly string[],
  { jobs = "1", more = {}, options: given = [] }: RunChoices = {},
): Promise<{ code: number; text: string }> {
  for (const [name, text] of Object.entries({ ...FILES, ...more })) writeFileSync(join(directory, name), text);
  writeFileSync(join(directory, "mapped.mjs.map"), JSON.stringify(MAP));
  const files = names.map((name) => join(directory, name));
  const runner = pathToFileURL(join(root, "scripts/run-tests.mjs")).href;
  const reporter = join(root, "scripts/mocha-reporter.cjs");
  const command = [
    process.execPath,
    join(root, "scripts/test-process.mjs"),
    "--no-config",
    "--reporter",
    reporter,
    ...given,
  ];
  const options = JSON.stringify({ root, files, command, slowMs: 10 });
  const script = `const { runTests } = await import(${JSON.stringify(runner)}); process.exitCode = await runTests(${options});`;
  const env = { ...process.env, TEST_JOBS: jobs };
  const run = promisify(execFile)(process.execPath, ["--input-type=module", "--eval", script], { env });
  try {
    return { code: 0, text: (await run).stdout };
  } catch (error: unknown) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { code, text: stdout + stderr };
  }
}

describe("the test runner", () => {
  let directory = "";
  /** All of them, in the order in which they stand there. */
  let all: Awaited<ReturnType<typeof runOf>>;

  before(async () => {
    directory = mkdtempSync(join(tmpdir(), "tidemark-runner-"));
    all = await runOf(directory, Object.keys(FILES));
  });

  after(() => rmSync(directory, { recursive: true, force: true }));

  it("counts what passed, names what was skipped, and ends with 0 where nothing failed", async () => {
    const { code, text } = await runOf(directory, ["good.cjs"]);
    expect(code).to.equal(0);
    expect(text)
      .to.contain("SKIPPED is left out")
      .and.to.match(/\n1 passed, 0 failed, 1 skipped\n$/);
  });

  it("names a failed test whatever its error holds, beside others that pass", () => {
    expect(all.code).to.equal(1);
    expect(all.text)
      .to.contain("FAILED is bad\nError: this is wrong")
      .and.to.match(/\n6 passed, 7 failed, 1 skipped\n$/);
  });

  it("names the lines of the source", () => {
    expect(all.text).to.match(/FAILED is compiled\nError: from far\n {4}at [^\n]*source\.ts:3:\d+/);
  });

  it("says which files were slow, and how much of that was their own computing", () => {
    expect(all.text).to.match(/\nSLOW \S*slow\.cjs: \d+\.\d s, \d+\.\d s of it computing\n/);
    expect(all.text).to.not.match(/SLOW \S*good/);
  });

  it("runs files in one process, and tells what each printed, on either stream, beside its name", () => {
    const { text } = all;
    const ofFirst = text.slice(0, text.indexOf("is bad"));
    const ofSecond = text.slice(text.indexOf("takes a while"), text.indexOf("is good"));
    expect(ofFirst).to.contain("tells first");
    expect(ofSecond).to.contain("tells second");
    const [first, second] = [ofFirst, ofSecond].map((part) => /of process (\d+)/.exec(part)?.[1]);
    expect(first).to.be.a("string").and.to.equal(second);
  });

  it("takes a file that cannot be loaded, or during which its process dies, for a failure, and runs the others", () => {
    expect(all.text).to.contain("there is nothing here");
    expect(all.text).to.match(/\nFAILED \S*broken\.cjs\nthe file could not be run\n/);
    expect(all.text).to.match(/\nFAILED \S*dead\.cjs\nthe file ended its process with 0\n/);
  });

  it("takes a rejection that nobody handles for a failure of the file that loads, or has run, then", () => {
    const said = "nobody handled a rejection while no test ran: Error:";
    expect(all.text).to.match(new RegExp(`FAILED \\S*loose\\.cjs\\n${said} while it loads`));
    expect(all.text).to.match(new RegExp(`FAILED \\S*late\\.cjs\\n${said} behind its tests`));
  });

  it("takes a file without a test for a failure, unless tests are chosen by their titles", async () => {
    expect(all.text).to.match(/\nFAILED \S*empty\.cjs\nthe file has no test\n/);
    const { code, text } = await runOf(directory, ["slow.cjs", "good.cjs"], { options: ["--grep", "is good"] });
    expect(code, text).to.equal(0);
  });

  it("takes a process that ends badly behind its last file for a failure", async () => {
    const more = { "last.cjs": `process.on("exit", () => { process.exitCode = 3; }); it("is well", () => undefined);` };
    const { code, text } = await runOf(directory, ["good.cjs", "last.cjs"], { more });
    expect(code).to.equal(1);
    expect(text).to.match(/\nFAILED \S*last\.cjs\nbehind this file its process ended with 3\n/);
  });

  it("refuses a number of processes that is none", async () => {
    const { code, text } = await runOf(directory, ["good.cjs"], { jobs: "abc" });
    expect(code).to.equal(1);
    expect(text).to.contain("TEST_JOBS=abc: expected");
  });
});
