/** Three processes that were given the same list of voters are one cluster, and bear the loss of one of them. */
import { Client } from "@tidemark/client";
import { expect } from "chai";
import { ServerProcess } from "../support/server-process.ts";
import { runInProcess } from "../support/in-process.ts";
import { DevBroker, ScratchDirectory, steadyPort } from "../support/tidemark.ts";

describe("tidemark server start, three times", () => {
  const scratch = new ScratchDirectory();
  const ports: { readonly grpc: number; readonly peer: number }[] = [];
  const running = new Map<number, ServerProcess>();
  let peers = "";

  before(async () => {
    for (let id = 1; id <= 3; id++) ports.push({ grpc: await steadyPort(), peer: await steadyPort() });
    peers = ports.map(({ peer }, slot) => `${slot + 1}@127.0.0.1:${peer}`).join(",");
  });
  after(async () => {
    await Promise.all([...running.values()].map((broker) => broker.kill("SIGKILL")));
    scratch.remove();
  });

  function broker(id: number, env: Record<string, string> = {}): ServerProcess {
    const started = new ServerProcess(
      id,
      { TIDEMARK_PEERS: peers, TIDEMARK_LOG_DIRS: scratch.join(`data-${id}`), ...env },
      ports[id - 1] as (typeof ports)[number],
    );
    running.set(id, started);
    return started;
  }

  const addresses = (): string[] => ports.map(({ grpc }) => `127.0.0.1:${grpc}`);

  /** Until the in-sync replicas of the only partition are these. */
  async function isrIs(client: Client, expected: readonly number[]): Promise<void> {
    for (;;) {
      const isr: string[] = [];
      // oxlint-disable-next-line no-await-in-loop
      for await (const partition of client.admin.partitions.list({ topics: ["orders"] }))
        isr.push(partition.isr.toSorted((a, b) => a - b).join());
      if (isr.every((members) => members === expected.join())) return;
      // oxlint-disable-next-line no-await-in-loop
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  it("names whom they wait for, are one cluster when all are there, and keep what was acknowledged when one is killed", async () => {
    const first = broker(1);
    const absent = [1, 2].map((slot) => {
      const at = `127.0.0.1:${ports[slot]?.peer}`;
      return `node ${slot + 1} at ${at} (connect ECONNREFUSED ${at})`;
    });
    await first.said(`waiting for ${absent.join(", ")}`);
    broker(2);
    broker(3);
    const clusters = await Promise.all([...running.values()].map((each) => each.ready()));
    expect(new Set(clusters.map(({ clusterId }) => clusterId)).size).to.equal(1);

    await using client = new Client({ brokers: addresses() });
    await client.admin.topics.create({ name: "orders", partitions: 3, replicas: 3 });
    await using producer = client.producer();
    const sent: string[] = [];
    const send = async (value: string): Promise<void> => {
      await producer.send("orders", { value });
      sent.push(value);
    };
    for (let i = 0; i < 30; i++) await send(`before ${i}`);

    await running.get(2)?.kill("SIGKILL");
    for (let i = 0; i < 30; i++) await send(`without 2: ${i}`);
    await isrIs(client, [1, 3]);

    await broker(2).ready();
    await isrIs(client, [1, 2, 3]);
    await running.get(1)?.kill("SIGKILL");
    for (let i = 0; i < 30; i++) await send(`without 1: ${i}`);
    await broker(1).ready();
    await isrIs(client, [1, 2, 3]);

    const args = ["consume", "orders", "--from", "start", "--until", "end", "-b", addresses().join(",")];
    const { stdout } = await runInProcess(args);
    expect(stdout.toString().trim().split("\n").toSorted()).to.deep.equal(sent.toSorted());
  });

  it("give leadership back to the preferred replicas when an operator asks", async () => {
    await using client = new Client({ brokers: addresses() });
    const away = async (): Promise<string[]> => {
      const names: string[] = [];
      for await (const { topic, partition, leader, replicas } of client.admin.partitions.list({ internal: true }))
        if (leader !== replicas[0]) names.push(`${topic}:${partition}`);
      return names.toSorted();
    };
    const elect = async (...more: string[]): Promise<Record<string, unknown>[]> => {
      const args = ["partitions", "elect-leader", "preferred", ...more, "-o", "ndjson", "-b", addresses().join(",")];
      const { code, stdout, stderr } = await runInProcess(args);
      expect(code, stderr).to.equal(0);
      const lines = stdout
        .toString()
        .split("\n")
        .filter((line) => line !== "");
      return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    };
    const before = await away();
    expect(before, "the leaders of killed brokers").to.have.length.greaterThan(0);
    expect(await elect("--dry-run")).to.have.length(before.length);
    expect(await away()).to.deep.equal(before);
    const elected = await elect();
    expect(elected.map(({ topic, partition }) => `${String(topic)}:${String(partition)}`).toSorted()).to.deep.equal(
      before,
    );
    for (const { leader, leaderBefore } of elected) expect(leader).to.not.equal(leaderBefore);
    expect(await away()).to.deep.equal([]);
    expect(await elect()).to.deep.equal([]);
  });

  it("refuse a broker whose directory belongs to another cluster", async () => {
    await using stranger = await DevBroker.start(["--data-dir", scratch.join("other")]).then((dev) => ({
      [Symbol.asyncDispose]: async () => void (await dev.stop("SIGKILL")),
      stop: () => dev.stop("SIGTERM"),
    }));
    await stranger.stop();
    await running.get(1)?.kill("SIGTERM");
    const wrong = broker(1, { TIDEMARK_LOG_DIRS: scratch.join("other") });
    await wrong.said("INCONSISTENT_CLUSTER_ID");
    await wrong.kill("SIGTERM");
    await broker(1).ready();
  });

  it("are restarted one after the other as docs/operations.md says, never below min.insync.replicas, and all stop cleanly", async () => {
    await using client = new Client({ brokers: addresses() });
    const topic = "rolled";
    await client.admin.topics.create({
      name: topic,
      partitions: 6,
      replicas: 3,
      config: { "min.insync.replicas": "2" },
    });
    const healthy = async (): Promise<void> => {
      const wait = ["cluster", "health", "--exit-when-healthy", "--timeout", "5m", "-q", "-b", addresses().join(",")];
      const { code, stderr } = await runInProcess(wait);
      expect(code, stderr).to.equal(0);
    };
    await healthy();
    let { nextOffset } = await client.admin.history({ since: "1s" });
    const inSync: number[] = [];
    const happened = new Set<string>();
    let isRolling = true;
    const sent: string[] = [];
    const writing = (async () => {
      await using producer = client.producer();
      while (isRolling) {
        const value = `record ${sent.length}`;
        // oxlint-disable-next-line no-await-in-loop
        await producer.send(topic, { value });
        sent.push(value);
        // oxlint-disable-next-line no-await-in-loop
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    })();
    for (const id of [3, 2, 1]) {
      // oxlint-disable-next-line no-await-in-loop
      const ended = await running.get(id)?.kill("SIGTERM");
      expect(ended?.code, ended?.stderr).to.equal(143);
      broker(id);
      // oxlint-disable-next-line no-await-in-loop
      await healthy();
      // Who was restarted has forgotten what was before; the others have not.
      // oxlint-disable-next-line no-await-in-loop
      const told = await client.admin.history({ from: nextOffset });
      ({ nextOffset } = told);
      for (const event of told.events) {
        happened.add(event.type);
        if (event.type === "isr-shrunk" && event.detail.topic === topic) inSync.push(event.detail.isr.length);
      }
    }
    isRolling = false;
    await writing;
    // Of every change that the metadata log holds, none is left out.
    expect([...happened])
      .to.include.members(["broker-shutting-down", "broker-up"])
      .and.not.include("gap");
    expect(Math.min(...inSync)).to.equal(2);
    expect(inSync.length, "each of six partitions loses each of three replicas once").to.be.at.least(18);
    const { stdout } = await runInProcess([
      "consume",
      topic,
      "--from",
      "start",
      "--until",
      "end",
      "-b",
      addresses().join(","),
    ]);
    expect(stdout.toString().trim().split("\n").toSorted()).to.deep.equal(sent.toSorted());
    expect(sent.length).to.be.greaterThan(0);

    const ends = await Promise.all([...running.values()].map((each) => each.kill("SIGTERM")));
    expect(ends.map(({ code }) => code)).to.deep.equal([143, 143, 143]);
  });
});

describe("tidemark dev --brokers 3", () => {
  it("is a cluster of three in one process, each in a directory of its own", async () => {
    const scratch = new ScratchDirectory();
    const dev = await DevBroker.start(["--brokers", "3", "--peer-port", "0", "--data-dir", scratch.join("data")]);
    try {
      expect(dev.ready.brokers.map(({ id }) => id)).to.deep.equal([1, 2, 3]);
      expect(await dev.run(["topics", "create", "t", "-r", "3"])).to.include({ code: 0 });
      expect(await dev.run(["produce", "t"], { stdin: "kept\n" })).to.include({ code: 0 });
      const read = await dev.run(["consume", "t", "--from", "start", "--until", "end"]);
      expect(read.stdout.toString()).to.equal("kept\n");
      expect(await dev.stop()).to.include({ code: 143 });
    } finally {
      await dev.stop("SIGKILL");
      scratch.remove();
    }
  });
});
