/** `cluster`, `raft` and `partitions` against a broker, and against none. */
import { expect } from "chai";
import { gunzipSync } from "node:zlib";
import { runInProcess } from "../support/in-process.ts";
import { DevBroker, type Finished, ScratchDirectory, start, steadyPort } from "../support/tidemark.ts";

describe("tidemark as an operator", () => {
  let broker: DevBroker;
  let scratch: ScratchDirectory;

  before(async () => {
    scratch = new ScratchDirectory();
    broker = await DevBroker.start(["--memory", "--topic", "orders:3:1"]);
  });
  after(async () => {
    await broker.stop();
    scratch.remove();
  });

  const tidemark = (...args: string[]): Promise<Finished> =>
    runInProcess([...args, "-b", broker.address], { env: { XDG_CONFIG_HOME: scratch.path } });

  async function object(...args: string[]): Promise<Record<string, unknown>> {
    const { code, stdout, stderr } = await tidemark(...args, "-o", "ndjson");
    expect(code, stderr).to.equal(0);
    return JSON.parse(stdout.toString().split("\n")[0] ?? "");
  }

  async function refusal(...args: string[]): Promise<Record<string, unknown>> {
    const { code, stderr } = await tidemark(...args, "-o", "json");
    const failure = JSON.parse(stderr.trim().split("\n").at(-1) ?? "");
    expect(failure.exitCode).to.equal(code);
    return failure;
  }

  it("tells which cluster it is, and of its brokers", async () => {
    const info = await object("cluster", "info");
    expect(info).to.include({ clusterId: broker.ready.clusterId, controller: 1 });
    const row = await object("cluster", "brokers");
    expect(row).to.include({ id: 1, alive: true, fenced: false, controller: true, rack: null });
    expect(row["version"]).to.match(/^\d+\.\d+\.\d+/);
    expect(`${String(row["host"])}:${String(row["port"])}`).to.equal(broker.address);
    const features = (await tidemark("cluster", "features")).stdout.toString();
    expect(features).to.match(/^FEATURE +IN USE +KNOWN\npeer\.protocol +1 +1\n/);
    const page = (await tidemark("cluster", "info")).stdout.toString();
    expect(page)
      .to.match(/^cluster \S+ {2}controller 1 {2}1 broker, 1 alive/)
      .and.include("BROKER  ADDRESS");
  });

  it("puts what brokers say into a bundle, without names where it is asked to", async () => {
    const { code, stdout, stderr } = await tidemark("support", "bundle", "--redact", "--out", "-");
    expect(code, stderr).to.equal(0);
    const text = gunzipSync(stdout).toString("latin1");
    for (const name of ["about", "cluster", "features", "health", "raft", "diagnosis", "events", "configs-broker-1"])
      expect(text).to.include(`tidemark-support/${name}.json\0`);
    expect(text)
      .to.match(/"missing": \{\}/)
      .and.to.include('"name": "topic-1"')
      .and.to.include('"host": "host-1"');
    expect(text).not.to.include('"name": "orders"');
  });

  it("is healthy, at once and for who waits for that", async () => {
    expect((await tidemark("cluster", "health")).stdout.toString()).to.equal("healthy\n");
    expect(await object("cluster", "health")).to.deep.include({ healthy: true, reasons: [], brokersDown: [] });
    const waited = await tidemark("cluster", "health", "--exit-when-healthy", "--timeout", "60s");
    expect([waited.code, waited.stdout.toString()]).to.deep.equal([0, "healthy\n"]);
  });

  it("shows the metadata log: a leader that has all of it", async () => {
    const status = await object("raft", "status");
    expect(status).to.include({ leader: 1 });
    const [node] = status["nodes"] as Record<string, unknown>[];
    expect(node).to.include({ id: 1, role: "leader", voter: true, lag: 0, suspended: false });
    expect(node?.["appliedIndex"]).to.equal(status["commitIndex"]);
  });

  it("lists partitions, and those with troubles, of which there are none", async () => {
    const listed = (await tidemark("partitions", "list", "orders", "-o", "csv")).stdout.toString().trim().split("\n");
    expect(listed.length).to.equal(4);
    const unhealthy = await tidemark("partitions", "list", "--unhealthy", "-o", "ndjson");
    expect([unhealthy.code, unhealthy.stdout.toString()]).to.deep.equal([0, ""]);
    expect(unhealthy.stderr).to.include("no partition has troubles");
    expect(await refusal("partitions", "list", "ordres")).to.include({
      code: "UNKNOWN_TOPIC_OR_PARTITION",
      exitCode: 3,
      hint: "did you mean orders?",
    });
  });

  it("elects no leader where none is due, and none for a partition that is none", async () => {
    for (const [kind, told] of [
      ["preferred", "every leader is the preferred one"],
      ["unclean", "every partition has a leader"],
    ] as const) {
      const { code, stdout, stderr } = await tidemark("partitions", "elect-leader", kind, "-o", "ndjson");
      expect([code, stdout.toString()]).to.deep.equal([0, ""]);
      expect(stderr).to.include(told);
    }
    const named = await tidemark("partitions", "elect-leader", "preferred", "orders:0", "orders:2", "--dry-run");
    expect([named.code, named.stderr.includes("nothing was changed (--dry-run)")]).to.deep.equal([0, true]);
    expect(await refusal("partitions", "elect-leader", "preferred", "orders:7")).to.include({
      code: "UNKNOWN_TOPIC_OR_PARTITION",
      exitCode: 3,
    });
    expect((await tidemark("partitions", "elect-leader", "random")).code).to.equal(2);
  });

  it("holds the replicas of all brokers against each other, for whoever names no directory to verify", async () => {
    const { code, stderr } = await tidemark("logs", "verify");
    expect(code, stderr).to.equal(0);
    expect(stderr).to.match(/^every replica that answered is like its leader: \d+ partitions, /u);
    expect((await tidemark("logs", "verify", "--deep")).code).to.equal(2);
  });

  it("verifies replicas of topics and partitions, and knows none that is not there", async () => {
    const { code, stdout, stderr } = await tidemark("partitions", "verify", "orders:2", "-o", "ndjson");
    expect([code, JSON.parse(stdout.toString())]).to.deep.equal([
      0,
      {
        topic: "orders",
        partition: 2,
        leader: 1,
        start: 0,
        end: 0,
        broker: 1,
        verdict: "same",
        offset: 0,
        message: "",
      },
    ]);
    expect(stderr).to.include("every replica that answered is like its leader: 1 partition, 1 replica, 0 B read");
    expect((await tidemark("partitions", "verify")).stderr).to.match(/like its leader: \d+ partitions/);
    expect(await refusal("partitions", "verify", "nowhere")).to.include({ exitCode: 3 });
    expect(await refusal("partitions", "verify", "orders:9")).to.include({
      code: "UNKNOWN_TOPIC_OR_PARTITION",
      exitCode: 3,
    });
  });

  it("describes a partition with its replicas, and refuses what is none", async () => {
    const row = await object("partitions", "describe", "orders:2");
    expect(row).to.include({ topic: "orders", partition: 2, leader: 1, highWatermark: 0, minIsr: 1 });
    expect(row["logs"]).to.deep.include.members([
      {
        broker: 1,
        role: "leader",
        inSync: true,
        eligible: true,
        damaged: false,
        bytes: 0,
        end: 0,
        lag: 0,
        path: "/memory",
      },
    ]);
    expect(await refusal("partitions", "describe", "orders:9")).to.include({ exitCode: 3 });
    expect(await refusal("partitions", "describe", "orders:0", "orders:9")).to.include({
      code: "PARTIAL",
      exitCode: 8,
    });
    expect(await refusal("partitions", "describe", "orders-1")).to.include({
      exitCode: 2,
      hint: "did you mean orders:1?",
    });
  });

  it("ends with 6 where no broker answers, and with 7 where it was to wait", async () => {
    const gone = (...args: string[]): Promise<Finished> =>
      runInProcess([...args, "-b", "127.0.0.1:1"], { env: { XDG_CONFIG_HOME: scratch.path } });
    expect(await gone("cluster", "health")).to.include({ code: 6 });
    expect(await gone("raft", "status")).to.include({ code: 6 });
    const waited = await gone("cluster", "health", "--exit-when-healthy", "--timeout", "3s");
    expect(waited.code).to.equal(7);
    expect(waited.stderr)
      .to.match(/^\d\d:\d\d:\d\d unhealthy: no broker answers at 127\.0\.0\.1:1: .*\n/)
      .and.match(/^error: TIMEOUT: the cluster is not healthy after 3\.0 s: no broker answers/m);
    const quiet = await gone("cluster", "health", "--exit-when-healthy", "--timeout", "1s", "-q");
    expect(quiet.stderr).to.match(/^error: TIMEOUT: /);
  });

  it("waits for a cluster that is not there yet, a line with each change with --watch", async () => {
    const port = await steadyPort();
    const patient = ["--exit-when-healthy", "--watch=100ms", "--timeout", "120s"];
    const waiting = start(["cluster", "health", ...patient, "-b", `127.0.0.1:${port}`]);
    let text = "";
    const seen = new Promise<void>((resolve) => {
      waiting.stdout.setEncoding("utf8").on("data", (chunk: string) => {
        text += chunk;
        if (text.includes("no broker answers")) resolve();
      });
    });
    const ended = new Promise<number | null>((resolve) => waiting.once("close", resolve));
    await seen;
    const late = await DevBroker.start(["--memory", "--grpc-port", String(port)]);
    try {
      expect(await ended).to.equal(0);
      expect(text)
        .to.match(/^\d\d:\d\d:\d\d unhealthy: no broker answers/)
        .and.match(/\n\d\d:\d\d:\d\d healthy\n$/);
      const lines = text.trim().split("\n");
      const states = lines.map((line) => line.slice(9));
      expect(states.filter((state, slot) => state === states[slot - 1])).to.deep.equal([]);
    } finally {
      await late.stop();
    }
  });
});
