import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { expect } from "chai";
import { FileDisk } from "../../src/platform/file-disk.ts";
import { diskSuite, expectFault } from "../suites/disk-suite.ts";

diskSuite("FileDisk", () => {
  const root = fs.mkdtempSync(path.join(os.tmpdir(), "tidemark-disk-"));
  return {
    disk: new FileDisk(),
    root,
    advance: null,
    cleanUp: () => {
      fs.rmSync(root, { recursive: true, force: true });
    },
  };
});

describe("FileDisk", () => {
  let root: string;
  beforeEach(() => {
    root = fs.mkdtempSync(path.join(os.tmpdir(), "tidemark-disk-"));
  });
  afterEach(() => {
    fs.rmSync(root, { recursive: true, force: true });
  });

  it("gives new files mode 0600 and new directories 0700", () => {
    const disk = new FileDisk();
    disk.open(`${root}/f`, "create").closeSync();
    disk.mkdir(`${root}/d`);
    expect(fs.statSync(`${root}/f`).mode & 0o777).to.equal(0o600);
    expect(fs.statSync(`${root}/d`).mode & 0o777).to.equal(0o700);
  });

  it("leaves no descriptor behind, refused opens and directory syncs included", async function () {
    if (!fs.existsSync("/proc/self/fd")) {
      process.stderr.write("skipped: descriptors cannot be counted here, there is no /proc/self/fd\n");
      this.skip();
    }
    const disk = new FileDisk();
    const openCount = (): number => fs.readdirSync("/proc/self/fd").length;
    const before = openCount();
    const file = disk.open(`${root}/f`, "create");
    expectFault("other", () => disk.open(root, "read"));
    await new Promise<void>((resolve, reject) => {
      disk.syncDirectory(root, (fault) => {
        if (fault === null) resolve();
        else reject(fault);
      });
    });
    file.closeSync();
    expect(openCount()).to.equal(before);
  });

  it("keeps the system's own error as the cause", () => {
    const fault = expectFault("ENOENT", () => new FileDisk().open(`${root}/absent`, "read"));
    expect(fault.cause).to.be.instanceOf(Error).and.to.have.property("code", "ENOENT");
  });
});
