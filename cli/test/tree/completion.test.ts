import { expect } from "chai";
import { COMMAND_NAMES, createProgram } from "../../src/program.ts";
import { complete } from "../../src/tree/completion.ts";

const program = await createProgram(async () => undefined, COMMAND_NAMES);
const valuesOf = (...words: string[]): string[] => complete(program, words).candidates.map(({ value }) => value);
const namesOf = (...words: string[]): string | null => complete(program, words).names;

describe("completion", () => {
  it("offers commands and sub-commands, not those for machines", () => {
    expect(valuesOf(""))
      .to.include.members(["dev", "topics", "consume", "profile", "completion"])
      .and.not.include("__complete");
    expect(valuesOf("top")).to.have.members(["topics", "top"]);
    expect(valuesOf("topics", "")).to.include.members(["list", "alter", "add-partitions", "truncate"]);
    expect(valuesOf("-b", "host:1", "topics", "de")).to.have.members(["describe", "delete"]);
    expect(valuesOf("ctx", "u")).to.deep.equal(["use"]);
  });

  it("offers the flags of the command, then the global ones", () => {
    expect(valuesOf("consume", "orders", "--fr")).to.deep.equal(["--from"]);
    expect(valuesOf("consume", "orders", "--w")).to.deep.equal(["--where", "--watch"]);
    expect(valuesOf("topics", "list", "--"))
      .to.include.members(["--internal", "--output", "--help"])
      .and.not.include("--from");
  });

  it("offers the values of flags that are enumerated, behind a space and behind =", () => {
    expect(valuesOf("produce", "orders", "--compress", "")).to.deep.equal(["none", "gzip", "snappy", "lz4", "zstd"]);
    expect(valuesOf("produce", "orders", "-f", "n")).to.deep.equal(["ndjson"]);
    expect(valuesOf("topics", "list", "-o", "y")).to.deep.equal(["yaml"]);
    expect(complete(program, ["topics", "list", "--output=y"])).to.deep.include({ head: "--output=", prefix: "y" });
    expect(valuesOf("topics", "list", "--output=y")).to.deep.equal(["yaml"]);
    expect(valuesOf("topics", "list", "-X", "retry.j")).to.deep.equal(["retry.jitter="]);
    expect(valuesOf("completion", "")).to.deep.equal(["bash", "zsh", "fish", "powershell"]);
  });

  it("knows what an argument names, and when no more are taken", () => {
    expect(namesOf("consume", "")).to.equal("topic");
    expect(namesOf("partitions", "list", "a", "")).to.equal("topic");
    expect(namesOf("partitions", "describe", "a:0", "")).to.equal("partition");
    expect(namesOf("consume", "orders", "")).to.equal(null);
    expect(namesOf("topics", "delete", "a", "b", "")).to.equal("topic");
    expect(namesOf("topics", "create", "a", "-c", "ret")).to.equal("topic-key");
    expect(namesOf("topics", "alter", "a", "--delete-config", "")).to.equal("topic-key");
    expect(namesOf("server", "start", "--set", "")).to.equal("broker-key");
    expect(namesOf("configs", "get", "top")).to.equal("resource");
    expect(namesOf("configs", "get", "topic/a", "")).to.equal("topic-key");
    expect(namesOf("configs", "get", "topic/a", "--explain", "")).to.equal("topic-key");
    expect(namesOf("configs", "set", "broker/1", "")).to.equal("broker-key");
    expect(namesOf("configs", "get", "cluster", "--explain", "")).to.equal("broker-key");
    expect(namesOf("topics", "list", "--profile", "")).to.equal("profile");
    expect(namesOf("profile", "use", "")).to.equal("profile");
    expect(namesOf("produce", "orders", "--file", "")).to.equal("file");
    expect(namesOf("logs", "dump-segment", "a", "")).to.equal("file");
    expect(namesOf("explain", "")).to.equal("code");
  });

  it("takes the word behind a flag for its value, and everything behind -- for an argument", () => {
    expect(valuesOf("topics", "list", "--timeout", "1s", "--int")).to.include("--internal");
    expect(namesOf("consume", "-ojson", "")).to.equal("topic");
    expect(complete(program, ["consume", "--", "-"])).to.deep.include({ names: "topic", candidates: [] });
    expect(valuesOf("nonsense", "x", "")).to.be.an("array");
  });

  it("names every sub-command once", () => {
    for (const command of program.commands) {
      const names = command.commands.map((one) => one.name());
      expect(new Set(names).size, command.name()).to.equal(names.length);
    }
  });
});
