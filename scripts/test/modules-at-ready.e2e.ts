import { expect } from "chai";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative, resolve } from "node:path";

const root = resolve(import.meta.dirname, "../../..");
const hook = join(root, "scripts/test/support/modules-at-ready.cjs");

/** What a broker has loaded when it says that it is ready. */
interface Loaded {
  /** Names of npm's packages. */
  readonly packages: readonly string[];
  /** Our own modules, as paths from the root: `cli/dist/src/main.js`. */
  readonly own: readonly string[];
}

async function loadedAtReady(flags: readonly string[]): Promise<Loaded> {
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
    const paths = readFileSync(modulesFile, "utf8").split("\n");
    const names = paths.map((path) => /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1]);
    return {
      packages: [...new Set(names)].filter((name) => name !== undefined).toSorted((a, b) => (a < b ? -1 : 1)),
      own: paths.map((path) => relative(root, path)).filter((path) => /^\w+\/dist\/src\//.test(path)),
    };
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

/** Ours cost about 0.7 ms each; these belong to commands and pages that most brokers never see. */
const notForStart =
  /^client\/|\/storage\/(?:verify|dump|rehearsal|tools)|\/overlay-disk|\/metric|\/debug\.js|\/tools\.js|\/admin-calls|\/api\/admin|\/where/;
const OWN_MAX = 240;

describe("modules loaded at the ready line", () => {
  it("has grpc-js, and none of those that load at first use (dev --memory)", async () => {
    const { packages } = await loadedAtReady(["--memory"]);
    expect(packages).to.include("@grpc/grpc-js");
    expect(packages.filter((name) => [...lazy, "level", "classic-level"].includes(name))).to.deep.equal([]);
  });

  it("adds only the store when there is a data directory", async () => {
    const { packages, own } = await loadedAtReady(["--data-dir", "{dir}"]);
    expect(packages).to.include.members(["@grpc/grpc-js", "classic-level"]);
    expect(packages.filter((name) => lazy.includes(name))).to.deep.equal([]);
    expect(own.filter((path) => notForStart.test(path))).to.deep.equal([]);
    expect(own.length, "load what only some brokers need when they need it").to.be.within(100, OWN_MAX);
  });
});
