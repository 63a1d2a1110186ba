/**
 * The packages as their users get them:
 *
 *     npm run packages -- [--require-linters]
 *
 * Packs proto, broker, client and the executable, checks the archives with publint and attw, and installs them into empty
 * folders without install scripts: the SDK alone, which must hold no native code, and all four. There the SDK is loaded by
 * `import` and by `require`, the types are compiled from an ES module and from a CommonJS one, a broker is embedded, the test kit
 * kills one, and the executable is run.
 *
 * publint and attw lie beside the linters (`.ci/lint`); where they are not installed the run says so aloud, and with
 * `--require-linters` it fails. Third-party packages come from npm or its cache. Exit code 1 when a check fails.
 */
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { readCommandLine } from "./command-line.ts";

const root = resolve(import.meta.dirname, "../../..");
const linters = join(root, ".ci/lint/node_modules/.bin");
const compiler = join(root, "node_modules/typescript/bin/tsc");
const PACKAGES = ["proto", "client", "broker", "cli"] as const;
type PackageName = (typeof PACKAGES)[number];

const SDK_CHECK = `
  const client = new Client("127.0.0.1:9");
  await client.close();
  console.log([typeof topic, typeof codecs.json, BrokerError.name].join(" "));
`;
const SDK_SAYS = "function function BrokerError";

const TYPE_CHECK = `
  export async function use(client: Client): Promise<number> {
    const orders = topic("orders", { key: codecs.string, value: codecs.json<{ cents: number }>() });
    const { offset } = await client.producer().send(orders, { key: "a", value: { cents: 1 } });
    for await (const { value } of client.reader(orders, { from: "earliest", to: "end" })) return value.cents + offset;
    // @ts-expect-error a number is not a key of this topic: without types this line would pass unseen
    await client.producer().send(orders, { key: 1, value: { cents: 1 } });
    return 0;
  }
`;

const EMBED_CHECK = `
  const broker = await createBroker({ memory: true });
  await broker.start();
  const client = new Client(broker.grpcAddress);
  await client.producer().send("packed", { key: null, value: "it works" });
  for await (const { value } of client.reader(topic("packed"), { from: "earliest", to: "end" })) {
    console.log(Buffer.from(value).toString());
  }
  await client.close();
  await broker.stop();
`;

const KIT_EXAMPLE = "kill-a-leader.test.mjs";
const KIT_CHECK = `
  const cluster = await Cluster.start({ brokers: 1, topics: ["orders"] });
  await cluster.client().producer().send("orders", { key: "a", value: "1" });
  console.log((await cluster.records("orders", { count: 1 })).length);
  await cluster.stop();
`;

const { values } = readCommandLine("usage: npm run packages -- [--require-linters]", {
  options: { "require-linters": { type: "boolean", default: false } },
});
const work = mkdtempSync(join(tmpdir(), "tidemark-packages-"));
try {
  check(values["require-linters"]);
} finally {
  rmSync(work, { recursive: true, force: true });
}

function check(areLintersRequired: boolean): void {
  const archives = Object.fromEntries(PACKAGES.map((name) => [name, pack(name)])) as Record<PackageName, string>;
  lint(Object.values(archives), areLintersRequired);
  checkSdk([archives.proto, archives.client]);
  checkAll(Object.values(archives));
}

function pack(name: PackageName): string {
  const printed = run("npm", ["pack", "--json", "--ignore-scripts", "-w", name, "--pack-destination", work], root);
  const [{ filename, files, size }] = JSON.parse(printed) as [
    { filename: string; files: { path: string }[]; size: number },
  ];
  const unwanted = files.map(({ path }) => path).filter((path) => /(^|\/)test\/|\.tsbuildinfo$/.test(path));
  expect(unwanted.length === 0, `${filename} holds what no user needs: ${unwanted.slice(0, 3).join(", ")}`);
  for (const path of ["LICENSE", "README.md", "package.json"]) {
    expect(
      files.some((file) => file.path === path),
      `${filename} holds no ${path}`,
    );
  }
  say(`${filename}: ${files.length} files, ${Math.round(size / 1024)} KiB`);
  return join(work, filename);
}

function lint(archives: readonly string[], areRequired: boolean): void {
  if (!existsSync(join(linters, "publint")) || !existsSync(join(linters, "attw"))) {
    expect(!areRequired, "publint and attw are not installed in .ci/lint");
    say("SKIPPED publint and attw: they are not installed (npm install in .ci/lint brings them)");
    return;
  }
  for (const archive of archives) {
    run(join(linters, "publint"), ["--strict", archive], work);
    // ES modules only (docs/decisions): every Node that Tidemark supports loads them with require, which is tried below.
    run(join(linters, "attw"), ["--profile", "node16", "--ignore-rules", "cjs-resolves-to-esm", "--", archive], work);
    say(`${basename(archive)}: publint and attw find nothing`);
  }
}

function checkSdk(archives: readonly string[]): void {
  const folder = install("sdk", archives);
  const native = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((path) => path.endsWith(".node"));
  expect(native.length === 0, `the SDK alone brings native code: ${native.join(", ")}`);
  expect(!existsSync(join(folder, "node_modules/@tidemark/broker")), "the SDK alone brings the broker");

  const names = "{ Client, BrokerError, codecs, topic }";
  script(folder, "sdk.mjs", `import ${names} from "@tidemark/client";${SDK_CHECK}`, SDK_SAYS);
  script(folder, "sdk.cjs", `const ${names} = require("@tidemark/client");(async () => {${SDK_CHECK}})();`, SDK_SAYS);
  const imported = `import { Client, codecs, topic } from "@tidemark/client";`;
  types(folder, { "sdk.mts": imported + TYPE_CHECK, "sdk.cts": imported + TYPE_CHECK });
  say("the SDK alone: no native code; import, require and their types work");
}

function checkAll(archives: readonly string[]): void {
  const folder = install("all", archives);
  script(
    folder,
    "embed.mjs",
    `import { createBroker } from "@tidemark/broker"; import { Client, topic } from "@tidemark/client";${EMBED_CHECK}`,
    "it works",
  );
  script(
    folder,
    "embed.cjs",
    `const { createBroker } = require("@tidemark/broker"); const { Client, topic } = require("@tidemark/client");
    (async () => {${EMBED_CHECK}})();`,
    "it works",
  );
  const use = `import { createBroker } from "@tidemark/broker";
    export const address: Promise<string> = createBroker({ memory: true }).then((broker) => broker.grpcAddress);`;
  types(folder, { "embed.mts": use, "embed.cts": use });
  checkKit(folder);
  const version = run(join(folder, "node_modules/.bin/tidemark"), ["version"], folder);
  expect(/\b\d+\.\d+\.\d+\b/.test(version), `tidemark version says ${version}`);
  say("all four: a broker embeds and a test kit runs from import and require, their types work, tidemark runs");
}

/** As somebody who writes a first test: the example as it is, from each kind of module, with its types. */
function checkKit(folder: string): void {
  cpSync(join(root, "examples", KIT_EXAMPLE), join(folder, KIT_EXAMPLE));
  const startedAt = performance.now();
  const report = run(process.execPath, ["--test", "--test-reporter=tap", KIT_EXAMPLE], folder);
  const wholeMs = Math.round(performance.now() - startedAt);
  const durations = [...report.matchAll(/^ok \d+ - (.+)\n {2}---\n {2}duration_ms: (\d+)/gmu)];
  expect(durations.length === 2, `${KIT_EXAMPLE} did not run its two tests:\n${report}`);
  for (const [, title = "", ms = ""] of durations) say(`test kit: ${title}: ${ms} ms`);
  say(`test kit: the whole file, from the start of node to its end: ${wholeMs} ms`);
  script(folder, "kit.cjs", `const { Cluster } = require("tidemark/testing");(async () => {${KIT_CHECK}})();`, "1");
  const use = `import { Cluster, type TestRecord } from "tidemark/testing";
    import { startTestCluster } from "@tidemark/broker/testing";
    export async function use(): Promise<TestRecord[]> {
      const { bootstrap } = await startTestCluster({ brokers: 1 });
      await using cluster = await Cluster.start({ brokers: 1, topics: ["orders"], clock: "virtual" });
      cluster.inject({ api: "Produce", error: "NOT_ENOUGH_REPLICAS" });
      // @ts-expect-error there is no such error
      cluster.inject({ api: "Produce", error: "OOPS" });
      return cluster.records(bootstrap, { count: 1 });
    }`;
  types(folder, { "kit.mts": use, "kit.cts": use });
}

/** An empty folder into which `archives`, and what they depend on, are installed. */
function install(name: string, archives: readonly string[]): string {
  const folder = join(work, name);
  mkdirSync(folder);
  writeFileSync(join(folder, "package.json"), '{ "private": true }\n');
  run("npm", ["install", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund", ...archives], folder);
  return folder;
}

function script(folder: string, name: string, text: string, wanted: string): void {
  writeFileSync(join(folder, name), text);
  const printed = run(process.execPath, [name], folder).trim();
  expect(printed === wanted, `${name} printed ${JSON.stringify(printed)} instead of ${JSON.stringify(wanted)}`);
}

function types(folder: string, files: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  const strict = [
    "--noEmit",
    "--strict",
    "--module",
    "nodenext",
    "--target",
    "es2023",
    "--lib",
    "es2023,esnext.disposable",
  ];
  run(process.execPath, [compiler, ...strict, "--skipLibCheck", "--types", "node", ...Object.keys(files)], folder);
}

/** Standard output of a command that has to end with 0; else what it said is the failure. */
function run(file: string, args: readonly string[], cwd: string): string {
  try {
    return execFileSync(file, args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  } catch (error: unknown) {
    const { stdout = "", stderr = "" } = error as { stdout?: string; stderr?: string };
    return fail(`${basename(file)} ${args.join(" ")} failed\n${stdout}${stderr}`);
  }
}

function expect(holds: boolean, otherwise: string): void {
  if (!holds) fail(otherwise);
}

function fail(why: string): never {
  say(`error: ${why}`);
  rmSync(work, { recursive: true, force: true });
  process.exit(1);
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
