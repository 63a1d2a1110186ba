/** What a broker has loaded when it says that it is ready. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative, resolve } from "node:path";

const root = resolve(import.meta.dirname, "../../../..");
const hook = join(root, "scripts/test/support/modules-at-ready.cjs");

/** The executable, module by module. */
export const MODULES = join(root, "cli/dist/src/main.js");

export interface Loaded {
  /** Full paths. */
  readonly files: readonly string[];
  /** Names of npm's packages. */
  readonly packages: readonly string[];
  /** Our own modules, as paths from the root: `cli/dist/src/main.js`. */
  readonly own: readonly string[];
}

/** @param program `MODULES`, or another entry of the executable */
export async function loadedAtReady(flags: readonly string[], program = MODULES): Promise<Loaded> {
  const folder = mkdtempSync(join(tmpdir(), "tidemark-modules-"));
  const modulesFile = join(folder, "modules.txt");
  const args = [
    "--require",
    hook,
    program,
    "dev",
    "--brokers",
    "1",
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
      files: paths,
      packages: [...new Set(names)].filter((name) => name !== undefined).toSorted((a, b) => (a < b ? -1 : 1)),
      own: paths.map((path) => relative(root, path)).filter((path) => /^\w+\/dist\/src\//.test(path)),
    };
  } finally {
    child.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  }
}
