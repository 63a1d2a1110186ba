import { expect } from "chai";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { resolve } from "node:path";

const root = resolve(import.meta.dirname, "../../../..");
const story = resolve(root, "scripts/dist/src/story.js");

interface Chapter {
  readonly chapter: string;
  readonly records: number;
  readonly kills: number;
  readonly problems: readonly string[];
}

describe("the story, in short", () => {
  it("brings out what was acknowledged, once and in order, through kills and a clean stop", async () => {
    const args = [
      story,
      "--json",
      "--lines",
      "1500",
      "--kills",
      "2",
      "--root",
      resolve(root, "node_modules/typescript"),
    ];
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    let said = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      said += text;
    });
    const [code] = await once(child, "close");
    expect(output, said).to.not.equal("");
    const told: { readonly story: string; readonly chapters: readonly Chapter[] } = JSON.parse(output);
    expect(told.chapters.flatMap((chapter) => chapter.problems)).to.deep.equal([]);
    expect(told.chapters.reduce((kills, chapter) => kills + chapter.kills, 0)).to.equal(4);
    expect(told.chapters.filter((chapter) => chapter.records >= 1_500)).to.have.lengthOf(5);
    expect(told.story).to.equal("holds");
    expect(code).to.equal(0);
  });
});
