/** The way back when most voters have lost the cluster's metadata for ever: `raft recover` on one that has not. */
import { once } from "node:events";
import { readdirSync, readFileSync, rmSync } from "node:fs";
import net from "node:net";
import { join } from "node:path";
import { Client } from "@tidemark/client";
import { expect } from "chai";
import { runInProcess } from "../support/in-process.ts";
import { ServerProcess } from "../support/server-process.ts";
import { type Finished, ScratchDirectory, steadyPort } from "../support/tidemark.ts";

describe("tidemark raft recover (three voters, two lose their metadata)", () => {
  const scratch = new ScratchDirectory();
  const ports: { readonly grpc: number; readonly peer: number }[] = [];
  const running = new Map<number, ServerProcess>();
  const sent: string[] = [];
  let clusterId = "";

  before(async () => {
    for (let id = 1; id <= 3; id++) ports.push({ grpc: await steadyPort(), peer: await steadyPort() });
  });
  after(async () => {
    await Promise.all([...running.values()].map((broker) => broker.kill("SIGKILL")));
    scratch.remove();
  });

  const directory = (id: number): string => scratch.join(`data-${id}`);
  const addresses = (): string[] => ports.map(({ grpc }) => `127.0.0.1:${grpc}`);

  function broker(id: number): ServerProcess {
    const env = {
      TIDEMARK_PEERS: ports.map(({ peer }, slot) => `${slot + 1}@127.0.0.1:${peer}`).join(","),
      TIDEMARK_LOG_DIRS: directory(id),
    };
    const started = new ServerProcess(id, env, ports[id - 1] as (typeof ports)[number]);
    running.set(id, started);
    return started;
  }

  const tidemark = (...args: string[]): Promise<Finished> =>
    runInProcess(args, { env: { XDG_CONFIG_HOME: scratch.path, TIDEMARK_BROKERS: addresses().join(",") } });

  async function send(client: Client, what: string, count: number): Promise<void> {
    await using producer = client.producer();
    for (let i = 0; i < count; i++) {
      const value = `${what} ${i}`;
      // oxlint-disable-next-line no-await-in-loop
      await producer.send("orders", { value });
      sent.push(value);
    }
  }

  async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
    for (const endsAt = Date.now() + 300_000; Date.now() < endsAt; ) {
      // oxlint-disable-next-line no-await-in-loop
      if (await holds()) return;
      // oxlint-disable-next-line no-await-in-loop
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error(`it did not come to pass: ${what}`);
  }

  /** Whatever the metadata of a node consists of; its partitions stay. */
  function loseMetadata(id: number): void {
    for (const name of readdirSync(directory(id))) {
      if (/^(?:tidemark-metadata|quorum-state|raft-.*\.snapshot)$/u.test(name))
        rmSync(join(directory(id), name), { recursive: true });
    }
  }

  const storeOf = (id: number): string[] =>
    readdirSync(directory(id))
      .filter((name) => /^(?:quorum-state|raft-|meta\.properties)/u.test(name))
      .toSorted();

  it("is a cluster, of which one voter is behind when it all ends", async () => {
    for (const id of [1, 2, 3]) broker(id);
    const [ready] = await Promise.all([...running.values()].map((each) => each.ready()));
    clusterId = ready?.clusterId ?? "";
    const client = new Client({ brokers: addresses() });
    await client.admin.topics.create({ name: "orders", partitions: 3, replicas: 3 });
    await send(client, "by all three", 60);
    await running.get(3)?.kill("SIGKILL");
    // What the third one never hears of, metadata and records alike.
    await send(client, "without the third", 60);
    await client.admin.topics.create({ name: "unheard", partitions: 1, replicas: 2 });
    await client.close();
    for (const id of [1, 2]) await running.get(id)?.kill("SIGKILL");
    // One lost its disk, the other its metadata alone.
    rmSync(directory(1), { recursive: true });
    loseMetadata(2);
  });

  it("waits for ever without an operator, and is not touched while a broker runs on it", async () => {
    const third = broker(3);
    await third.said("waiting for");
    const refused = await tidemark("raft", "recover", "--data-dir", directory(3), "--yes");
    expect(refused.code).to.equal(4);
    expect(refused.stderr).to.include("DIRECTORY_LOCKED").and.include("process id");
    await third.kill("SIGTERM");
  });

  it("asks first, shows what it would do, and changes nothing by that", async () => {
    const before = storeOf(3).map((name) => readFileSync(join(directory(3), name), "latin1"));
    const unasked = await tidemark("raft", "recover", "--data-dir", directory(3));
    expect(unasked.code, unasked.stderr).to.equal(2);
    expect(unasked.stderr).to.include("NEEDS_CONFIRMATION").and.include("--yes");
    const rehearsed = await tidemark("raft", "recover", "--data-dir", directory(3), "--dry-run", "-o", "ndjson");
    expect(rehearsed.code, rehearsed.stderr).to.equal(0);
    expect(JSON.parse(rehearsed.stdout.toString())).to.include({ nodeId: 3, clusterId, isDone: false });
    expect(rehearsed.stderr).to.match(/what the cluster decided behind entry \d+ of term \d+ is lost/u);
    expect(rehearsed.stderr).to.match(/nodes 1, 2 had a vote: make sure that a majority/u);
    expect(storeOf(3).map((name) => readFileSync(join(directory(3), name), "latin1"))).to.deep.equal(before);
  });

  it("is refused while a majority of the voters listens for its peers, and names whoever does", async () => {
    const doors = ports
      .slice(0, 2)
      .map(({ peer }) => net.createServer((socket) => socket.destroy()).listen(peer, "127.0.0.1"));
    const [first, second] = doors as [net.Server, net.Server];
    try {
      await Promise.all(doors.map((door) => once(door, "listening")));
      const refused = await tidemark("raft", "recover", "--data-dir", directory(3), "--yes");
      expect(refused.code, refused.stderr).to.equal(4);
      expect(refused.stderr).to.include("BROKER_RUNNING").and.include(`broker 2 at 127.0.0.1:${ports[1]?.peer}`);
      second.close();
      await once(second, "close");
      const told = await tidemark("raft", "recover", "--data-dir", directory(3), "--dry-run");
      expect(told.code, told.stderr).to.equal(0);
      expect(told.stderr).to.match(/somebody listens where other brokers were found: broker 1 at [^,]*\. Stop them/u);
    } finally {
      first.close();
      second.close();
    }
  });

  it("makes the third the only voter, whom the others join, and every acknowledged record is there", async () => {
    const recovered = await tidemark("raft", "recover", "--data-dir", directory(3), "--yes");
    expect(recovered.code, recovered.stderr).to.equal(0);
    expect(recovered.stderr).to.include("tidemark partitions elect-leader unclean");
    expect((await broker(3).ready()).clusterId).to.equal(clusterId);
    const joined = await Promise.all([broker(1), broker(2)].map((each) => each.ready()));
    expect(joined.map((each) => each.clusterId)).to.deep.equal([clusterId, clusterId]);

    const elected = await tidemark("partitions", "elect-leader", "unclean", "--yes");
    expect(elected.code, elected.stderr).to.equal(0);
    const healthy = await tidemark("cluster", "health", "--exit-when-healthy", "--timeout", "60s");
    expect(healthy.code, healthy.stderr).to.equal(0);
    const read = await tidemark("consume", "orders", "--from", "start", "--until", "end");
    expect(read.stdout.toString().trim().split("\n").toSorted()).to.deep.equal(sent.toSorted());

    await using client = new Client({ brokers: addresses() });
    await until("all three vote", async () => {
      const { nodes } = await client.admin.raft.status();
      return nodes.filter(({ voter }) => voter).length === 3;
    });
    // Numbers go on above all that the lost voters may have given out.
    await send(client, "after it", 30);
    await client.admin.topics.create({ name: "unheard", partitions: 1, replicas: 2 });
    const again = await tidemark("consume", "orders", "--from", "start", "--until", "end");
    expect(again.stdout.toString().trim().split("\n").toSorted()).to.deep.equal(sent.toSorted());
  });

  it("is a cluster like any other: it bears the loss of the one that saved it", async () => {
    await running.get(3)?.kill("SIGKILL");
    await using client = new Client({ brokers: addresses() });
    await send(client, "without the saviour", 30);
    await broker(3).ready();
    const healthy = await tidemark("cluster", "health", "--exit-when-healthy", "--timeout", "60s");
    expect(healthy.code, healthy.stderr).to.equal(0);
    const read = await tidemark("consume", "orders", "--from", "start", "--until", "end");
    expect(read.stdout.toString().trim().split("\n").toSorted()).to.deep.equal(sent.toSorted());
  });
});
