import { expect } from "chai";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { BrokerError } from "@tidemark/client";
import { ERROR_TABLE } from "@tidemark/proto";
import { referencePages } from "../../src/reference/pages.ts";

const root = resolve(import.meta.dirname, "../../../..");

describe("the reference pages", () => {
  it("say what the program says (npm run reference writes them)", () => {
    for (const [path, text] of referencePages(root))
      expect(readFileSync(join(root, path), "utf8"), path).to.equal(text);
  });

  it("have a heading for every code that an error of the SDK points to", () => {
    const page = readFileSync(join(root, "docs/errors.md"), "utf8");
    const headings = new Set(page.match(/^## .+$/gm)?.map((line) => line.slice(3).toLowerCase()));
    const own = ["TIMEOUT", "CONNECTION_LOST", "BUFFER_FULL", "CLOSED", "CODEC", "INVALID_ARGUMENT", "ABORTED"];
    for (const code of new Set([...ERROR_TABLE.map((row) => row.clientCode), ...own, "INTERNAL", "UNSUPPORTED"])) {
      if (code === "") continue;
      const [file, heading = ""] = new BrokerError(code, "").docs.split("#");
      expect(file).to.equal("docs/errors.md");
      expect(headings, code).to.include(heading);
    }
  });
});
