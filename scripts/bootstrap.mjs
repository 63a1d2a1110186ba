/**
 * What stands behind `npm start`, `npm test`, `npm run build|bench|sim|crash|story|chaos|moves|packages|coverage|compat|reference`:
 * installs what is missing, builds what has changed, then runs the job. Plain JavaScript, since it runs before anything is
 * installed.
 *
 * - Installed means: every package of the lock file that this platform needs lies in node_modules with its version.
 *   Only then is nothing downloaded; otherwise `npm ci --ignore-scripts` runs (no dependency needs its install script).
 * - Built means: no source has changed since the last build that succeeded, and the executable is linked
 *   (scripts/src/link.ts). Outputs of removed sources are deleted, which `tsc -b` never does.
 * - `start` becomes the broker in this very process, so that a signal to npm reaches it.
 *
 * Everything printed here goes to stderr: stdout belongs to the job.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { basename, dirname, join, relative, resolve, sep } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { runTests } from "./run-tests.mjs";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const packages = ["proto", "client", "broker", "cli", "scripts"];
const oldestNode = [20, 19];

const say = (line) => process.stderr.write(`${line}\n`);

function requireNode() {
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major > oldestNode[0] || (major === oldestNode[0] && minor >= oldestNode[1])) return;
  say(`error: Tidemark needs Node >= ${oldestNode.join(".")}; this is ${process.versions.node}`);
  process.exit(1);
}

function run(command, args, options = {}) {
  const { status, signal, error } = spawnSync(command, args, { cwd: root, stdio: "inherit", ...options });
  if (error) throw error;
  return signal ? 1 : (status ?? 1);
}

/** Runs npm itself, also where only the npm that started us is known; its output goes to stderr. */
function npm(args) {
  const npmCli = process.env.npm_execpath;
  const [command, head] = npmCli
    ? [process.execPath, [npmCli]]
    : [process.platform === "win32" ? "npm.cmd" : "npm", []];
  return run(command, [...head, ...args], { stdio: ["ignore", 2, 2] });
}

function isInstalled() {
  const readLock = (path) => JSON.parse(readFileSync(join(root, path), "utf8")).packages;
  if (!existsSync(join(root, "node_modules/.package-lock.json"))) return false;
  const wanted = readLock("package-lock.json");
  const present = readLock("node_modules/.package-lock.json");
  return Object.entries(wanted).every(
    ([path, { version, optional, link }]) =>
      !path.startsWith("node_modules/") || optional || link || present[path]?.version === version,
  );
}

function ensureInstalled() {
  if (isInstalled()) return;
  say("tidemark: installing dependencies (once)");
  const status = npm(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]);
  if (status === 0) return;
  say("error: npm ci failed; its messages stand above");
  process.exit(status);
}

function* filesUnder(directory) {
  if (!existsSync(directory)) return;
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) yield* filesUnder(path);
    else yield path;
  }
}

const isSource = (path) => path.endsWith(".ts") && !path.endsWith(".d.ts");

function sourceFingerprint() {
  const hash = createHash("sha256").update(process.versions.modules);
  const add = (path) => {
    const { mtimeMs, size } = statSync(path);
    hash.update(`${relative(root, path)} ${mtimeMs} ${size}\n`);
  };
  for (const name of ["tsconfig.json", "tsconfig.base.json", "package-lock.json"]) add(join(root, name));
  for (const name of packages) {
    for (const file of ["package.json", "tsconfig.json"]) add(join(root, name, file));
    for (const folder of ["src", "test"]) {
      for (const path of filesUnder(join(root, name, folder))) if (isSource(path)) add(path);
    }
  }
  return hash.digest("hex");
}

/** Deletes outputs in dist whose source is gone, so that a removed test does not run for ever. */
function removeStaleOutputs() {
  for (const name of packages) {
    const dist = join(root, name, "dist");
    for (const path of filesUnder(dist)) {
      const stem = /^(.*?)(\.d\.ts|\.js)(\.map)?$/.exec(relative(dist, path));
      if (stem && !existsSync(join(root, name, `${stem[1]}.ts`))) rmSync(path);
    }
  }
}

/** The executable in a few files, which the launcher prefers to the modules. */
const linked = join(root, "cli/dist/linked/cli_main.js");

function ensureBuilt() {
  const stamp = join(root, ".build/stamp");
  const fingerprint = sourceFingerprint();
  const isBuilt = existsSync(stamp) && readFileSync(stamp, "utf8") === fingerprint;
  if (isBuilt && existsSync(linked) && packages.every((name) => existsSync(join(root, name, "dist")))) return;
  say("tidemark: building");
  rmSync(stamp, { force: true });
  removeStaleOutputs();
  for (const step of [[join(root, "node_modules/typescript/bin/tsc"), "-b"], [compiled("link")]]) {
    const status = run(process.execPath, step, { stdio: ["ignore", 2, 2] });
    if (status === 0) continue;
    say("error: the build failed; its messages stand above");
    process.exit(status);
  }
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, fingerprint);
}

/** Becomes a module of ours in this process, as if node had been started with it. */
async function become(path, args) {
  process.argv = [process.execPath, path, ...args];
  try {
    await import(pathToFileURL(path).href);
  } catch (error) {
    if (!String(error?.code).startsWith("ERR_PARSE_ARGS_")) throw error;
    say(`error: ${error.message}`);
    process.exit(2);
  }
}

const compiled = (name) => join(root, "scripts/dist/src", `${name}.js`);

const mocha = join(root, "node_modules/mocha/bin/mocha.js");

function mochaOptions(rest) {
  return [
    "--no-config",
    "--reporter",
    join(root, "scripts/mocha-reporter.cjs"),
    "--timeout",
    "600000",
    "--exit",
    ...rest,
  ];
}

/** A test's source; one that is nowhere is a slip, and no reason to run all of them. */
const isTest = (arg) => /\.(test|e2e|fuzz)\.ts$/.test(arg);

/** The compiled files that `args` name, as paths of files or folders or by the file's name alone; null when they name none. And the arguments that are mocha's. */
function chosenTests(args) {
  const isPath = (arg) => !arg.startsWith("-") && (existsSync(arg) || isTest(arg));
  const compiledOf = (path) => {
    const inside = relative(root, resolve(path)).split(/[\\/]/);
    const compiledPath = join(root, inside[0], "dist", ...inside.slice(1)).replace(/\.ts$/, ".js");
    const below = compiledTests().filter((file) => file.startsWith(compiledPath + sep));
    if (below.length > 0) return below;
    return isSource(path) ? compiledPath : resolve(path);
  };
  const chosen = args.filter(isPath).flatMap((path) => {
    if (existsSync(path)) return compiledOf(path);
    const found = compiledTests().filter((file) => basename(file) === path.replace(/\.ts$/, ".js"));
    if (found.length > 0) return found;
    say(`error: there is no test ${path}`);
    process.exit(2);
  });
  chosen.sort((a, b) => turnOf(a) - turnOf(b));
  return { files: chosen.length > 0 ? chosen : null, rest: args.filter((arg) => !isPath(arg)) };
}

function compiledTests() {
  return packages
    .flatMap((name) => [...filesUnder(join(root, name, "dist/test"))])
    .filter((path) => /\.(test|e2e|fuzz)\.js$/.test(path));
}

function allTests() {
  const all = compiledTests();
  const seed = Number(process.env.TEST_SEED ?? Math.floor(Math.random() * 2 ** 31));
  say(`tidemark: ${all.length} test files, order seed ${seed} (TEST_SEED=${seed} npm test repeats it)`);
  const order = shuffled(
    all.toSorted((a, b) => (a < b ? -1 : 1)),
    seed,
  );
  return [0, 1, 2].flatMap((turn) => order.filter((path) => turnOf(path) === turn));
}

/**
 * First what runs in simulated worlds, whose guard lets nobody look at the real clock: nor what brokers and clients of other tests have left in the
 * process. Then what starts processes. Short ones at the end, so that all end together.
 */
function turnOf(path) {
  if (/[\\/]test[\\/](sim|mutations|museum)[\\/]|[\\/]raft-(group|store-crash)\.test\.js$/.test(path)) return 0;
  return /\.(e2e|fuzz)\.js$/.test(path) ? 1 : 2;
}

function shuffled(list, seed) {
  let state = seed >>> 0;
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  for (let i = list.length - 1; i > 0; i--) {
    const j = Math.floor(next() * (i + 1));
    [list[i], list[j]] = [list[j], list[i]];
  }
  return list;
}

const jobs = {
  build: async () => {},
  start: (args) => become(join(root, "cli/bin/tidemark.js"), ["dev", "--data-dir", ".tidemark", ...args]),
  test: async (args) => {
    const lawful = run(process.execPath, [compiled("tidy")]);
    if (lawful !== 0) process.exit(lawful);
    const { files, rest } = chosenTests(args);
    const options = mochaOptions(rest);
    if (files !== null) process.exit(run(process.execPath, [mocha, ...options, ...files]));
    const command = [process.execPath, join(root, "scripts/test-process.mjs"), ...options];
    process.exit(await runTests({ root, files: allTests(), command }));
  },
  coverage: async (args) => {
    // What processes of tests run is counted in the modules themselves.
    rmSync(dirname(linked), { recursive: true, force: true });
    const thresholds = ["--check-coverage", "--lines", "92", "--branches", "88"];
    const scope = ["--all", "--src", root, "--exclude-after-remap", "--include", "{proto,client,broker,cli}/src/**"];
    const c8 = [
      join(root, "node_modules/c8/bin/c8.js"),
      ...scope,
      ...thresholds,
      "--reporter",
      "text-summary",
      "--reporter",
      "html",
    ];
    const { files, rest } = chosenTests(args);
    process.exit(
      run(process.execPath, [...c8, process.execPath, mocha, ...mochaOptions(rest), ...(files ?? allTests())]),
    );
  },
  compat: async (args) => {
    if (!process.env.TIDEMARK_TEST_KAFKA_TOOLS) {
      say("error: TIDEMARK_TEST_KAFKA_TOOLS must name the launcher of Apache Kafka's tools; see docs/testing.md");
      process.exit(2);
    }
    const tests = ["e2e/kafka-tools.e2e.js", "storage/kafka-data.test.js"];
    const files = tests.map((path) => join(root, "broker/dist/test", path));
    process.exit(run(process.execPath, [mocha, ...mochaOptions(args), ...files]));
  },
  bench: (args) => become(compiled("bench"), args),
  sim: (args) => {
    const mutations = join(root, "broker/dist/test/mutations/main.js");
    return become(args.includes("--mutations") ? mutations : compiled("sim"), args);
  },
  crash: (args) => become(compiled("sim"), ["--profile", "log", ...args]),
  story: (args) => become(compiled("story"), args),
  chaos: (args) => become(join(root, "cli/dist/test/chaos/chaos.js"), args),
  moves: (args) => become(join(root, "cli/dist/test/chaos/moves.js"), args),
  packages: (args) => become(compiled("packages"), args),
  reference: (args) => become(compiled("reference"), args),
};

const [job = "", ...args] = process.argv.slice(2);
if (!Object.hasOwn(jobs, job)) {
  say(`usage: node scripts/bootstrap.mjs ${Object.keys(jobs).join("|")} [arguments]`);
  process.exit(2);
}
requireNode();
ensureInstalled();
ensureBuilt();
await jobs[job](args);
