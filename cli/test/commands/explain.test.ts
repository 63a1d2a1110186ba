import { expect } from "chai";
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { CAUSES } from "../../src/causes.ts";
import { findExplanations } from "../../src/commands/explain.ts";
import { OWN_CODES } from "../../src/own-codes.ts";

const root = resolve(import.meta.dirname, "../../../..");

/** Words in capitals that are no codes of failures. */
const OTHER_WORDS: readonly RegExp[] = [
  /^TIDEMARK_|^KAFKA_|^UV_|^NO_COLOR$|^FORCE_COLOR$|^XDG_/u, // of the environment
  /^SIG[A-Z]+$/u,
  /^ERR_|^HPE_|^LEVEL_/u, // of Node and LevelDB, turned into codes of ours
  /^CURRENT$|^MANIFEST/u, // files of LevelDB
  /^(?:NONE|DAMAGED|LATER|EUNKNOWN|CASCADE)$/u,
  /^(?:SUSPENDED|STOPPED|SNAPSHOT_DAMAGED)$/u, // of consensus, turned into codes of the table or asked for again
  /^LOG_DAMAGED$/u, // of a cut, turned into a repair
  /^(?:PLAINTEXT|SASL|TOPIC|BROKER|CLUSTER)(?:_|$)|_CONFIG$/u, // words of settings
];

/** Every text in capitals that could be a code, with one file that it stands in. Tables of codes raise nothing. */
function codesInSources(): Map<string, string> {
  const codes = new Map<string, string>();
  for (const room of ["proto", "client", "broker", "cli"]) {
    const files = readdirSync(join(root, room, "src"), { recursive: true, encoding: "utf8" });
    for (const file of files.sort()) {
      const isTable = /(?:error-table|own-codes|causes)\.ts$/.test(file);
      // The simulator tells its checks, the consensus core its driver: neither speaks to people.
      if (!file.endsWith(".ts") || isTable || /^(?:sim|raft)\//.test(file)) continue;
      const text = readFileSync(join(root, room, "src", file), "utf8");
      for (const [, word = ""] of text.matchAll(/"([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+|[A-Z]{5,})"/g)) {
        if (!OTHER_WORDS.some((pattern) => pattern.test(word))) codes.set(word, `${room}/src/${file}`);
      }
    }
  }
  return codes;
}

describe("explain", () => {
  it("knows every code that stands in the sources: what it means, what lies behind it, what to do", () => {
    const unexplained = new Map<string, string>();
    let known = 0;
    for (const [code, file] of codesInSources()) {
      const found = findExplanations(code);
      // A short name of the SDK stands for several: one of them is what happened here.
      const isWhole = found.some(({ text, cause, hint }) => text !== "" && cause !== "" && hint !== "");
      if (isWhole) known += 1;
      else unexplained.set(code, file);
    }
    expect([...unexplained]).to.deep.equal([]);
    expect(known).to.be.greaterThan(80);
  });

  it("knows every trouble of a cluster and of a partition that brokers and the SDK tell", () => {
    const told = new Set<string>();
    for (const [file, pattern] of [
      ["broker/src/api/describe-health.ts", /^ {4}\| "([a-z-]+)"/gmu],
      ["client/src/types.ts", /^ {2}\| "([a-z-]+)"/gmu],
      ["client/src/core/troubles.ts", /^ {2}"([a-z-]+)",/gmu],
    ] as const)
      for (const [, code = ""] of readFileSync(join(root, file), "utf8").matchAll(pattern)) told.add(code);
    // Of a broker of another version.
    told.delete("other");
    expect(told.size).to.be.at.least(15);
    for (const code of told) {
      const found = findExplanations(code).find((row) => row.code === code);
      expect(found?.text, code).to.be.a("string").and.not.equal("");
      expect([found?.cause, found?.hint], code).to.not.include("");
    }
  });

  it("has no cause for what is no code", () => {
    expect(Object.keys(CAUSES).filter((code) => findExplanations(code).length === 0)).to.deep.equal([]);
  });

  it("has each of its own codes once, with a sentence", () => {
    const codes = OWN_CODES.map((row) => row.code);
    expect(new Set(codes).size).to.equal(codes.length);
    for (const row of OWN_CODES) expect(row.text, row.code).to.match(/\.$/);
  });

  it("finds a code by name in any case, by number, and by the SDK's name", () => {
    expect(findExplanations("request_timed_out").map((row) => row.number)).to.deep.equal([7]);
    expect(findExplanations("7").map((row) => row.code)).to.deep.equal(["REQUEST_TIMED_OUT"]);
    expect(findExplanations("TIMEOUT").map((row) => row.code)).to.deep.equal(["TIMEOUT", "REQUEST_TIMED_OUT"]);
    expect(findExplanations("-1").map((row) => row.code)).to.deep.equal(["UNKNOWN_SERVER_ERROR"]);
    expect(findExplanations("NONSENSE")).to.deep.equal([]);
  });
});
