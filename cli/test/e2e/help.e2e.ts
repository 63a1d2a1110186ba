import { expect } from "chai";
import { Help } from "commander";
import { readFileSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { COMMAND_NAMES, createProgram } from "../../src/program.ts";
import { runInProcess } from "../support/in-process.ts";
import { modules as program, run, ScratchDirectory } from "../support/tidemark.ts";

const hook = (name: string): string => resolve(import.meta.dirname, "../../../test/support", name);

/** Every module of ours and every package that the process loads. */
async function modulesOf(args: readonly string[]): Promise<string[]> {
  const scratch = new ScratchDirectory();
  try {
    const file = scratch.join("modules");
    const nodeFlags = ["--require", hook("loaded-modules.cjs"), "--import", hook("resolved-modules.mjs")];
    await run(args, { program, nodeFlags, env: { MODULES_FILE: file } });
    const lines = readFileSync(file, "utf8").split("\n");
    return [...new Set(lines)].filter((line) => line !== "" && !line.startsWith("node:"));
  } finally {
    scratch.remove();
  }
}

const HEAVY =
  /@grpc|protobufjs|classic-level|cli-progress|smol-toml|node_modules\/yaml|\/(?:broker|client|proto)\/dist\//;

/** Help and completion are to answer within 120 ms: they load the part of the tree that is asked for, and no command. */
describe("what help loads", () => {
  for (const { args, parts } of [
    { args: ["--help"], parts: [] },
    { args: ["topics", "--help"], parts: ["topics.js"] },
    { args: ["configs", "set", "--help"], parts: ["configs.js"] },
    { args: ["help", "consume"], parts: ["records.js"] },
    { args: ["raft", "status", "--help"], parts: ["raft.js"] },
    { args: ["cluster", "health", "--help"], parts: ["cluster.js", "move-options.js"] },
    { args: ["partitions", "reassign", "--help"], parts: ["partitions.js", "move-options.js"] },
    { args: ["ctx", "--help"], parts: ["profile.js"] },
    { args: ["-b", "host:1", "dev", "--help"], parts: ["run.js"] },
  ]) {
    it(`is its part of the tree alone: ${args.join(" ")}`, async () => {
      const modules = await modulesOf(args);
      expect(modules.some((module) => module.includes("commander"))).to.equal(true);
      expect(modules.some((module) => module.includes("/cli/dist/src/program.js"))).to.equal(true);
      expect(modules.filter((module) => HEAVY.test(module))).to.deep.equal([]);
      expect(modules.filter((module) => /cli\/dist\/src\/commands\//.test(module))).to.deep.equal([]);
      const tree = modules.flatMap((module) => /cli\/dist\/src\/tree\/(.+)/.exec(module)?.[1] ?? []);
      expect(tree).to.have.members(["global.js", "options.js", ...parts]);
    });
  }

  it("is neither gRPC nor the broker for completion", async () => {
    for (const args of [
      ["__complete", "--", "topics", ""],
      ["completion", "bash"],
    ]) {
      const modules = await modulesOf(args);
      expect(
        modules.filter((module) => HEAVY.test(module) && !/@tidemark|dist/.test(module)),
        args.join(" "),
      ).to.deep.equal([]);
      expect(
        modules.filter((module) => /@grpc|\/client\/dist\/src\/index/.test(module)),
        args.join(" "),
      ).to.deep.equal([]);
    }
  });
});

describe("the launcher", () => {
  it("keeps compiled code where Node can (22.1), and does without where it cannot", async () => {
    const preload = 'require("node:module").enableCompileCache=()=>console.error("kept")';
    const scratch = new ScratchDirectory();
    try {
      writeFileSync(scratch.join("new.cjs"), preload);
      writeFileSync(scratch.join("old.cjs"), 'delete require("node:module").enableCompileCache');
      const told = async (node: string): Promise<string> =>
        (await run(["version"], { nodeFlags: ["--require", scratch.join(`${node}.cjs`)] })).stderr;
      expect(await told("new")).to.equal("kept\n");
      expect(await told("old")).to.equal("");
    } finally {
      scratch.remove();
    }
  });
});

describe("help", () => {
  it("says what each command does, in one line", async () => {
    const program = await createProgram(async () => undefined, COMMAND_NAMES);
    const all = program.commands.flatMap((command) => [command, ...command.commands]);
    for (const command of all) {
      if (command.name().startsWith("__")) continue;
      expect(command.description(), command.name()).to.match(/^\S.*[^.]$/);
      for (const option of command.options)
        expect(option.description, `${command.name()} ${option.flags}`).to.not.equal("");
    }
  });

  it("lists a command that was not built as it lists one that was", async () => {
    const program = await createProgram(async () => undefined, COMMAND_NAMES);
    for (const command of program.commands)
      expect(program.createHelp().subcommandTerm(command), command.name()).to.equal(new Help().subcommandTerm(command));
    const listed = await createProgram(async () => undefined, []);
    expect(listed.helpInformation()).to.equal(program.helpInformation()).and.not.include("__complete");
  });

  it("is there for every command, with exit code 0", async () => {
    const { code, stdout } = await run(["topics", "truncate", "--help"]);
    expect(code).to.equal(0);
    expect(stdout.toString()).to.include("--before").and.include("Global Options:");
  });

  it("is there in front of the command too, and does nothing of what follows", async () => {
    const { code, stdout, stderr } = await run(["help", "topics", "truncate"]);
    expect({ code, stderr }).to.deep.equal({ code: 0, stderr: "" });
    expect(stdout.toString()).to.match(/^Usage: tidemark topics truncate /);
    for (const [words, usage] of [
      ["topics help truncate", "tidemark topics truncate"],
      ["help topics --yes delete orders", "tidemark topics delete"],
      ["help consume", "tidemark consume"],
      ["help help", "tidemark [options] [command]"],
      ["help", "tidemark [options] [command]"],
    ] as const) {
      const helped = await runInProcess(words.split(" "));
      expect(helped.code, words).to.equal(0);
      expect(helped.stdout.toString().startsWith(`Usage: ${usage}`), words).to.equal(true);
    }
    expect((await runInProcess(["consume", "help", "-b", "127.0.0.1:1", "--timeout", "50ms"])).code).to.equal(6);
  });
});
