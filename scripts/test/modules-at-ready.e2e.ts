import { expect } from "chai";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const root = resolve(import.meta.dirname, "../../..");
const hook = join(root, "scripts/test/support/modules-at-ready.cjs");

/** Packages of npm whose modules a broker has loaded when it says that it is ready. */
async function packagesAtReady(flags: readonly string[]): Promise<string[]> {
  const folder = mkdtempSync(join(tmpdir(), "tidemark-modules-"));
  const modulesFile = join(folder, "modules.txt");
  const args = [
    "--require",
    hook,
    join(root, "cli/bin/tidemark.js"),
    "dev",
    ...flags.map((flag) => flag.replace("{dir}", join(folder, "data"))),
  ];
  const child = spawn(process.execPath, [...args, "--grpc-port", "0", "--http-port", "0", "-o", "json"], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, MODULES_FILE: modulesFile },
  });
  try {
    await Promise.race([
      once(child.stdout, "data"),
      once(child, "exit").then(([code]) => Promise.reject(new Error(`the broker ended with ${String(code)}`))),
    ]);
    const ended = once(child, "exit");
    child.kill("SIGTERM");
    await ended;
    const names = readFileSync(modulesFile, "utf8")
      .split("\n")
      .map((path) => /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1]);
    return [...new Set(names)].filter((name) => name !== undefined).toSorted((a, b) => (a < b ? -1 : 1));
  } finally {
    child.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Each of these costs 14 to 40 ms of start and some MiB, and most brokers never need it. */
const lazy = [
  "@grpc/proto-loader",
  "protobufjs",
  "@grpc/reflection",
  "prom-client",
  "pino",
  "pino-pretty",
  "snappy",
  "lz4-napi",
  "@cloudpss/zstd",
  "cli-progress",
];

describe("modules loaded at the ready line", () => {
  it("has grpc-js, and none of those that load at first use (dev --memory)", async () => {
    const packages = await packagesAtReady(["--memory"]);
    expect(packages).to.include("@grpc/grpc-js");
    expect(packages.filter((name) => [...lazy, "level", "classic-level"].includes(name))).to.deep.equal([]);
  });

  it("adds only the store when there is a data directory", async () => {
    const packages = await packagesAtReady(["--data-dir", "{dir}"]);
    expect(packages).to.include.members(["@grpc/grpc-js", "classic-level"]);
    expect(packages.filter((name) => lazy.includes(name))).to.deep.equal([]);
  });
});
