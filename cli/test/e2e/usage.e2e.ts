import { expect } from "chai";
import { once } from "node:events";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { type AddressInfo, createServer } from "node:net";
import { resolve } from "node:path";
import { runInProcess } from "../support/in-process.ts";
import { type Finished, run, ScratchDirectory } from "../support/tidemark.ts";

const hook = resolve(import.meta.dirname, "../../../test/support/loaded-modules.cjs");

async function modulesOf(args: readonly string[]): Promise<string> {
  const scratch = new ScratchDirectory();
  try {
    const file = scratch.join("modules");
    await run(args, { nodeFlags: ["--require", hook], env: { MODULES_FILE: file } });
    return existsSync(file) ? readFileSync(file, "utf8") : "";
  } finally {
    scratch.remove();
  }
}

describe("tidemark without a broker", () => {
  it("shows five examples and ends with 2 when nothing is asked", async () => {
    const { code, stdout, stderr } = await run([]);
    expect(code).to.equal(2);
    expect(stdout.length).to.equal(0);
    expect(stderr.split("\n").filter((line) => line.startsWith("  tidemark "))).to.have.lengthOf(5);
  });

  it("ends with 1 when what it has to say cannot be written", async function () {
    if (!existsSync("/dev/full")) {
      process.stderr.write("      skipped: this machine has no /dev/full\n");
      this.skip();
    }
    for (const flags of [[], ["-o", "json"]]) {
      const { code, stderr } = await run(["server", "print-defaults", ...flags], { stdoutTo: "/dev/full" });
      expect(code).to.equal(1);
      expect(stderr).to.include("standard output could not be written: no space left on device");
      expect(stderr).to.include("ENOSPC");
    }
  });

  it("suggests the command and the flag that were meant", async () => {
    const command = await runInProcess(["prodce", "orders"]);
    expect(command).to.include({
      code: 2,
      stderr: "error: USAGE: unknown command 'prodce'\nhint: did you mean produce?\nsee: tidemark explain USAGE\n",
    });
    const bare = await runInProcess(["ctx"]);
    expect(bare.code).to.equal(2);
    expect(bare.stderr).to.match(/^error: USAGE: profile needs a sub-command\nhint: it has list, use, /);
    const nested = await runInProcess(["topics", "lst"]);
    expect(nested).to.include({
      code: 2,
      stderr: "error: USAGE: unknown command 'lst'\nhint: did you mean list?\nsee: tidemark explain USAGE\n",
    });
    const flag = await runInProcess(["consume", "orders", "--form", "start"]);
    expect(flag).to.include({
      code: 2,
      stderr: "error: USAGE: unknown option '--form'\nhint: did you mean --from?\nsee: tidemark explain USAGE\n",
    });
  });

  it("names the flag whose value is wrong, and says it as JSON with -o json", async () => {
    const { code, stderr, stdout } = await runInProcess(["consume", "orders", "--from", "yesterday", "-o", "json"]);
    expect(code).to.equal(2);
    expect(stdout.length).to.equal(0);
    expect(JSON.parse(stderr))
      .to.include({ code: "USAGE", exitCode: 2 })
      .and.have.property("message")
      .that.includes("--from");
  });

  it("refuses an illegal topic name before it looks for a broker", async () => {
    for (const name of ["..", "a/b", "", "x".repeat(250)]) {
      const { code, stderr } = await runInProcess(["produce", "-b", "127.0.0.1:1", "--", name]);
      expect(code, name).to.equal(2);
      expect(stderr, name).to.include("error: USAGE: topic name");
    }
  });

  it("sends nothing when one of the files does not exist", async () => {
    const { code, stderr } = await runInProcess([
      "produce",
      "orders",
      "-b",
      "127.0.0.1:1",
      "--file",
      "/nonexistent/input.txt",
    ]);
    expect(code).to.equal(3);
    expect(stderr).to.include("error: FILE_NOT_FOUND: /nonexistent/input.txt");
  });

  it("names the settings file that is none", async () => {
    const scratch = new ScratchDirectory();
    const binary = scratch.join("binary.properties");
    writeFileSync(binary, Buffer.from("node.id=1\n\u0000\u001b[31m"));
    const refused = await runInProcess(["server", "start", "--config", binary]);
    expect(refused.code).to.equal(2);
    expect(refused.stderr).to.include(`error: INVALID_CONFIG: ${binary} is not a text file\n`);
    const directory = await runInProcess(["server", "start", "--config", scratch.path]);
    expect(directory.stderr).to.include(`error: EISDIR: ${scratch.path} is a directory`);
    scratch.remove();
  });

  it("ends with 6 when nobody listens", async () => {
    for (const args of [
      ["produce", "orders"],
      ["consume", "orders", "--from", "start"],
      ["topics", "list"],
    ]) {
      const { code, stderr, stdout } = await runInProcess([...args, "-b", "127.0.0.1:1", "--timeout", "1s"]);
      expect(code, args.join(" ")).to.equal(6);
      expect(stderr).to.match(/^error: CONNECTION_LOST: .*127\.0\.0\.1:1/);
      expect(stdout.length).to.equal(0);
    }
  });

  it("asks whether it is the gRPC port where something else answers", async () => {
    const web = createHttpServer((_, response) => void response.end("hello")).listen(0, "127.0.0.1");
    await once(web, "listening");
    const { port } = web.address() as AddressInfo;
    const { code, stderr } = await runInProcess(["topics", "list", "-b", `127.0.0.1:${port}`]);
    web.close();
    expect(code, stderr).to.equal(6);
    expect(stderr).to.include(
      "\nhint: is it the gRPC port of a broker (9192), and not its HTTP port (9292) or that between brokers (9392)?\n",
    );
  });

  it("says of an address that refuses what the system says of it, and sooner than of one that is silent", async () => {
    const silent = createServer().listen(0, "127.0.0.1");
    await once(silent, "listening");
    const { port } = silent.address() as AddressInfo;
    const order: string[] = [];
    const list = (address: string): Promise<Finished> =>
      runInProcess(["topics", "list", "-b", address]).finally(() => order.push(address));
    const [waited, refused] = await Promise.all([list(`127.0.0.1:${port}`), list("127.0.0.1:1")]);
    silent.close();
    expect([waited.code, refused.code]).to.deep.equal([6, 6]);
    expect(refused.stderr).to.include("no broker answers at 127.0.0.1:1: connect ECONNREFUSED 127.0.0.1:1\n");
    expect(order).to.deep.equal(["127.0.0.1:1", `127.0.0.1:${port}`]);
  });

  it("needs --yes to delete where nobody can be asked", async () => {
    const { code, stderr } = await runInProcess(["topics", "delete", "orders", "-b", "127.0.0.1:1"]);
    expect(code).to.equal(2);
    expect(stderr).to.include("error: NEEDS_CONFIRMATION: deleting orders needs --yes");
  });

  it("loads gRPC neither for help nor for explain", async () => {
    for (const args of [["--help"], ["produce", "--help"], ["explain", "TIMEOUT"], ["version"]]) {
      const modules = await modulesOf(args);
      expect(modules, args.join(" ")).to.include("commander");
      expect(modules, args.join(" ")).to.not.match(/node_modules\/@grpc|node_modules\/level|cli-progress/);
    }
  });

  it("explains codes by name, by number and by the SDK's name, and ends with 3 for others", async () => {
    const byNumber = await runInProcess(["explain", "6"]);
    expect(byNumber.stdout.toString()).to.include("NOT_LEADER_OR_FOLLOWER (6)");
    const bySdkName = await runInProcess(["explain", "record_too_large", "-o", "ndjson"]);
    const codes = bySdkName.stdout
      .toString()
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line).code);
    expect(codes).to.deep.equal(["MESSAGE_TOO_LARGE", "RECORD_LIST_TOO_LARGE"]);
    expect(await runInProcess(["explain", "NONSENSE"])).to.include({ code: 3 });
    for (const meant of ["unknown_topic_or", "UNKOWN_TOPIC_OR_PARTITION"])
      expect((await runInProcess(["explain", meant])).stderr).to.include(
        "hint: did you mean UNKNOWN_TOPIC_OR_PARTITION?\n",
      );
  });

  it("refuses an address that is none where it is named, also for a profile", async () => {
    for (const address of ["x y", "http://h:9192", "h:99999", "h:"]) {
      const refused = await runInProcess(["profile", "add", "bad", "-b", address]);
      expect(refused).to.include({ code: 2 });
      expect(refused.stderr).to.include(`brokers=${address}: expected host:port,...`);
    }
  });

  it("prints its version as JSON", async () => {
    for (const args of [["version"], ["--version"]]) {
      const { stdout } = await runInProcess([...args, "-o", "json"]);
      expect(JSON.parse(stdout.toString())).to.have.all.keys("tidemark", "node", "platform");
    }
  });
});
