import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { FileDirectoryLocks } from "../../src/platform/index.ts";
import type { DirectoryLock } from "../../src/ports/index.ts";
import { makeTempDirectory, removeDirectory } from "./temp-directory.ts";

const HOLDER = fileURLToPath(new URL("./lock-holder.js", import.meta.url));

describe("FileDirectoryLocks", () => {
  const locks = new FileDirectoryLocks();
  const cleanUps: (() => unknown)[] = [];
  let directory: string;

  beforeEach(() => {
    directory = makeTempDirectory();
    cleanUps.push(() => removeDirectory(directory));
  });
  afterEach(async () => {
    for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
  });

  async function take(place = directory): Promise<DirectoryLock> {
    const result = await locks.acquire(place);
    if (!result.ok) throw new Error(`held by ${result.ownerPid}`);
    cleanUps.push(() => result.lock.release());
    return result.lock;
  }

  interface Holder {
    readonly process: ChildProcessByStdio<Writable, Readable, null>;
    readonly answer: { ok: boolean; ownerPid: number | null };
  }

  /** Another process that tries to take the lock; it lives until its input ends or it is killed. */
  async function otherProcess(place = directory): Promise<Holder> {
    const child = spawn(process.execPath, [HOLDER, place], { stdio: ["pipe", "pipe", "inherit"] });
    cleanUps.push(() => child.kill("SIGKILL"));
    const [line] = (await once(createInterface(child.stdout), "line")) as [string];
    return { process: child, answer: JSON.parse(line) as Holder["answer"] };
  }

  it("refuses another process and names this one by its id", async () => {
    await take();
    const { answer } = await otherProcess();
    expect(answer).to.deep.equal({ ok: false, ownerPid: process.pid });
  });

  it("is refused while another process holds it, names that one, and is free when it was killed", async () => {
    const holder = await otherProcess();
    expect(holder.answer.ok).to.equal(true);
    expect(await locks.acquire(directory)).to.deep.equal({ ok: false, ownerPid: holder.process.pid });
    holder.process.kill("SIGKILL");
    await once(holder.process, "exit");
    await take();
    expect(fs.readFileSync(path.join(directory, ".pid"), "utf8")).to.equal(`${process.pid}\n`);
  });

  it("refuses a second owner in this process, by any name of the directory, and keeps the lock", async () => {
    await take();
    const alias = path.join(directory, "alias");
    fs.symlinkSync(directory, alias);
    for (const place of [directory, `${directory}/.`, alias, path.relative(process.cwd(), directory)]) {
      expect(await locks.acquire(place), place).to.deep.equal({ ok: false, ownerPid: process.pid });
      expect(await new FileDirectoryLocks().acquire(place), place).to.deep.equal({ ok: false, ownerPid: process.pid });
    }
    const { answer } = await otherProcess();
    expect(answer.ok, "the other process got a lock that is held here").to.equal(false);
  });

  it("opens LOCK once and never again, also when it is refused, released and taken anew", async function () {
    if (process.platform !== "linux") {
      process.stderr.write("skipped: open descriptors can be listed on Linux only (/proc/self/fd)\n");
      return this.skip();
    }
    const lockFile = path.join(fs.realpathSync(directory), "tidemark-lock", "LOCK");
    const descriptors = (): number =>
      fs.readdirSync("/proc/self/fd").filter((fd) => {
        try {
          return fs.readlinkSync(`/proc/self/fd/${fd}`) === lockFile;
        } catch {
          return false;
        }
      }).length;
    const lock = await take();
    expect(descriptors()).to.equal(1);
    await locks.acquire(directory);
    expect(descriptors()).to.equal(1);
    await lock.release();
    expect(descriptors()).to.equal(0);
    await take();
    expect(descriptors()).to.equal(1);
  });

  it("is named in no other source file, so that nothing else opens LOCK", () => {
    const source = fileURLToPath(new URL("../../../src/", import.meta.url));
    const naming = fs
      .readdirSync(source, { recursive: true, encoding: "utf8" })
      .filter(
        (name) => name.endsWith(".ts") && /["'`/]LOCK["'`]/.test(fs.readFileSync(path.join(source, name), "utf8")),
      );
    expect(naming).to.deep.equal([path.join("platform", "directory-lock.ts")]);
  });

  it("is free again after its release, which leaves no process id behind and may be repeated", async () => {
    const lock = await take();
    await lock.release();
    await lock.release();
    expect(fs.existsSync(path.join(directory, ".pid"))).to.equal(false);
    const { answer } = await otherProcess();
    expect(answer.ok).to.equal(true);
  });

  it("does not know the owner when .pid is missing or nonsense", async () => {
    await otherProcess();
    for (const text of ["", "nonsense", "-4"]) {
      fs.writeFileSync(path.join(directory, ".pid"), text);
      expect(await locks.acquire(directory)).to.deep.equal({ ok: false, ownerPid: null });
    }
    fs.rmSync(path.join(directory, ".pid"));
    expect(await locks.acquire(directory)).to.deep.equal({ ok: false, ownerPid: null });
  });

  it("is taken and given back although .pid can be neither written nor removed: it is a hint", async () => {
    fs.mkdirSync(path.join(directory, ".pid"));
    await (await take()).release();
    await (await take()).release();
    const { answer } = await otherProcess();
    expect(answer.ok).to.equal(true);
  });

  it("heals a lock store that does not open, keeping LOCK itself", async () => {
    const store = path.join(directory, "tidemark-lock");
    await (await take()).release();
    const { ino } = fs.statSync(path.join(store, "LOCK"));
    for (const damage of [
      () => fs.writeFileSync(path.join(store, "CURRENT"), "garbage"),
      () => fs.rmSync(path.join(store, "CURRENT")),
      () =>
        fs.truncateSync(path.join(store, fs.readdirSync(store).find((name) => name.startsWith("MANIFEST")) ?? ""), 3),
    ]) {
      damage();
      await (await take()).release();
      expect(fs.statSync(path.join(store, "LOCK")).ino).to.equal(ino);
    }
  });

  it("does not heal what is only held", async () => {
    await otherProcess();
    const store = path.join(directory, "tidemark-lock");
    // LevelDB itself turns its text log LOG over at each attempt.
    const files = (): string[] =>
      fs
        .readdirSync(store)
        .filter((name) => !name.startsWith("LOG"))
        .map((name) => `${name} ${fs.statSync(path.join(store, name)).ino}`);
    const before = files();
    expect((await locks.acquire(directory)).ok).to.equal(false);
    expect(files()).to.deep.equal(before);
  });
});
