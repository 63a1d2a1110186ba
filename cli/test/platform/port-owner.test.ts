import { expect } from "chai";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findPortOwner } from "../../src/platform/port-owner.ts";

const HEADER = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode";

function socketLine(port: number, state: string, inode: number): string {
  const hex = port.toString(16).toUpperCase().padStart(4, "0");
  return `   0: 0100007F:${hex} 00000000:0000 ${state} 00000000:00000000 00:00000000 00000000     0        0 ${inode} 1 0000 100 0`;
}

describe("findPortOwner", () => {
  let root = "";
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "tidemark-proc-"));
    mkdirSync(join(root, "net"));
    mkdirSync(join(root, "4711/fd"), { recursive: true });
    mkdirSync(join(root, "self"));
    writeFileSync(join(root, "4711/cmdline"), "node\0cli/bin/tidemark.js\0dev\0");
    symlinkSync("socket:[555]", join(root, "4711/fd/18"));
    symlinkSync("/dev/null", join(root, "4711/fd/0"));
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  it("names the process that holds the listening socket, also on IPv6", () => {
    for (const table of ["tcp", "tcp6"]) {
      writeFileSync(join(root, "net", table), `${HEADER}\n${socketLine(9_192, "0A", 555)}\n`);
      expect(findPortOwner(9_192, root)).to.deep.equal({ pid: 4_711, command: "node cli/bin/tidemark.js dev" });
      rmSync(join(root, "net", table));
    }
  });

  it("answers null for connections, other ports, owners out of sight and systems without /proc", () => {
    writeFileSync(
      join(root, "net/tcp"),
      `${HEADER}\n${socketLine(9_192, "01", 555)}\n${socketLine(9_193, "0A", 556)}\n`,
    );
    expect(findPortOwner(9_192, root)).to.equal(null);
    expect(findPortOwner(9_193, root)).to.equal(null);
    expect(findPortOwner(9_192, join(root, "nowhere"))).to.equal(null);
  });
});
