import { expect } from "chai";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { linkModules } from "../../src/link/linker.ts";
import { readModules } from "../../src/link/modules.ts";

const root = resolve(import.meta.dirname, "../../../..");
const ENTRY = "cli/dist/src/main.js";

type Texts = Readonly<Record<string, string>>;

/** Packages whose modules are called `cli/main.js`, `broker/a.js`, and whose manifests are ours. */
function link(texts: Texts): Map<string, string> {
  const read = (path: string): string => {
    if (path.endsWith("package.json")) return '{"exports":{".":{"default":"./dist/src/index.js"}}}';
    const text = texts[path.replace("/dist/src/", "/")];
    if (text === undefined) throw new Error(`${path} is not there`);
    return text;
  };
  return new Map(linkModules(readModules(ENTRY, read), ENTRY));
}

describe("linked modules", () => {
  let folder = "";
  beforeEach(() => {
    mkdirSync(join(root, ".build"), { recursive: true });
    folder = mkdtempSync(join(root, ".build/linked-"));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  /** Links, writes, runs: what `main` exports. */
  async function exportsOf(texts: Texts): Promise<Readonly<Record<string, unknown>>> {
    for (const [name, text] of link(texts)) {
      mkdirSync(dirname(join(folder, name)), { recursive: true });
      writeFileSync(join(folder, name), text);
    }
    const { $cli_main: main } = (await import(pathToFileURL(join(folder, "cli_main.js")).href)) as {
      readonly $cli_main: Readonly<Record<string, unknown>>;
    };
    return main;
  }

  it("get what they import, however it is written", async () => {
    const { all } = await exportsOf({
      "cli/main.js": `
        import { one, two as zwei,
          Three } from "./parts.js";
        import * as parts from "./parts.js";
        import { Parser } from "@tidemark/proto";
        import fs, { readFileSync } from "node:fs";
        const helper = (name) => name;
        export const all = [one(), zwei, new Three().name, Object.keys(parts), Parser, fs.readFileSync === readFileSync, helper("own")];
        //# sourceMappingURL=main.js.map
      `,
      "cli/parts.js": `
        import "./effect.js";
        const helper = () => 1;
        export function one() { return helper(); }
        const inner = 2;
        export { inner as two };
        export class Three { name = "three"; }
        export * from "./more.js";
      `,
      "cli/more.js": `export const four = 4, five = 5;`,
      "cli/effect.js": `globalThis.process.emit("linked-effect");`,
      "proto/index.js": `export { Parser } from "./parser.js"; export {};`,
      "proto/parser.js": `export const Parser = "parser";`,
    });
    expect(all).to.deep.equal([1, 2, "three", ["one", "two", "Three", "four", "five"], "parser", true, "own"]);
  });

  it("are evaluated once and in order, whoever loads them", async () => {
    const { log, later } = await exportsOf({
      "cli/main.js": `
        import { log } from "./log.js";
        import "./second.js";
        log.push("main");
        export { log };
        export const later = async () => [await import("./a.js"), await import("./b.js"), await import("./a.js")];
      `,
      "cli/log.js": `export const log = ["log"];`,
      "cli/second.js": `import { log } from "./log.js"; log.push("second");`,
      "cli/a.js": `import { log } from "./log.js"; import { shared } from "./shared.js"; log.push("a"); export const a = shared;`,
      "cli/b.js": `import { log } from "./log.js"; import { shared } from "./shared.js"; log.push("b"); export const b = shared;`,
      "cli/shared.js": `import { log } from "./log.js"; log.push("shared"); export const shared = {};`,
    });
    expect(log).to.deep.equal(["log", "second", "main"]);
    const [a, b, again] = await (later as () => Promise<[{ a: object }, { b: object }, { a: object }]>)();
    expect(log).to.deep.equal(["log", "second", "main", "shared", "a", "b"]);
    expect(a.a).to.equal(b.b).and.to.equal(again.a);
  });

  it("lie in one file with those that are always needed together", () => {
    const files = link({
      "cli/main.js": `import "./always.js"; export const run = () => [import("./a.js"), import("./b.js")];`,
      "cli/always.js": ``,
      "cli/a.js": `import "./always.js"; import "./both.js"; import "./only-a.js"; export const more = () => import("./deep.js");`,
      "cli/b.js": `import "./both.js";`,
      "cli/both.js": ``,
      "cli/only-a.js": ``,
      // What it needs is there already: whoever asks for it has loaded a.
      "cli/deep.js": `import "./only-a.js"; import "./both.js";`,
    });
    const members = [...files].map(([name, text]) =>
      [name, ...text.matchAll(/^\/\/ cli\/dist\/src\/(.*)$/gm)].map(String),
    );
    const names = members.map(([name = "", ...found]) => [name, ...found.map((line) => line.split(",")[1])]);
    expect(names).to.have.deep.members([
      ["cli_main.js", "always.js", "main.js"],
      ["cli_a.js", "only-a.js", "a.js"],
      ["cli_both.js", "both.js"],
      ["cli_b.js", "b.js"],
      ["cli_deep.js", "deep.js"],
    ]);
  });

  it("require npm's packages from their own package, and lie where they lay", async () => {
    const { level, lazy, place } = await exportsOf({
      "cli/main.js": `export { level, lazy, place } from "@tidemark/broker";`,
      "broker/index.js": `
        import { createRequire } from "node:module";
        import levels, { Level } from "level";
        export const level = [levels.Level === Level, createRequire(import.meta.url).resolve("level/package.json")];
        export const lazy = import("level").then((all) => [all.Level === Level, all.default === levels]);
        export const place = [import.meta.url, import.meta.dirname];
      `,
    });
    expect(level).to.deep.equal([true, join(root, "node_modules/level/package.json")]);
    expect(await lazy).to.deep.equal([true, true]);
    const folderOfBroker = join(root, "broker/dist/src");
    expect(place).to.deep.equal([pathToFileURL(join(folderOfBroker, "index.js")).href, folderOfBroker]);
  });

  for (const { title, texts, says } of [
    {
      title: "import each other in a circle",
      texts: { "cli/main.js": `import "./a.js";`, "cli/a.js": `import "./b.js";`, "cli/b.js": `import "./a.js";` },
      says: "a circle of imports: cli/dist/src/main.js → cli/dist/src/a.js → cli/dist/src/b.js → cli/dist/src/a.js",
    },
    {
      title: "export what changes",
      texts: { "cli/main.js": `export let a = 1; a = 2;` },
      says: "cli/dist/src/main.js: linked files cannot hold `export let`",
    },
    {
      title: "export a default",
      texts: { "cli/main.js": `export default 1;` },
      says: "cli/dist/src/main.js: linked files cannot hold `export default`",
    },
    {
      title: "name an export that a package of ours does not have",
      texts: { "cli/main.js": `import "@tidemark/proto/hidden";` },
      says: "cli/dist/src/main.js: linked files cannot hold `@tidemark/proto/hidden`",
    },
  ]) {
    it(`are refused when they ${title}`, () => expect(() => link(texts)).to.throw(says));
  }
});
