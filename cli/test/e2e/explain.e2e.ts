/** `explain acked | visible | isr` against a broker, and what they say to input that makes no sense. */
import { expect } from "chai";
import { ServerProcess } from "../support/server-process.ts";
import { runInProcess } from "../support/in-process.ts";
import { DevBroker, type Finished, ScratchDirectory, steadyPort } from "../support/tidemark.ts";

describe("tidemark explain", () => {
  let dev: DevBroker;
  before(async () => {
    dev = await DevBroker.start(["--memory", "--topic", "orders:2:1"]);
    await dev.run(["produce", "orders", "-p", "0"], { stdin: "one\ntwo\n" });
  });
  after(() => dev.stop());

  const ask = (...args: string[]): Promise<Finished> => runInProcess(["explain", ...args, "-b", dev.address]);
  const object = async (...args: string[]): Promise<Record<string, unknown>> => {
    const { code, stdout, stderr } = await ask(...args, "-o", "json");
    expect(code, stderr).to.equal(0);
    return JSON.parse(stdout.toString()) as Record<string, unknown>;
  };

  it("says whether, and why, in one line; with codes for programs", async () => {
    expect(await object("acked", "orders:0", "1")).to.include({
      holds: true,
      code: "ACKED",
      offset: 1,
      highWatermark: 2,
    });
    expect(await object("visible", "orders:0", "2")).to.include({ holds: false, code: "NOT_WRITTEN" });
    expect(await object("isr", "orders:1")).to.include({ holds: true, code: "ISR_FULL", leader: 1, offset: null });
    const { stdout } = await ask("visible", "orders:0", "0", "--isolation", "read_uncommitted");
    expect(stdout.toString().split("\n")[0]).to.match(
      /^orders:0 offset 0 is visible: it is below the high watermark 2/,
    );
  });

  it("means the last record where no offset is named, and the ISR where there is none", async () => {
    const { stderr } = await ask("acked", "orders:0");
    expect(stderr).to.equal("offset 1, the last one of orders:0, where none is named\n");
    expect(await object("acked", "orders:0")).to.include({ code: "ACKED", offset: 1 });
    expect(await object("visible", "orders:0")).to.include({ code: "VISIBLE", offset: 1 });
    expect(await object("acked", "orders:1")).to.include({ code: "ISR_FULL", offset: null });
  });

  it("still knows what codes mean, its own among them", async () => {
    expect((await ask("WAITS_FOR_REPLICAS")).stdout.toString()).to.match(/^WAITS_FOR_REPLICAS\n/);
    expect((await ask("6")).stdout.toString()).to.match(/^NOT_LEADER_OR_FOLLOWER \(6\)\n/);
    const { code, stderr } = await ask("TIMEOT");
    expect([code, stderr.includes("did you mean TIMEOUT?")]).to.deep.equal([3, true]);
  });

  it("refuses what is no partition, no offset or not there, and suggests what was meant", async () => {
    const cases: readonly (readonly [args: readonly string[], exitCode: number, said: RegExp])[] = [
      [["acked", "orders-0", "1"], 2, /expected TOPIC:PARTITION[^]*did you mean orders:0\?/u],
      [["acked", "orders:0", "x"], 2, /expected a whole number from 0 up/u],
      [["acked", "orders:0", "-1"], 2, /./u],
      [["acked", "orders:0", "9007199254740993"], 2, /expected a whole number/u],
      [["visible", "orders:0", "1", "--isolation", "committed"], 2, /read_committed/u],
      [["isr", "order:0"], 3, /UNKNOWN_TOPIC_OR_PARTITION: there is no topic "order"\nhint: did you mean orders\?/u],
      [["isr", "orders:7"], 3, /topic "orders" has partitions 0 to 1, not 7/u],
      [["isr", "or ders:0"], 2, /topic/u],
    ];
    for (const [args, exitCode, said] of cases) {
      const { code, stdout, stderr } = await ask(...args);
      expect([code, stdout.toString()], args.join(" ")).to.deep.equal([exitCode, ""]);
      expect(stderr, args.join(" ")).to.match(said);
    }
    const nobody = await runInProcess(["explain", "isr", "orders:0", "-b", "127.0.0.1:1", "--timeout", "200ms"]);
    expect(nobody.code).to.equal(6);
  });
});

describe("tidemark doctor at a birth", () => {
  it("names whom a broker waits for that has not opened its door yet", async () => {
    const scratch = new ScratchDirectory();
    const [grpc, peer, away] = [await steadyPort(), await steadyPort(), await steadyPort()];
    const env = {
      TIDEMARK_PEERS: `1@127.0.0.1:${peer},2@127.0.0.1:${away}`,
      TIDEMARK_LOG_DIRS: scratch.join("data"),
      TIDEMARK_LISTENERS: `GRPC://127.0.0.1:${grpc},HTTP://127.0.0.1:${grpc + 100},PEER://127.0.0.1:${peer}`,
    };
    const broker = new ServerProcess(1, env, { grpc, peer });
    try {
      await broker.said("waiting for node 2");
      const { code, stdout } = await runInProcess(["doctor", "--client", "-b", `127.0.0.1:${grpc}`]);
      expect(code).to.equal(9);
      expect(stdout.toString()).to.match(/^FAIL +start +the broker at \S+ is starting and waits for node 2 at/mu);
      expect(stdout.toString().split("\n")[0]).to.match(
        /^FAIL: start: the broker at \S+ is starting and waits for node 2/u,
      );
    } finally {
      await broker.kill("SIGKILL");
      scratch.remove();
    }
  });
});
