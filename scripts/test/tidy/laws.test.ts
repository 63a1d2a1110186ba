import { expect } from "chai";
import { checkFile } from "../../src/tidy/laws.ts";

const rulesOf = (file: string, text: string): string[] =>
  checkFile(file, text).map(({ rule, line }) => `${line}: ${rule}`);

describe("tidy: the layer table", () => {
  it("lets an arrow point down", () => {
    expect(rulesOf("broker/src/storage/x.ts", 'import { assert } from "../base/index.ts";')).to.deep.equal([]);
    expect(rulesOf("broker/src/broker.ts", 'import { x } from "./platform/index.ts";')).to.deep.equal([]);
  });

  it("has the test kit stand beside the composition root", () => {
    expect(rulesOf("broker/src/testing/x.ts", 'import { Broker } from "../broker.ts";')).to.deep.equal([]);
    expect(rulesOf("broker/src/testing/x.ts", 'import { SimWorld } from "../sim/index.ts";')).to.deep.equal([]);
    expect(rulesOf("broker/src/sim/x.ts", 'import { TestCluster } from "../testing/index.ts";')).to.deep.equal([
      "1: sim enters broker/src/testing/index.ts",
    ]);
  });

  it("refuses an arrow that points up, a type import and a dynamic one among them", () => {
    expect(rulesOf("broker/src/base/x.ts", 'import type { Disk } from "../ports/index.ts";')).to.deep.equal([
      "1: base enters ports",
    ]);
    expect(rulesOf("broker/src/runtime/x.ts", 'const m = await import("../platform/index.ts");')).to.deep.equal([
      "1: runtime enters platform",
    ]);
    expect(rulesOf("broker/src/replication/x.ts", 'export { y } from "../storage/index.ts";')).to.deep.equal([
      "1: replication enters storage",
    ]);
  });

  it("refuses rooms of one level that know each other", () => {
    expect(rulesOf("broker/src/listeners/grpc/x.ts", 'import { y } from "../http/index.ts";')).to.deep.equal([
      "1: listeners/grpc enters listeners/http",
    ]);
  });

  it("sees the second import on a line", () => {
    const text = 'import { assert } from "../base/index.ts"; import { y } from "../runtime/index.ts";';
    expect(rulesOf("broker/src/storage/x.ts", text)).to.deep.equal(["1: storage enters runtime"]);
  });

  it("refuses a room entered by a side door", () => {
    expect(rulesOf("broker/src/runtime/x.ts", 'import { y } from "../storage/segment.ts";')).to.deep.equal([
      "1: runtime enters storage by a side door",
    ]);
  });

  it("keeps proto out of base and the broker out of the client", () => {
    expect(rulesOf("broker/src/base/x.ts", 'import { y } from "@tidemark/proto";')).to.deep.equal([
      "1: base enters @tidemark/proto",
    ]);
    expect(rulesOf("client/src/x.ts", 'import { y } from "@tidemark/broker";')).to.deep.equal([
      "1: client enters @tidemark/broker",
    ]);
  });

  it("refuses what reaches into another package or into tests by path", () => {
    expect(rulesOf("cli/src/x.ts", 'import { y } from "../../broker/src/index.ts";')).to.have.length(1);
    expect(rulesOf("broker/src/runtime/x.ts", 'import { y } from "../../test/z.ts";')).to.have.length(1);
  });
});

describe("tidy: the banned globals", () => {
  const banned = [
    "Date.now()",
    "performance.now()",
    "setTimeout(f, 1)",
    "setImmediate(f)",
    "process.env",
    "Math.random()",
    "crypto.randomUUID()",
    "AbortSignal.timeout(1)",
  ];
  for (const expression of banned) {
    it(`refuses ${expression} in a core, and behind globalThis`, () => {
      expect(rulesOf("broker/src/runtime/x.ts", `const a = 1;\nvoid ${expression};`)).to.have.length(1);
      if (!expression.startsWith("Math") && !expression.startsWith("Abort")) {
        expect(rulesOf("client/src/core/x.ts", `void globalThis.${expression};`)).to.have.length(1);
      }
      expect(rulesOf("broker/src/platform/x.ts", `void ${expression};`)).to.deep.equal([]);
    });
  }

  it("refuses node's modules in a core, but for assert in base", () => {
    expect(rulesOf("broker/src/storage/x.ts", 'import fs from "node:fs";')).to.have.length(1);
    expect(rulesOf("broker/src/base/x.ts", 'import assert from "node:assert";')).to.deep.equal([]);
    expect(rulesOf("broker/src/storage/x.ts", 'import assert from "node:assert";')).to.have.length(1);
  });

  it("does not mistake a field, a comment or a string for a global", () => {
    const text = '// Date.now() is banned\nconst x = { process: 1, note: "setTimeout" };\nvoid x.process;';
    expect(rulesOf("broker/src/api/x.ts", text)).to.deep.equal([]);
  });
});
