import { expect } from "chai";
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative, resolve } from "node:path";
import { loadedAtReady } from "./support/loaded.ts";

const root = resolve(import.meta.dirname, "../../..");
const node = (...args: readonly string[]): string => {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: root, encoding: "utf8" });
  expect(status, stderr).to.equal(0);
  return stdout;
};

describe("the linked executable", () => {
  let folder = "";
  let entry = "";
  before(() => {
    mkdirSync(join(root, ".build"), { recursive: true });
    folder = mkdtempSync(join(root, ".build/linked-"));
    node(join(root, "scripts/dist/src/link.js"), folder);
    entry = join(folder, "cli_main.js");
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  it("says what the modules say", () => {
    for (const args of [["--help"], ["topics", "create", "--help"], ["completion", "bash"], ["explain"], ["version"]])
      expect(node(entry, ...args), args.join(" ")).to.equal(node("cli/dist/src/main.js", ...args));
  });

  it("is three files for a command's help", () => {
    const list = join(folder, "list.txt");
    const hook = join(root, "cli/test/support/resolved-modules.mjs");
    const { status } = spawnSync(process.execPath, ["--import", hook, entry, "topics", "--help"], {
      env: { ...process.env, MODULES_FILE: list },
    });
    expect(status).to.equal(0);
    const files = readFileSync(list, "utf8")
      .split("\n")
      .filter((line) => line.startsWith("file:"));
    const names = new Set(files.map((url) => url.replace(/.*\//, "")));
    // The third one is shared with other commands.
    expect([...names].slice(0, 2)).to.deep.equal(["cli_main.js", "cli_tree_topics.js"]);
    expect(names.size).to.be.at.most(3);
  });

  it("is a few files for a broker, and none of the modules", async () => {
    const { own, files } = await loadedAtReady(["--data-dir", "{dir}"], entry);
    expect(own).to.deep.equal([]);
    const linked = files.filter((path) => dirname(path) === folder).map((path) => relative(folder, path));
    expect(linked).to.include.members(["cli_main.js", "broker_index.js"]);
    expect(linked.length, linked.join(" ")).to.be.within(2, 22);
  });
});

describe("the launcher", () => {
  let folder = "";
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), "tidemark-launcher-"))));
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const write = (path: string, text: string, time: number): void => {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
    utimesSync(join(folder, path), time, time);
  };
  const launched = (env = process.env, ...flags: readonly string[]): string => {
    const { status, stdout, stderr } = launch(env, flags);
    expect(status, stderr).to.equal(0);
    return stdout.trim();
  };
  const launch = (env = process.env, flags: readonly string[] = []) => {
    cpSync(join(root, "cli/bin"), join(folder, "cli/bin"), { recursive: true });
    write("cli/package.json", '{"type":"module"}', 0);
    const args = [...flags, join(folder, "cli/bin/tidemark.js")];
    return spawnSync(process.execPath, args, { env, encoding: "utf8" });
  };
  const MODULES = ["cli/dist/src/main.js", 'console.log("modules");'] as const;
  const LINKED = ["cli/dist/linked/cli_main.js", 'console.log("linked");'] as const;

  it("takes what was linked after everything was compiled, or came in a package", () => {
    write(...MODULES, 100);
    write(...LINKED, 100);
    expect(launched()).to.equal("linked");
    for (const name of ["proto", "client", "broker", "cli"]) write(`${name}/dist/tsconfig.tsbuildinfo`, "", 99);
    expect(launched()).to.equal("linked");
  });

  for (const name of ["proto", "client", "broker", "cli"]) {
    it(`takes the modules when ${name} was compiled since`, () => {
      write(...MODULES, 100);
      write(...LINKED, 100);
      write(`${name}/dist/tsconfig.tsbuildinfo`, "", 101);
      expect(launched()).to.equal("modules");
    });
  }

  it("takes the modules when nothing was linked", () => {
    write(...MODULES, 100);
    expect(launched()).to.equal("modules");
  });

  it("has a pool of sixteen threads made, or of as many as it was told", function () {
    // Where else it would show how many there are is not known.
    if (process.platform !== "linux") return this.skip();
    const text = 'import fs from "node:fs"; console.log(fs.readdirSync("/proc/self/task").length);';
    write("cli/dist/src/main.js", text, 100);
    const { UV_THREADPOOL_SIZE: _, ...env } = process.env;
    const threadsWith = (more: Readonly<Record<string, string>>): number => Number(launched({ ...env, ...more }));
    expect(threadsWith({}) - threadsWith({ UV_THREADPOOL_SIZE: "4" })).to.equal(12);
    expect(threadsWith({ UV_THREADPOOL_SIZE: "" }) - threadsWith({ UV_THREADPOOL_SIZE: "4" })).to.equal(12);
  });

  it("says nothing of a pool that it has no say in", () => {
    write("cli/dist/src/main.js", "console.log(process.env.UV_THREADPOOL_SIZE);", 100);
    const { UV_THREADPOOL_SIZE: _, NODE_OPTIONS: __, ...env } = process.env;
    const hook = "data:text/javascript,";
    expect(launched(env)).to.equal(process.platform === "win32" ? "undefined" : "16");
    expect(launched(env, "--import", hook)).to.equal("undefined");
    expect(launched({ ...env, NODE_OPTIONS: `--import=${hook}` })).to.equal("undefined");
    expect(launched({ ...env, UV_THREADPOOL_SIZE: "8" }, "--import", hook)).to.equal("8");
  });

  it("fails aloud where what it starts cannot be read, whatever becomes of other rejections", () => {
    write("cli/dist/src/main.js", 'import "./absent.js";', 100);
    const { status, stderr } = launch(process.env, ["--unhandled-rejections=warn"]);
    expect(status).to.equal(1);
    expect(stderr).to.match(/^error: NOT_BUILT: .*absent\.js/u);
  });
});
