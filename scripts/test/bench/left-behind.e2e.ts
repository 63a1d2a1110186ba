/** A measurement that is ended in the middle takes its processes and folders with it. */
import { expect } from "chai";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";

const MODULES = ["left-behind.js", "scratch.js"].map(
  (name) => new URL(`../../src/bench/${name}`, import.meta.url).href,
);

/** A run with a child that would live for ever; it says who that is, and where its folder lies. */
const RUN = `
const [behind, { withScratch }] = await Promise.all(${JSON.stringify(MODULES)}.map((url) => import(url)));
const { spawn } = await import("node:child_process");
behind.leaveNothingBehind();
await withScratch(async (folder) => {
  const child = behind.ownProcess(spawn(process.execPath, ["-e", "setInterval(() => {}, 1e6)"], { stdio: "ignore" }));
  console.log(JSON.stringify({ pid: child.pid, folder }));
  await new Promise(() => setInterval(() => {}, 1e6));
});
`;

describe("a measurement that is told to end", () => {
  it("leaves no broker and no folder behind", async () => {
    const run = spawn(process.execPath, ["--input-type=module", "-e", RUN], { stdio: ["ignore", "pipe", "inherit"] });
    const [line] = (await once(run.stdout.setEncoding("utf8"), "data")) as [string];
    const { pid, folder } = JSON.parse(line) as { pid: number; folder: string };
    expect(existsSync(folder)).to.equal(true);
    run.kill("SIGINT");
    expect(await once(run, "exit")).to.deep.equal([130, null]);
    expect(existsSync(folder)).to.equal(false);
    // Killed, and perhaps not taken off the list of processes yet.
    while (isThere(pid)) await new Promise((resolve) => setTimeout(resolve, 10));
  });
});

function isThere(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
