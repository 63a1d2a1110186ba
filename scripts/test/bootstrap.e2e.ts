import { expect } from "chai";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const root = resolve(import.meta.dirname, "../../..");
const npm = process.platform === "win32" ? "npm.cmd" : "npm";

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

/** Starts an npm script in a process group of its own; `text()` is what it has printed so far, both streams. */
function npmRun(args: readonly string[]): { child: ChildProcess; text: () => string } {
  const child = spawn(npm, args, { cwd: root, stdio: ["ignore", "pipe", "pipe"], detached: true });
  let text = "";
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
  return { child, text: () => text };
}

async function readyPid({ child, text }: ReturnType<typeof npmRun>): Promise<number> {
  return await new Promise((found, reject) => {
    const look = (): void => {
      const line = text()
        .split("\n")
        .find((candidate) => candidate.includes('"event":"ready"') && candidate.endsWith("}"));
      if (line !== undefined) found((JSON.parse(line) as { brokers: { pid: number }[] }).brokers[0]?.pid ?? 0);
    };
    child.stdout?.on("data", look);
    child.once("exit", (code) => reject(new Error(`npm ended with ${code} before the ready line:\n${text()}`)));
  });
}

describe("npm start", () => {
  let folder = "";
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), "tidemark-start-"))));
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const startArguments = (dataDir: string): string[] => {
    const ports = ["--grpc-port", "0", "--http-port", "0", "--peer-port", "0"];
    return ["start", "--silent", "--", "--data-dir", dataDir, ...ports, "-o", "json"];
  };

  /** Of the three brokers, in order. */
  const cleanMarkers = (dataDir: string): boolean[] =>
    [1, 2, 3].map((id) => existsSync(join(dataDir, `broker-${id}`, ".kafka_cleanshutdown")));

  it("hands SIGTERM on: a clean marker stays, no process does", async () => {
    const dataDir = join(folder, "data");
    const run = npmRun(startArguments(dataDir));
    const brokerPid = await readyPid(run);
    expect(isAlive(brokerPid)).to.equal(true);
    expect(cleanMarkers(dataDir)).to.deep.equal([false, false, false]);
    const ended = once(run.child, "close");
    run.child.kill("SIGTERM");
    await ended;
    expect(cleanMarkers(dataDir), run.text()).to.deep.equal([true, true, true]);
    expect(isAlive(brokerPid)).to.equal(false);
  });

  it("stops cleanly at one Ctrl-C, which reaches the broker from the terminal and from npm", async () => {
    const dataDir = join(folder, "data");
    const run = npmRun(startArguments(dataDir));
    const brokerPid = await readyPid(run);
    const ended = once(run.child, "close");
    process.kill(-(run.child.pid ?? 0), "SIGINT");
    await ended;
    expect(cleanMarkers(dataDir), run.text()).to.deep.equal([true, true, true]);
    expect(isAlive(brokerPid)).to.equal(false);
  });
});

describe("npm test", () => {
  it("runs what lies in a folder", async () => {
    const named = npmRun(["test", "--silent", "--", "proto/test"]);
    expect(await once(named.child, "close"), named.text()).to.deep.equal([0, null]);
    expect(named.text()).to.match(/^[1-9]\d* passed, 0 failed/mu);
  });

  it("runs a file that is named without its folder, and nothing where there is none of that name", async () => {
    const named = npmRun(["test", "--silent", "--", "histogram.test.ts"]);
    expect(await once(named.child, "close"), named.text()).to.deep.equal([0, null]);
    expect(named.text()).to.match(/^[1-9]\d? passed, 0 failed/mu);
    for (const slip of ["histogrm.test.ts", "broker/test/histogram.test.ts"]) {
      const wrong = npmRun(["test", "--silent", "--", slip]);
      expect(await once(wrong.child, "close")).to.deep.equal([2, null]);
      expect(wrong.text()).to.match(new RegExp(`^error: there is no test ${slip}$`, "mu"));
    }
  });
});

describe("npm run build", () => {
  it("installs and builds nothing when nothing has changed", async () => {
    const first = npmRun(["run", "build"]);
    await once(first.child, "close");
    const second = npmRun(["run", "build"]);
    const [code] = (await once(second.child, "close")) as [number];
    expect(code, second.text()).to.equal(0);
    expect(second.text()).not.to.match(/tidemark: (installing|building)/);
  });

  it("says which flag of a job is wrong, and no more", async () => {
    const wrong = npmRun(["run", "--silent", "crash", "--", "--rns", "5"]);
    const [code] = (await once(wrong.child, "close")) as [number];
    expect(code).to.equal(2);
    expect(wrong.text()).to.match(/^error: Unknown option '--rns'/m);
    expect(wrong.text()).not.to.match(/^ {4}at /m);
  });

  it("names its jobs when asked for one that is not there", async () => {
    const child = spawn(process.execPath, [join(root, "scripts/bootstrap.mjs"), "bild"], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    let text = "";
    child.stderr.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
    const [code] = (await once(child, "close")) as [number];
    expect(code).to.equal(2);
    expect(text).to.include("build|start|test");
  });
});
