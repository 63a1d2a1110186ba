import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { makePlan } from "../chaos/plan.ts";

const program = join(import.meta.dirname, "../chaos/chaos.js");
/** Two of them, by the seed: what a short run can hold. The long one is `npm run chaos -- --minutes N`. */
const FAULTS = [
  "kill-leader",
  "kill-controller",
  "kill-leader-and-controller",
  "kill-all",
  "wipe-one",
  "flip-metadata-bit",
];
/** One of them: in network namespaces as root, through proxies elsewhere. */
const CUTS = ["isolate-leader", "isolate-controller", "one-way-in", "one-way-out"];

interface Line {
  readonly event: string;
  readonly troubles?: readonly string[];
  readonly sends?: { readonly ok: number; readonly fail: number };
  readonly reads?: number;
  readonly replicas?: number;
  readonly differences?: number;
}

/** All it printed, and how it ended. */
async function run(flags: readonly string[]): Promise<{ code: number | null; lines: Line[]; told: string }> {
  const child = spawn(process.execPath, [program, "--json", ...flags], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stdout = "";
  let told = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    told += text;
  });
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  const lines = stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line): Line => JSON.parse(line));
  return { code, lines, told: `${stdout}\n${told}` };
}

describe("three brokers under faults", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "tidemark-chaos-plan-"));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it("lose, double and reorder nothing that was acknowledged, and are byte-identical in the end (R=3, min ISR 2)", async () => {
    const seed = Number(process.env["CHAOS_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
    const plan = [...makePlan(seed, FAULTS, 2), ...makePlan(seed, CUTS, 1)];
    writeFileSync(join(folder, "plan.json"), JSON.stringify(plan));
    const flags = ["--seed", `${seed}`, "--plan", join(folder, "plan.json"), "--faults-count", `${plan.length}`];
    // A cut lasts up to two sessions.
    flags.push("--session-timeout", "3000", "--records-per-second", "30");
    const { code, lines, told } = await run(flags);
    expect(code, `seed ${seed}\n${told}`).to.equal(0);
    expect(lines.filter(({ event }) => event === "fault")).to.have.length(plan.length);
    // What the cut-off broker said to a client that reaches nobody else.
    expect(told).to.match(/cut off \((?:both|in|out)\), answered acks=all with \d+ [A-Z]/u);
    expect(lines.find(({ event }) => event === "compared")).to.include({ replicas: 18, differences: 0 });
    const held = lines.find(({ event }) => event === "held");
    expect(held?.troubles).to.deep.equal([]);
    expect(held?.sends?.ok).to.be.greaterThan(100);
    // Two readers that followed, a drain, and another one after a restart of all.
    expect(held?.reads).to.be.greaterThan(4 * (held?.sends?.ok ?? 0) - 1);
  });

  it("names the networks there are when it is asked for another", async () => {
    const { code, told } = await run(["--network", "bridges"]);
    expect(code).to.not.equal(0);
    expect(told).to.include("there is no network bridges").and.include("auto, namespaces, proxies");
  });

  it("names the faults there are when it is asked for another", async () => {
    const { code, told } = await run(["--faults", "kill-everybody"]);
    expect(code).to.not.equal(0);
    expect(told).to.include("there is no fault kill-everybody").and.include("kill-all");
  });
});
