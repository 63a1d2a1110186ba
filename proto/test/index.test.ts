import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect } from "chai";

const entry = new URL("../src/index.js", import.meta.url);

describe("the main entry of @tidemark/proto", () => {
  it("loads nothing from outside the package but what Node.js has", () => {
    // A loader that lets only relative and node: specifiers pass: any other import fails the process.
    const hook = `export async function resolve(specifier, context, next) {
      if (!/^(\\.|file:|node:)/u.test(specifier)) throw new Error("imports " + specifier);
      return next(specifier, context);
    }`;
    const script = `import { register } from "node:module";
      register("data:text/javascript," + encodeURIComponent(${JSON.stringify(hook)}));
      await import(${JSON.stringify(entry.href)});
      console.log("loaded");`;
    const output = execFileSync(process.execPath, ["--input-type=module", "--eval", script], { encoding: "utf8" });
    expect(output.trim()).to.equal("loaded");
  });

  it("is what package.json names", () => {
    const root = new URL("../../", import.meta.url);
    const { exports } = JSON.parse(readFileSync(new URL("package.json", root), "utf8"));
    expect(fileURLToPath(new URL(exports["."].default, root))).to.equal(fileURLToPath(entry));
  });
});
